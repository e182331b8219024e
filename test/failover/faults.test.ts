/**
 * X2, X9: many connections over bad networks. Every byte arrives or its loss shows as what it was: an end as an end, a
 * reset as a reset; what happens to one connection happens to no other; and nothing is left behind.
 */
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { ip } from '../support/sockets.ts';
import type { Weather } from '../support/fault-proxy.ts';
import type { Faults } from '../support/fault-direction.ts';
import { ENDED, type Peer } from '../support/peer.ts';
import { isLong, onEachLoop, runSeed, type Pair, type Rig } from '../support/rig.ts';

const SEED = runSeed();
const WAVES = isLong ? 200 : 3;
const PER_WAVE = 60;
const STREAM_MAX = 400_000;
const STALL_MS = 150;
const PATIENCE_MS = 20_000;
const SERVERS = [undefined, undefined, undefined].map(() => ip('127.0.0.1', 0));

type Way = 'toServer' | 'toClient';
type Fate = 'fair' | 'cut' | 'broken' | 'damaged' | 'stalled' | 'client leaves' | 'server leaves';
const FATES: readonly Fate[] = [
  'fair',
  'fair',
  'cut',
  'broken',
  'damaged',
  'stalled',
  'client leaves',
  'server leaves',
];

/** One connection: what was decided for it. */
interface Story {
  readonly fate: Fate;
  /** The direction that is cut, broken or damaged. */
  readonly way: Way;
  /** After so many bytes. */
  readonly after: number;
  readonly client: Peer;
  readonly server: Peer;
  readonly weather: Weather;
}

/** Delays, slices and rates that change nothing but time. */
function roughen(faults: Faults, prng: Prng): void {
  faults.latencyMs = prng.below(20);
  faults.jitterMs = prng.below(10);
  if (prng.chance(1, 3)) faults.sliceBytes = prng.between(1000, 30_000);
  if (prng.chance(1, 4)) faults.bytesPerSecond = prng.between(500_000, 5_000_000);
  faults.closeDelayMs = prng.below(30);
}

/**
 * A connection on which a byte has arrived. Before that, Pen takes the client of a server that resets to another one,
 * which is right, and would be another story.
 */
async function settledPair(rig: Rig): Promise<Pair> {
  const pair = await rig.pair();
  pair.client.send(1);
  await rig.until(
    () => pair.server.received === 1,
    () => pair.server.describe(),
  );
  return pair;
}

/** Opens a connection and decides about it. */
async function begin(rig: Rig, prng: Prng): Promise<Story> {
  const fate = FATES[prng.below(FATES.length)];
  const way: Way = prng.chance(1, 2) ? 'toServer' : 'toClient';
  const after = 1 + prng.skewed(STREAM_MAX);
  let weather: Weather | undefined;
  for (const proxy of rig.proxies) proxy.vary = (_, own) => (weather = own);
  const { client, server } = await settledPair(rig);
  if (!weather) throw new Error('no proxy has seen the connection');
  roughen(weather.toServer, prng);
  roughen(weather.toClient, prng);
  if (fate === 'cut') weather[way].limitBytes = after;
  if (fate === 'broken') weather[way].resetBytes = after;
  if (fate === 'damaged') {
    weather[way].corruptEvery = 1000;
    (way === 'toServer' ? server : client).inKey = undefined;
  }
  return { fate, way, after, client, server, weather };
}

/** Both ends send what they have, and end; whoever leaves, leaves in the middle of it. */
async function live(rig: Rig, { fate, client, server, weather }: Story, prng: Prng): Promise<void> {
  for (const peer of [client, server]) peer.send(prng.skewed(STREAM_MAX));
  if (fate === 'stalled') weather.toServer.stall = weather.toClient.stall = true;
  if (prng.chance(1, 4)) {
    const slow = prng.chance(1, 2) ? client : server;
    slow.pause();
    await rig.pass(prng.below(30));
    if (slow.isOpen) slow.resume();
  }
  const leaver = fate === 'client leaves' ? client : fate === 'server leaves' ? server : undefined;
  leaver?.reset();
  for (const peer of [client, server]) if (peer !== leaver) peer.end();
}

/** What is not as it must be in the end, or nothing. @errors when it can never become so. */
function lag(story: Story): string | undefined {
  const { fate, client, server } = story;
  const ways: readonly [Way, Peer, Peer][] = [
    ['toServer', client, server],
    ['toClient', server, client],
  ];
  for (const [way, from, to] of ways) {
    const late = `${fate} ${story.way} after ${story.after}: ${way} is late: ${from.describe()}; ${to.describe()}`;
    if (!to.isOpen && to.ending === '') continue;
    if (to.received > from.sent) throw new Error(`more arrived than was sent: ${late}`);
    if (to.ending === '') return late;
    const isCut = fate === 'cut' && way === story.way;
    const wanted = isCut ? Math.min(story.after, from.asked) : from.asked;
    if (to.ending === ENDED && to.received !== wanted) throw new Error(`a loss looks like an end: ${late}`);
    if (to.ending !== ENDED && !mayReset(story, way)) throw new Error(`a reset without reason: ${late}`);
    if (to.ending === ENDED && mustReset(story, way)) throw new Error(`a reset looks like an end: ${late}`);
  }
  return undefined;
}

/** Whether this direction of the connection may end by a reset. */
function mayReset({ fate, way: broken, after, client, server }: Story, way: Way): boolean {
  if (fate === 'client leaves' || fate === 'server leaves') return true;
  if (fate === 'broken') return after <= (broken === 'toServer' ? client : server).asked;
  // Who is cut off goes on sending to a proxy that has gone: that is its own reset, and never the client's.
  return fate === 'cut' && way === 'toServer' && broken === 'toClient';
}

/** Who is left by a reset, without an end before it, must hear a reset. */
function mustReset({ fate }: Story, way: Way): boolean {
  return (fate === 'client leaves' && way === 'toServer') || (fate === 'server leaves' && way === 'toClient');
}

onEachLoop(
  `X2: bad networks, SEED=${SEED}`,
  { options: ['-x', '500', '-b', '0'], servers: SERVERS, faultSeed: SEED },
  (rig) => {
    test(`X2, X9: ${WAVES * PER_WAVE} connections over networks that delay, slice, slow down, stall, cut, damage and reset`, async () => {
      const prng = new Prng(SEED);
      for (let wave = 0; wave < WAVES; wave++) {
        const stories: Story[] = [];
        for (let i = 0; i < PER_WAVE; i++) stories.push(await begin(rig, prng));
        for (const story of stories) await live(rig, story, prng);
        await rig.pass(STALL_MS);
        for (const { weather } of stories) weather.toServer.stall = weather.toClient.stall = false;
        const late = (): string[] => stories.flatMap((story) => lag(story) ?? []);
        await rig.until(
          () => late().length === 0,
          () => late().slice(0, 5).join('\n'),
          PATIENCE_MS,
        );
        for (const { client, server } of stories) {
          client.close();
          server.close();
        }
      }
    }, 600_000);

    test('X2: networks that change while bytes are on their way change no byte', async () => {
      const prng = new Prng(SEED + 1);
      const pairs = await rig.pairs(30);
      for (const { client, server } of pairs) for (const peer of [client, server]) peer.send(2_000_000);
      for (let round = 0; round < 40; round++) {
        for (const proxy of rig.proxies) {
          const faults = proxy.weather[prng.chance(1, 2) ? 'toServer' : 'toClient'];
          roughen(faults, prng);
          faults.stall = prng.chance(1, 5);
        }
        await rig.pass(20);
      }
      for (const { weather } of rig.proxies) {
        for (const faults of [weather.toServer, weather.toClient]) {
          Object.assign(faults, { stall: false, latencyMs: 0, jitterMs: 0, bytesPerSecond: 0, sliceBytes: 0 });
        }
      }
      for (const { client, server } of pairs) for (const peer of [client, server]) peer.end();
      const late = (): Peer[] =>
        pairs
          .flatMap(({ client, server }) => [client, server])
          .filter((peer) => peer.received < 2_000_000 || peer.ending !== ENDED);
      await rig.until(
        () => late().length === 0,
        () =>
          late()
            .map((peer) => peer.describe())
            .join('\n'),
        PATIENCE_MS,
      );
    });

    test('X2: networks that go down and come up cost the connections they carried, as resets, and no other', async () => {
      const prng = new Prng(SEED + 2);
      const pairs: Pair[] = [];
      const more = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++) pairs.push(await settledPair(rig));
      };
      const lost = (): Pair[] => pairs.filter(({ client }) => client.ending === 'ECONNRESET');
      await more(30);
      let carried = 0;
      for (let round = 0; round < 12; round++) {
        const proxy = rig.proxies[prng.below(rig.proxies.length)];
        carried += proxy.links.length;
        proxy.down();
        // Whoever comes now is taken to another server.
        await more(5);
        await rig.until(
          () => lost().length === carried,
          () => `${carried} connections were reset, of which ${lost().length} clients know`,
        );
        proxy.up();
      }
      expect(carried).toBeGreaterThan(10);
      const rest = pairs.filter(({ client }) => client.ending === '');
      for (const { client, server } of rest) {
        client.send(1000);
        server.send(1000);
        client.end();
        server.end();
      }
      await rig.until(
        () => rest.every(({ client, server }) => client.received === 1000 && server.received === 1001),
        () => rest.map(({ client }) => client.describe()).join('\n'),
      );
      expect([rest.length + carried, lost().length]).toEqual([pairs.length, carried]);
    });
  },
);
