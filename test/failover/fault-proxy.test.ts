/** The fault proxy does to a stream what it was told to, and nothing else. */
import { afterEach, expect, test } from 'vitest';
import { NO_FAULTS, type Faults } from '../support/fault-direction.ts';
import { FaultProxy, type Link } from '../support/fault-proxy.ts';
import { ENDED, Peer } from '../support/peer.ts';
import { reactor } from '../support/reactor.ts';
import { Server } from '../support/server.ts';
import { needs } from '../support/skip.ts';

const SEED = 4711;
const KIB = 1024;
const MIB = 1 << 20;

interface Stand {
  readonly proxy: FaultProxy;
  readonly server: Server;
}

let open: Stand[] = [];

function stand(faults: { toServer?: Partial<Faults>; toClient?: Partial<Faults> } = {}, seed = SEED): Stand {
  const server = new Server();
  const proxy = new FaultProxy(server.endpoint, seed);
  Object.assign(proxy.weather.toServer, faults.toServer);
  Object.assign(proxy.weather.toClient, faults.toClient);
  const stand = { proxy, server };
  open.push(stand);
  return stand;
}

/** A connection through it. Both ends check what they get unless it is meant to arrive damaged. */
async function pair({ proxy, server }: Stand, isChecked = true): Promise<{ client: Peer; far: Peer; link: Link }> {
  const client = Peer.connect(proxy.endpoint);
  await reactor().until(() => server.waiting.length > 0, 'the connection arrives');
  const far = server.waiting.shift()!;
  if (isChecked) {
    client.inKey = far.key;
    far.inKey = client.key;
  }
  return { client, far, link: proxy.links.at(-1)! };
}

const until = async (isDone: () => boolean, ...peers: Peer[]): Promise<void> =>
  reactor().until(isDone, () => peers.map((peer) => peer.describe()).join('\n'));

/** Milliseconds until that is so. */
async function timeUntil(isDone: () => boolean, ...peers: Peer[]): Promise<number> {
  const startMs = performance.now();
  await until(isDone, ...peers);
  return performance.now() - startMs;
}

needs({ linux: true }, 'the fault proxy', () => {
  afterEach(() => {
    Peer.closeAll();
    for (const { proxy, server } of open) {
      proxy.close();
      server.close();
    }
    open = [];
  });

  test('without faults passes on bytes, ends one by one, and resets', async () => {
    const there = stand();
    const { client, far, link } = await pair(there);
    client.send(8 * MIB);
    far.send(MIB);
    client.end();
    await until(() => far.received === 8 * MIB && client.received === MIB && far.ending === ENDED, client, far);
    expect(client.ending).toBe('');
    far.send(10);
    far.end();
    await until(() => client.received === MIB + 10 && client.ending === ENDED, client, far);
    await until(() => link.isOver);
    const other = await pair(there);
    other.far.reset();
    await until(() => other.client.ending !== '', other.client);
    expect(other.client.ending).toBe('ECONNRESET');
  });

  test('passes a refused connect on as a reset', async () => {
    const there = stand();
    there.server.close();
    const client = Peer.connect(there.proxy.endpoint);
    await until(() => client.ending !== '', client);
    expect(client.ending).toBe('ECONNRESET');
    open = [];
    there.proxy.close();
  });

  test('delays each direction by itself, and never less than asked', async () => {
    const { client, far } = await pair(
      stand({ toServer: { latencyMs: 60 }, toClient: { latencyMs: 20, jitterMs: 20 } }),
    );
    client.send(10);
    expect(await timeUntil(() => far.received === 10, far)).toBeGreaterThanOrEqual(60);
    far.send(10);
    expect(await timeUntil(() => client.received === 10, client)).toBeGreaterThanOrEqual(20);
  });

  test('holds to a rate, and to another one while it runs', async () => {
    const { client, far, link } = await pair(stand({ toServer: { bytesPerSecond: 500 * KIB } }));
    client.send(150 * KIB);
    expect(await timeUntil(() => far.received === 150 * KIB, far)).toBeGreaterThanOrEqual(250);
    link.weather.toServer.bytesPerSecond = 0;
    client.send(4 * MIB);
    // At the old rate this would take longer than anybody waits.
    await until(() => far.received === 4 * MIB + 150 * KIB, far);
  });

  test('rests between slices, and passes on the same bytes', async () => {
    const { client, far, link } = await pair(stand({ toServer: { sliceBytes: 100, sliceGapMs: 1 } }));
    client.send(KIB);
    const ms = await timeUntil(() => far.received === KIB, far);
    expect(ms).toBeGreaterThanOrEqual(link.toServer.cuts.length - 1);
    expect(link.toServer.cuts.length).toBeGreaterThanOrEqual(KIB / 100);
    expect(Math.max(...link.toServer.cuts)).toBeLessThanOrEqual(100);
  });

  test('ends a stream after a limit, to the byte, and lets the other direction live', async () => {
    const { client, far } = await pair(stand({ toClient: { limitBytes: 12_345 } }));
    far.send(MIB);
    await until(() => client.ending !== '', client);
    expect([client.ending, client.received]).toEqual([ENDED, 12_345]);
    client.send(1000);
    await until(() => far.received === 1000, far);
    expect(far.isFlushed).toBe(true);
  });

  test('ends a stream before its first byte', async () => {
    const { client } = await pair(stand({ toClient: { limitBytes: 0 } }));
    await until(() => client.ending !== '', client);
    expect([client.ending, client.received]).toEqual([ENDED, 0]);
  });

  test('resets both ends after so many bytes', async () => {
    const { client, far } = await pair(stand({ toServer: { resetBytes: 5000 } }));
    client.send(100_000);
    await until(() => client.failure !== '' || client.ending !== '', client);
    await until(() => far.ending !== '', far);
    expect([client.ending, far.ending, far.received]).toEqual(['ECONNRESET', 'ECONNRESET', 5000]);
  });

  test('stalls and goes on', async () => {
    const { client, far, link } = await pair(stand({ toServer: { stall: true } }));
    client.send(10);
    await reactor().pass(50);
    expect(far.received).toBe(0);
    link.weather.toServer.stall = false;
    await until(() => far.received === 10, far);
  });

  test('stalled both ways, it holds even a reset back', async () => {
    const { client, far, link } = await pair(stand({ toServer: { stall: true }, toClient: { stall: true } }));
    client.reset();
    await reactor().pass(50);
    expect(far.ending).toBe('');
    link.weather.toServer.stall = false;
    await until(() => far.ending !== '', far);
    expect(far.ending).toBe('ECONNRESET');
  });

  test('passes on the reset of an end that had ended its stream', async () => {
    const { client, far } = await pair(stand());
    client.send(10);
    client.end();
    await until(() => far.ending === ENDED, far);
    client.reset();
    await until(() => far.isHungUp, far);
    far.send(10);
    await until(() => far.failure !== '', far);
  });

  test('closes slowly', async () => {
    const { client, far } = await pair(stand({ toServer: { closeDelayMs: 80 } }));
    client.send(10);
    client.end();
    expect(await timeUntil(() => far.ending === ENDED, far)).toBeGreaterThanOrEqual(80);
    expect(far.received).toBe(10);
  });

  test('goes down and comes up', async () => {
    const there = stand();
    const { client, far } = await pair(there);
    there.proxy.down();
    await until(() => client.ending !== '' && far.ending !== '', client, far);
    expect([client.ending, far.ending]).toEqual(['ECONNRESET', 'ECONNRESET']);
    const late = Peer.connect(there.proxy.endpoint);
    await until(() => late.ending !== '', late);
    expect(late.ending).toBe('ECONNREFUSED');
    there.proxy.up();
    await pair(there);
  });

  test('damages the bytes that the seed has chosen, and no others', async () => {
    const places: number[][] = [];
    for (const seed of [SEED, SEED, SEED + 1]) {
      const { client, far, link } = await pair(stand({ toServer: { corruptEvery: 500 } }, seed), false);
      client.send(20 * KIB);
      await until(() => far.received === 20 * KIB, far);
      places.push(link.toServer.damaged);
      expect(link.toClient.damaged).toEqual([]);
    }
    expect(places[0]).toEqual(places[1]);
    expect(places[0]).not.toEqual(places[2]);
    expect(places[0].length).toBeGreaterThan(20);
  });

  test('damage is seen by the other end', async () => {
    const { client, far } = await pair(stand({ toServer: { corruptEvery: 10 } }));
    client.send(1000);
    await expect(until(() => far.received === 1000, far)).rejects.toThrow('is damaged');
  });

  test('cuts at the places the seed has chosen, however the bytes come', async () => {
    const cuts: number[][] = [];
    for (const [seed, chunk] of [
      [SEED, 5000],
      [SEED, 77],
      [SEED + 1, 5000],
    ] as const) {
      const { client, far, link } = await pair(stand({ toServer: { sliceBytes: 300 } }, seed));
      for (let sent = 0; sent < 5000; sent += chunk) {
        client.send(Math.min(chunk, 5000 - sent));
        await reactor().pass(1);
      }
      await until(() => far.received === 5000, far);
      cuts.push(link.toServer.cuts);
    }
    expect(cuts[0]).toEqual(cuts[1]);
    expect(cuts[0]).not.toEqual(cuts[2]);
  });

  test('gives connections fates of their own, the same for the same seed', async () => {
    const fates: number[][] = [];
    for (const seed of [SEED, SEED, SEED + 1]) {
      const there = stand({}, seed);
      there.proxy.vary = (prng, weather) => (weather.toServer.latencyMs = prng.below(1000));
      const links = [await pair(there), await pair(there), await pair(there)].map(({ link }) => link);
      fates.push(links.map((link) => link.weather.toServer.latencyMs));
      expect(there.proxy.weather.toServer).toEqual(NO_FAULTS);
    }
    expect(fates[0]).toEqual(fates[1]);
    expect(fates[0]).not.toEqual(fates[2]);
    expect(new Set(fates[0]).size).toBe(3);
  });
});
