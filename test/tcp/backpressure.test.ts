/** T5, T8 and stalled crowds: whoever does not read costs little, and only itself. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { DRAIN_STALL_MS } from '../../src/engine/ending.ts';
import { ENDED, type Peer } from '../support/peer.ts';
import { CPU_SHARE_MAX, restingCpuShare } from '../support/oracles.ts';
import { cpuMsOf, descriptorsOf, memoryOf, unacknowledgedAt } from '../support/process-facts.ts';
import { reactor } from '../support/reactor.ts';
import { onEachLoop, type Pair, Rig } from '../support/rig.ts';

const MIB = 1 << 20;
const FIFTY = 50 * MIB;
/** One side's buffers in Pen and the kernel (a few MiB each side), with room to spare, but far from everything. */
const IN_FLIGHT_MAX = 24 * MIB;
const STALLED = 2000;
const SMALL_WINDOW = { receiveBuffer: 4096 };
/** Buffers towards such a client stay small, so that a crowd of them is stalled with little memory. */
const TINY = { receiveBuffer: 4096, segment: 1000 };
const STALL_BYTES = 512 * 1024;
/** As much as makes Pen wait, and little enough that a crowd does not use up what the kernel has for all of TCP. */
const CROWD_BYTES = 384 * 1024;

/** Lets a peer send until nothing more is taken. */
async function fill(rig: Rig, sender: Peer): Promise<void> {
  for (let before = -1; before !== sender.sent;) {
    before = sender.sent;
    await rig.pass(100);
  }
}

onEachLoop('T5: paused readers', {}, (rig) => {
  test.each(['client', 'server'] as const)(
    'T5: 50 MiB to a paused %s wait at their sender, and all of them arrive when it reads on',
    async (side) => {
      const { client, server } = await rig.pair(SMALL_WINDOW);
      const [reader, sender] = side === 'client' ? [client, server] : [server, client];
      const before = memoryOf(rig.pen.pid);
      reader.pause();
      sender.send(FIFTY);
      sender.end();
      await fill(rig, sender);
      expect(sender.sent).toBeLessThan(IN_FLIGHT_MAX);
      expect(memoryOf(rig.pen.pid) - before).toBeLessThan(IN_FLIGHT_MAX);
      expect(await restingCpuShare(rig.pen)).toBeLessThan(CPU_SHARE_MAX);
      reader.resume();
      await rig.until(
        () => reader.ending !== '',
        () => reader.describe(),
        15_000,
      );
      expect([reader.received, reader.ending]).toEqual([FIFTY, ENDED]);
    },
  );

  test.each(['client', 'server'] as const)(
    'T5: a paused %s that goes away ends its sender with a reset',
    async (side) => {
      const { client, server } = await rig.pair(SMALL_WINDOW);
      const [reader, sender] = side === 'client' ? [client, server] : [server, client];
      reader.pause();
      sender.send(FIFTY);
      await fill(rig, sender);
      // Received bytes lie unread, so the kernel makes a reset of this.
      reader.close();
      await rig.until(
        () => sender.ending !== '',
        () => sender.describe(),
      );
      expect(sender.ending).toBe('ECONNRESET');
    },
  );

  test('T5: readers that pause for seconds, after one end, the other or neither has ended its stream, get every byte and the end', async () => {
    const pairs = await rig.pairs(60, TINY);
    const big = pairs.map((_, i) => (i < 30 ? 2 * MIB : 100_000 + i * 1000));
    pairs.forEach(({ client, server }, i) => {
      client.pause();
      if (i % 3 === 0) client.end();
      server.send(big[i]);
      if (i % 2 === 0) server.end();
    });
    await rig.pass(2500);
    for (const { client } of pairs) client.resume();
    const isRead = ({ client }: Pair, i: number): boolean => client.received === big[i];
    const late = (): string =>
      pairs
        .filter((pair, i) => !isRead(pair, i))
        .map(({ client }) => client.describe())
        .join('\n');
    await rig.until(() => pairs.every(isRead), late, 15_000);
    for (const { client, server } of pairs) {
      client.end();
      server.end();
    }
    await rig.until(() => pairs.every(({ client, server }) => client.ending !== '' && server.ending !== ''), late);
    expect(new Set(pairs.map(({ client, server }) => `${client.ending} ${server.ending}`))).toEqual(
      new Set(['end end']),
    );
  });

  test('T5: a reader that stops and goes on a hundred times gets every byte', async () => {
    const { client, server } = await rig.pair(SMALL_WINDOW);
    server.send(FIFTY);
    server.end();
    for (let round = 0; round < 100 && client.ending === ''; round++) {
      client.pause();
      await rig.pass(2);
      client.resume();
      await rig.pass(2);
    }
    await rig.until(
      () => client.ending !== '',
      () => client.describe(),
      15_000,
    );
    expect([client.received, client.ending]).toEqual([FIFTY, ENDED]);
  });
});

/** Who does not read, who resets first, and whether Pen holds part of what was sent or the kernel has all of it. */
const LEAVERS = [STALL_BYTES * 4, STALL_BYTES / 4].flatMap((bytes) =>
  (['client', 'server'] as const).flatMap((reader) =>
    (['client', 'server'] as const).map((first) => ({ bytes, reader, first })),
  ),
);
const OTHER = { client: 'server', server: 'client' } as const;

onEachLoop('T9: stalled connections that both ends leave', { serverOptions: TINY }, (rig) => {
  test('T9: stalled connections that one end resets, then the other, are over at once, in whatever order and whoever holds the bytes', async () => {
    const idle = descriptorsOf(rig.pen.pid).length;
    const stalled: (Pair & (typeof LEAVERS)[number])[] = [];
    for (const leaver of LEAVERS) for (const pair of await rig.pairs(20, TINY)) stalled.push({ ...pair, ...leaver });
    for (const ends of stalled) {
      ends[ends.reader].pause();
      ends[OTHER[ends.reader]].send(ends.bytes);
    }
    // Long enough for Pen to have looked twice at what does not move.
    await rig.pass(1200);
    for (const ends of stalled) ends[ends.first].reset();
    await rig.pass(100);
    for (const ends of stalled) ends[OTHER[ends.first]].reset();
    // Half the time after which a stalled rest is cut off anyway.
    await rig.until(() => descriptorsOf(rig.pen.pid).length <= idle, 'all descriptors are closed', DRAIN_STALL_MS / 2);
  });
});

onEachLoop('T8: stalled longer than the idle timeout', { options: ['-O', 'idle_timeout 2'] }, (rig) => {
  test('T8: a client with its window closed for longer than the idle timeout is cut off, its server too, without spinning', async () => {
    const pairs = await rig.pairs(20, SMALL_WINDOW);
    for (const { client, server } of pairs) {
      client.pause();
      server.send(FIFTY);
    }
    await fill(rig, pairs[0].server);
    expect(await restingCpuShare(rig.pen)).toBeLessThan(CPU_SHARE_MAX);
    await rig.until(() => pairs.every(({ server }) => server.ending !== ''), 'all servers are told', 5000);
    for (const { client } of pairs) client.resume();
    await rig.until(() => pairs.every(({ client }) => client.ending !== ''), 'all clients are told');
    const endings = new Set(pairs.map(({ client, server }) => `${client.ending} ${server.ending}`));
    expect([...endings]).toEqual(['ECONNRESET ECONNRESET']);
  });
});

/** Pieces that take a tenth of a second or so: as short as the machine's moods, and long beside one of Pen's looks. */
const PIECE = 64 * MIB;
const ROUNDS = 11;
const TRIES = 5;
/** A half has to fail and a whole to pass, so the border lies in the middle: the root of a half. */
const RATIO_MIN = Math.SQRT1_2;
const CROWD = { options: ['-x', String(STALLED + 10), '-q', '4096'] };

/** What a piece takes one pair, ms, and Pen, ms of a processor. */
interface Cost {
  readonly ms: number;
  readonly cpuMs: number;
}

async function costOfPiece({ pen }: Rig, { client, server }: Pair): Promise<Cost> {
  const [startMs, startCpuMs] = [performance.now(), cpuMsOf(pen.pid)];
  const goal = client.received + PIECE;
  server.send(PIECE);
  await reactor().until(
    () => client.received === goal,
    () => client.describe(),
    20_000,
  );
  return { ms: performance.now() - startMs, cpuMs: cpuMsOf(pen.pid) - startCpuMs };
}

/**
 * The rate of the first by that of the second, and what a byte costs the second by what it costs the first: the lower of
 * the two. Both move pieces in turn, and only neighbours are compared, so that what else the machine does hits both
 * alike; the median leaves out what hits only one.
 */
async function ratioOf(one: [Rig, Pair], other: [Rig, Pair]): Promise<number> {
  const rates: number[] = [];
  const costs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const order = round % 2 === 0 ? [one, other] : [other, one];
    const found = new Map<object, Cost>();
    for (const entry of order) found.set(entry, await costOfPiece(...entry));
    const [mine, others] = [found.get(one)!, found.get(other)!];
    rates.push(others.ms / mine.ms);
    costs.push(others.cpuMs / mine.cpuMs);
  }
  const median = (values: number[]): number => values.sort((a, b) => a - b)[ROUNDS >> 1];
  return Math.min(median(rates), median(costs));
}

onEachLoop('T8: crowds', CROWD, (rig) => {
  // The same program, with nobody stalled: what the machine can do meanwhile.
  const quiet = new Rig(rig.loop, CROWD);
  beforeAll(async () => quiet.start());
  afterEach(async () => quiet.settle());
  afterAll(async () => quiet.stop());

  const COSTS = 'there a stalled reader costs 200 KB of memory, and time of everybody';
  rig.testUnlessOn('node', COSTS)(
    `T8: ${STALLED} readers stalled with their window closed leave the others' rate as without them, by half at least`,
    async () => {
      const stalled = await rig.pairs(STALLED, TINY);
      for (const { client, server } of stalled) {
        client.pause();
        server.send(CROWD_BYTES);
      }
      const left = (): number[] => unacknowledgedAt(rig.pen.pid, rig.pen.port);
      const isStalled = (): boolean => left().length >= STALLED;
      await rig.until(isStalled, 'every client has closed its window', 15_000);
      expect(Math.max(...left()), 'the kernel has not taken all, so Pen waits').toBeLessThan(CROWD_BYTES - 16 * 1024);
      // Who comes when the crowd is there already finds what it has left.
      const beside = await rig.pair();
      const alone = await quiet.pair();
      const ratios: number[] = [];
      // A crowd that costs half of the rate does so in every try; a neighbour on the machine comes and goes.
      do ratios.push(await ratioOf([rig, beside], [quiet, alone]));
      while (Math.max(...ratios) < RATIO_MIN && ratios.length < TRIES);
      expect(Math.max(...ratios), `beside the crowd by without, ${ratios.join(' ')}`).toBeGreaterThan(RATIO_MIN);
      await rig.until(isStalled, 'all are stalled to the end');
      expect(stalled.filter(({ client, server }) => client.ending !== '' || server.ending !== '')).toEqual([]);
    },
    240_000,
  );
});
