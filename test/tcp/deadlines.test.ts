/** T12, T8: deadlines cut what makes no progress, when they say, and nothing else. */
import { expect, test } from 'vitest';
import type { Peer } from '../support/peer.ts';
import { isLong, onEachLoop, type Rig } from '../support/rig.ts';

const MIB = 1 << 20;
/**
 * A timeout of t closes in [t, t + 1 s], which the simulator holds every deadline to. Here nothing may close early by more
 * than a turn; late is ten times the second, because the clock of a busy machine is nobody's fault.
 */
const LATEST_MS = 10_000;

/** @param startMs when its last sign of life was at the earliest. */
async function msUntilEnded(rig: Rig, peer: Peer, startMs: number): Promise<number> {
  await rig.until(
    () => peer.ending !== '',
    () => peer.describe(),
    LATEST_MS,
  );
  return performance.now() - startMs;
}

/** A second by the clock of Pen's turns, each of which has the time of its beginning: late on a busy machine. */
const SECOND_MS = 900;

onEachLoop('T12: idle_timeout 1, conn_max 10', { options: ['-x', '10', '-O', 'idle_timeout 1'] }, (rig) => {
  test('T12: silent connections close after one second and not before, both sides with a reset', async () => {
    const pairs = await rig.pairs(9);
    const startMs = performance.now();
    pairs.push(await rig.pair());
    const ms = await msUntilEnded(rig, pairs[9].client, startMs);
    expect(ms).toBeGreaterThan(SECOND_MS);
    const isTold = (peer: Peer): boolean => peer.ending !== '';
    await rig.until(() => pairs.every(({ client, server }) => isTold(client) && isTold(server)), 'all are told');
    expect(new Set(pairs.flatMap(({ client, server }) => [client.ending, server.ending]))).toEqual(
      new Set(['ECONNRESET']),
    );
  });

  test('T12: a half-closed connection that is silent closes as well', async () => {
    const { client, server } = await rig.pair();
    client.end();
    await rig.until(
      () => server.ending !== '',
      () => server.describe(),
    );
    await msUntilEnded(rig, client, performance.now());
    expect(client.ending).toBe('ECONNRESET');
  });

  test('T12: a byte now and then, in either direction, keeps a connection open', async () => {
    const { client, server } = await rig.pair();
    // Far more often than needed, for a test that is late is a silent client.
    for (let i = 0; i < 9; i++) {
      (i % 2 === 0 ? client : server).send(1);
      await rig.pass(300);
    }
    expect([client.ending, server.ending, client.received, server.received]).toEqual(['', '', 4, 5]);
  });
});

onEachLoop('T12: half_closed_timeout 1', { options: ['-O', 'half_closed_timeout 1'] }, (rig) => {
  test('T12: only half-closed connections fall under half_closed_timeout', async () => {
    const whole = await rig.pair();
    const { client, server } = await rig.pair();
    const startMs = performance.now();
    server.end();
    const ms = await msUntilEnded(rig, server, startMs);
    expect(ms).toBeGreaterThan(SECOND_MS);
    expect([client.ending, whole.client.ending, whole.server.ending]).toEqual(['end', '', '']);
  });
});

onEachLoop('T12: the largest idle timeout', { options: ['-x', '10', '-O', 'idle_timeout 10000000'] }, (rig) => {
  test('T12: the largest timeout, far above the number of connections, cuts nobody', async () => {
    const { client, server } = await rig.pair();
    client.pause();
    server.send(16 * MIB);
    await rig.pass(2000);
    expect([client.ending, server.ending]).toEqual(['', '']);
    client.resume();
    await rig.until(
      () => client.received === 16 * MIB,
      () => client.describe(),
    );
  });
});

const PACE = 20_000;
const SLOW_BYTES = 64 * MIB;

const UNSEEN = 'Node does not tell what a slow reader has taken of what our kernel holds';

onEachLoop('T12: slow downloads', { options: ['-O', 'idle_timeout 5'] }, (rig) => {
  const name = isLong
    ? 'T12: 64 MiB read at 20 kB/s, which takes 56 minutes, are never cut by an idle timeout of 5 s'
    : 'T12: 64 MiB of which the first 240 kB are read at 20 kB/s (12 s of the 56 minutes that PEN_LONG=1 takes), the rest freely, are never cut by an idle timeout of 5 s';
  rig.testUnlessOn('node', UNSEEN)(
    name,
    async () => {
      // A small window, so that bytes trickle on their whole way and do not jump in megabytes from buffer to buffer.
      const { client, server } = await rig.pair({ receiveBuffer: 4096 });
      client.readAtPace(PACE, 500);
      server.send(SLOW_BYTES);
      server.end();
      const slowBytes = isLong ? SLOW_BYTES : PACE * 12;
      await rig.until(
        () => client.received >= slowBytes || client.ending !== '',
        () => client.describe(),
        (slowBytes / PACE) * 1500,
      );
      expect([client.ending === '' || client.received === SLOW_BYTES, server.ending]).toEqual([true, '']);
      client.readFreely();
      await rig.until(
        () => client.ending !== '',
        () => client.describe(),
        20_000,
      );
      expect([client.received, client.ending]).toEqual([SLOW_BYTES, 'end']);
    },
    isLong ? 5_400_000 : 60_000,
  );
});
