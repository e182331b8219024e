/** T1, T4: each direction of a connection lives and ends by itself, and ends with its last byte. */
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { ENDED } from '../support/peer.ts';
import { isLong, onEachLoop, runSeed, type Pair, type Rig } from '../support/rig.ts';
import { ip } from '../support/sockets.ts';

const MIB = 1 << 20;

/** Who ends first, and whether before or after the other's data. */
const ORDERS = [
  'client first',
  'server first',
  'both at once',
  'client before any data',
  'server before any data',
] as const;
type Order = (typeof ORDERS)[number];

interface Case {
  readonly order: Order;
  readonly up: number;
  readonly down: number;
  readonly isClientSlow: boolean;
  readonly isServerSlow: boolean;
}

/** Around the sizes of small and big buffers, and none at all. */
const SIZES = [0, 1, 16_383, 16_384, 16_385, 131_073, MIB] as const;
const SLOW_MS = 150;
const AT_ONCE = 48;

function allCases(): Case[] {
  const cases: Case[] = [];
  for (const order of ORDERS)
    for (const up of SIZES)
      for (const down of SIZES)
        for (const slow of [0, 1, 2])
          cases.push({ order, up, down, isClientSlow: slow === 1, isServerSlow: slow === 2 });
  return cases;
}

function randomCases(count: number, seed: number): Case[] {
  const prng = new Prng(seed);
  return Array.from({ length: count }, () => ({
    order: ORDERS[prng.below(ORDERS.length)],
    up: prng.skewed(4 * MIB),
    down: prng.skewed(4 * MIB),
    isClientSlow: prng.chance(1, 8),
    isServerSlow: prng.chance(1, 8),
  }));
}

/** Begins a case; the rest happens as its ends hear of each other. */
function begin({ client, server }: Pair, { order, up, down, isClientSlow, isServerSlow }: Case): void {
  const hasFirst = { client: order.startsWith('client'), server: order.startsWith('server') };
  const isBeforeData = order.endsWith('before any data');
  if (isClientSlow) client.readAtPace((Math.max(1, down) * 1000) / SLOW_MS, Math.max(1, down >> 4));
  if (isServerSlow) server.readAtPace((Math.max(1, up) * 1000) / SLOW_MS, Math.max(1, up >> 4));
  const say = (peer: Pair['client'], length: number): void => {
    peer.send(length);
    peer.end();
  };
  if (hasFirst.client) {
    say(client, isBeforeData ? 0 : up);
    server.onChange = () => server.ending === ENDED && server.asked === 0 && say(server, down);
  } else if (hasFirst.server) {
    say(server, isBeforeData ? 0 : down);
    client.onChange = () => client.ending === ENDED && client.asked === 0 && say(client, up);
  } else {
    say(client, up);
    say(server, down);
  }
}

function isOver({ client, server }: Pair): boolean {
  return client.ending !== '' && server.ending !== '' && client.isFlushed && server.isFlushed;
}

function verdict({ client, server }: Pair, ofCase: Case): object {
  const { ending, received } = client;
  return { ...ofCase, atClient: { ending, received }, atServer: { ending: server.ending, received: server.received } };
}

function expected(ofCase: Case): object {
  const up = ofCase.order === 'client before any data' ? 0 : ofCase.up;
  const down = ofCase.order === 'server before any data' ? 0 : ofCase.down;
  return { ...ofCase, atClient: { ending: ENDED, received: down }, atServer: { ending: ENDED, received: up } };
}

/** Runs cases a handful at a time, so that they disturb each other. */
async function runCases(rig: Rig, cases: readonly Case[]): Promise<void> {
  for (let first = 0; first < cases.length; first += AT_ONCE) {
    const batch = cases.slice(first, first + AT_ONCE);
    const pairs = await rig.pairs(batch.length);
    batch.forEach((ofCase, i) => begin(pairs[i], ofCase));
    const unfinished = (): string =>
      JSON.stringify(pairs.map((pair, i) => (isOver(pair) ? '' : verdict(pair, batch[i]))).filter(Boolean));
    await rig.until(() => pairs.every(isOver), unfinished, 20_000);
    expect(pairs.map((pair, i) => verdict(pair, batch[i]))).toEqual(batch.map(expected));
    for (const { client, server } of pairs) {
      client.close();
      server.close();
    }
  }
}

onEachLoop('T1: half-closed connections', { servers: [ip('127.0.0.1', 0), ip('127.0.0.1', 0)] }, (rig) => {
  test('T1: every byte arrives, then the end, whoever ends first and however slowly the other reads', async () => {
    await runCases(rig, allCases());
  }, 60_000);

  const seed = runSeed();
  test(
    `T1: the same for random sizes (SEED=${seed})`,
    async () => {
      await runCases(rig, randomCases(isLong ? 10_000 : 240, seed));
    },
    isLong ? 3_600_000 : 60_000,
  );

  test('T1: 64 MiB sent after the client has ended arrive whole at a fast and at a slow reader', async () => {
    const pairs = await rig.pairs(2, { receiveBuffer: 65_536 });
    const size = 64 * MIB;
    pairs[1].client.readAtPace(48 * MIB, 65_536);
    for (const { client, server } of pairs) {
      client.end();
      await rig.until(() => server.ending === ENDED, 'the server sees the end');
      server.send(size);
      server.end();
    }
    await rig.until(() => pairs.every(({ client }) => client.ending !== ''), 'both ends', 20_000);
    expect(pairs.map(({ client }) => [client.received, client.ending])).toEqual([
      [size, ENDED],
      [size, ENDED],
    ]);
  });

  test('T1: a connection with one direction ended goes on in the other for as long as anybody likes', async () => {
    const { client, server } = await rig.pair();
    client.end();
    await rig.until(() => server.ending === ENDED, 'the server sees the end');
    for (let round = 1; round <= 20; round++) {
      server.send(1000);
      await rig.until(
        () => client.received === round * 1000,
        () => client.describe(),
      );
      await rig.pass(5);
    }
    server.end();
    await rig.until(
      () => client.ending !== '',
      () => client.describe(),
    );
    expect(client.ending).toBe(ENDED);
  });

  test('T4: a server that speaks first is heard by a client that says nothing', async () => {
    const { client, server } = await rig.pair();
    server.send(42);
    await rig.until(
      () => client.received === 42,
      () => client.describe(),
    );
    expect([client.ending, server.received]).toEqual(['', 0]);
  });
});
