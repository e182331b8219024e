/** T2, T3, T9: a reset comes through as a reset, an end as an end, and what was complete stays whole. */
import { expect, test } from 'vitest';
import { startBlockedReader } from '../support/blocked-reader.ts';
import { ENDED, type Peer } from '../support/peer.ts';
import { onEachLoop, type Pair, type Rig } from '../support/rig.ts';
import { isAllTaken } from '../support/tcp-facts.ts';

const MIB = 1 << 20;
const SIDES = ['client', 'server'] as const;
type Side = (typeof SIDES)[number];

/** The side that does something, and the one that must notice. */
function cast(pair: Pair, actor: Side): { actor: Peer; other: Peer } {
  return actor === 'client' ? { actor: pair.client, other: pair.server } : { actor: pair.server, other: pair.client };
}

/** What Pen has not taken when a reset comes is lost, and then it must pass on a reset: on a busy machine it may be late. */
async function taken(rig: Rig, actor: Peer): Promise<void> {
  await rig.until(
    () => actor.isFlushed && isAllTaken(actor.fd),
    () => actor.describe(),
  );
}

async function endingOf(rig: Rig, peer: Peer): Promise<string> {
  await rig.until(
    () => peer.ending !== '',
    () => peer.describe(),
  );
  return peer.ending;
}

onEachLoop('T2: resets', { options: ['-x', '200'] }, (rig) => {
  test.each(SIDES)('T2: a reset by the %s before any byte reaches the other side as a reset', async (side) => {
    const { actor, other } = cast(await rig.pair(), side);
    actor.reset();
    expect(await endingOf(rig, other)).toBe('ECONNRESET');
  });

  test.each(SIDES)(
    'T2: a reset by the %s in the middle of its data reaches the other side as a reset',
    async (side) => {
      const { actor, other } = cast(await rig.pair(), side);
      actor.send(8 * MIB);
      await rig.until(
        () => other.received > MIB,
        () => other.describe(),
      );
      actor.reset();
      expect(await endingOf(rig, other)).toBe('ECONNRESET');
    },
  );

  test.each(SIDES)('T2: a reset by the %s while it is sent data reaches the sender as a reset', async (side) => {
    const { actor, other } = cast(await rig.pair(), side);
    actor.pause();
    other.send(32 * MIB);
    await rig.pass(100);
    actor.reset();
    await rig.until(
      () => other.ending !== '',
      () => other.describe(),
    );
    expect(other.ending).toBe('ECONNRESET');
  });

  test.each(SIDES)('T2: bytes that the %s sent before its reset are not lost on their way', async (side) => {
    const { actor, other } = cast(await rig.pair(), side);
    actor.send(100_000);
    await rig.until(
      () => other.received === 100_000,
      () => other.describe(),
    );
    other.pause();
    actor.send(50_000);
    await taken(rig, actor);
    actor.reset();
    await rig.pass(50);
    other.resume();
    expect([await endingOf(rig, other), other.received]).toEqual(['ECONNRESET', 150_000]);
  });

  test.each(SIDES)('T2: a reset by the %s after it was sent an end is a reset for the other side', async (side) => {
    const { actor, other } = cast(await rig.pair(), side);
    other.send(10);
    other.end();
    await rig.until(
      () => actor.ending === ENDED,
      () => actor.describe(),
    );
    actor.reset();
    expect(await endingOf(rig, other)).toBe('ECONNRESET');
  });

  test.each(SIDES)('T2: a reset by the %s after its own end stops whoever still sends to it', async (side) => {
    const { actor, other } = cast(await rig.pair(), side);
    actor.send(10);
    actor.end();
    expect(await endingOf(rig, other)).toBe(ENDED);
    other.send(1000);
    await rig.until(
      () => actor.received === 1000,
      () => actor.describe(),
    );
    actor.reset();
    await rig.until(
      () => {
        if (other.failure === '') other.send(1000);
        return other.failure !== '';
      },
      () => other.describe(),
    );
    expect(['EPIPE', 'ECONNRESET']).toContain(other.failure);
    expect(other.received).toBe(10);
  });

  /** Longer than a loop that cannot see what a peer has taken waits for it. */
  const SLOW_MS = 1000;
  test.each([20, SLOW_MS].flatMap((ms) => SIDES.map((side) => [side, ms] as const)))(
    'T3: a reply of the %s that was complete stays whole when its sender resets afterwards, though it is read only %i ms later',
    async (side, ms) => {
      for (const size of ms === SLOW_MS ? [300_000] : [1, 20_000, 300_000]) {
        const { actor, other } = cast(await rig.pair(), side);
        other.send(10);
        await rig.until(
          () => actor.received === 10,
          () => actor.describe(),
        );
        other.pause();
        actor.send(size);
        actor.end();
        await taken(rig, actor);
        actor.reset();
        await rig.pass(50);
        other.send(10);
        await rig.pass(ms);
        other.resume();
        await endingOf(rig, other);
        expect([other.received, other.ending]).toEqual([size, ENDED]);
        other.close();
      }
    },
  );

  test('T9: two hundred connections reset by both sides at once end once each: all their places are free again', async () => {
    const pairs = await rig.pairs(200);
    for (const { client, server } of pairs) {
      client.pause();
      client.send(1000);
      server.send(MIB);
    }
    await rig.pass(100);
    for (const { client, server } of pairs) {
      client.reset();
      server.reset();
    }
    // Were one place not given back, the last of these would wait for ever; were one given back twice, one more would fit.
    const again = await rig.pairs(200);
    const surplus = rig.connect();
    await rig.pass(200);
    expect([rig.servers[0].waiting.length, surplus.ending]).toEqual([0, '']);
    again[0].client.reset();
    await rig.until(() => rig.servers[0].waiting.length === 1, 'the one beyond is served when a place is free');
  });
});

onEachLoop('T2: peers blocked in recv', {}, (rig) => {
  test('T2: a client blocked in recv gets ECONNRESET when the server resets, and an end when it ends', async () => {
    for (const [how, wanted] of [
      ['reset', 'ECONNRESET'],
      ['end', 'end'],
    ] as const) {
      const reader = await startBlockedReader(['connect', String(rig.pen.port)]);
      const server = await rig.nextServerPeer();
      server.send(5);
      await rig.until(
        () => server.isFlushed,
        () => server.describe(),
      );
      await rig.pass(100);
      if (how === 'reset') server.reset();
      else server.end();
      expect(await reader.result()).toBe(`5 bytes, ${wanted}`);
    }
  });
});

onEachLoop('T2: servers blocked in recv', {}, (rig) => {
  test('T2: a server blocked in recv gets ECONNRESET when the client resets, and an end when it ends', async () => {
    // The rig's own server hands its port over to a process that blocks.
    const { port } = rig.server;
    rig.server.close();
    rig.servers = [];
    for (const [how, wanted] of [
      ['reset', 'ECONNRESET'],
      ['end', 'end'],
    ] as const) {
      const reader = await startBlockedReader(['accept', String(port)]);
      const client = rig.connect();
      client.send(5);
      await rig.until(
        () => client.isFlushed,
        () => client.describe(),
      );
      await reader.line('accepted');
      await rig.pass(100);
      if (how === 'reset') client.reset();
      else client.end();
      expect(await reader.result()).toBe(`5 bytes, ${wanted}`);
    }
  });
});
