/** Clients and sources against models that are plain maps: same answers, same order, nothing lost. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PEER_SIZE, ipText } from '../base/endpoint.ts';
import { Prng } from '../base/prng.ts';
import { checkArena, checkClients, peerOf, rowsInOrder } from './addresses.suite.ts';
import {
  ClientPage,
  ClientVisit,
  creditClient,
  forgetClients,
  readClients,
  rememberServer,
  touchClient,
} from './clients.ts';
import { beginPublish, commitPublish, configAt, currentVersion } from './publish.ts';
import { giveSource, leaveSource, promoteSource, servedOf, takeSource, waitingOf } from './sources.ts';
import { createTables, openTables, type Tables } from './tables.ts';

const FARMS = 3;
/** Rows of the small arena: fewer than the farms may have together, so that they take each other's. */
const ROWS = 6;
const ADDRESSES = [
  'unix',
  '::',
  '1.2.3.4',
  '::ffff:1.2.3.5',
  '1::',
  '1::1',
  '2::1',
  ...Array.from({ length: 3 }, (_, i) => `9.0.0.${i}`),
];
const PEERS = ADDRESSES.map(peerOf);

interface Client {
  lastMs: number;
  server: number;
  connects: number;
  sent: number;
}
/** Farm by farm, from the client that came longest ago to the one that came last. */
class Model {
  readonly farms = Array.from({ length: FARMS }, () => new Map<number, Client>());
  private readonly rows: number;

  constructor(rows: number) {
    this.rows = rows;
  }

  touch(farm: number, address: number, nowMs: number, max: number, trackingMs: number): Client | undefined {
    const clients = this.farms[farm]!;
    const known = clients.get(address);
    const fresh = { lastMs: nowMs, server: 0, connects: 0, sent: 0 };
    if (max === 0) return undefined;
    // One that comes too late starts anew in its old row: bytes of a connection that lasts still reach it.
    if (known !== undefined && trackingMs > 0 && nowMs - known.lastMs > trackingMs) Object.assign(known, fresh);
    const client = known ?? fresh;
    clients.delete(address);
    if (known === undefined) {
      this.trim(farm, max - 1);
      if (this.count() === this.rows) this.evict(this.fullest());
    }
    client.lastMs = nowMs;
    client.connects++;
    clients.set(address, client);
    if (known !== undefined) this.trim(farm, max);
    return client;
  }

  evict(farm: number): void {
    this.farms[farm]!.delete(this.farms[farm]!.keys().next().value!);
  }

  private trim(farm: number, keep: number): void {
    for (let i = 0; i < 2 && this.farms[farm]!.size > keep; i++) this.evict(farm);
  }

  private count(): number {
    return this.farms.reduce((sum, clients) => sum + clients.size, 0);
  }

  private fullest(): number {
    const sizes = this.farms.map((clients) => clients.size);
    return sizes.indexOf(Math.max(...sizes));
  }
}

function small(tables: Tables, rows: number): Tables {
  const { row, bucket, next } = tables.clients;
  return { ...tables, clients: { row, bucket, next: next.subarray(0, rows + 1) } };
}

/** Addresses of the farm's clients, from the oldest on. */
function listOf(tables: Tables, farm: number): string[] {
  const page = new ClientPage(ROWS * FARMS * 4);
  readClients(tables, 0, farm, 1, page);
  const byRow = new Map<number, string>();
  for (let i = 0; i < page.count; i++) byRow.set(page.rows[i]!, ipText(page.peers, i * PEER_SIZE));
  return rowsInOrder(tables, farm).map((row) => byRow.get(row) ?? `row ${row} is not read`);
}

const steps = fc.array(
  fc.record({
    what: fc.constantFrom('touch', 'touch', 'touch', 'touch', 'remember', 'credit', 'limit', 'forget'),
    farm: fc.nat(FARMS - 1),
    address: fc.nat(ADDRESSES.length - 1),
    number: fc.nat(9),
  }),
  { minLength: 20, maxLength: 200 },
);

test('clients agree with a map: known or new, server, counters, order, who makes room, whose row it is', () => {
  const names = ADDRESSES.map((text) => text.replace('::ffff:', ''));
  fc.assert(
    fc.property(steps, fc.nat(), fc.constantFrom(0, 20), (script, seed, trackingMs) => {
      const tables = small(openTables(createTables(seed)), ROWS);
      const model = new Model(ROWS);
      const max = [4, 9, 4];
      const visit = new ClientVisit();
      const handles: { row: number; generation: number; client: Client }[] = [];
      const isThere = (client: Client): boolean => model.farms.some((farm) => [...farm.values()].includes(client));
      let nowMs = 0;
      const configure = (): void => {
        const draft = beginPublish(tables, { farms: FARMS })!;
        draft.farms.clientPrefix.fill(128);
        draft.farms.trackingMs.fill(trackingMs);
        draft.farms.clientsMax.set(max);
        commitPublish(tables);
      };
      configure();
      for (const { what, farm, address, number } of script) {
        const handle = handles[handles.length - 1 - address];
        nowMs += number;
        if (what === 'touch') {
          const config = configAt(tables, currentVersion(tables));
          touchClient(tables, config, 0, farm, PEERS[address]!, 0, nowMs, visit);
          const client = model.touch(farm, address, nowMs, max[farm]!, trackingMs);
          expect(visit.row === 0).toBe(client === undefined);
          expect(visit.isNew).toBe(client === undefined || client.connects === 1);
          expect(visit.server).toBe(client?.server ?? 0);
          if (client !== undefined) handles.push({ row: visit.row, generation: visit.generation, client });
        } else if (what === 'remember' && handle !== undefined) {
          rememberServer(tables, 0, handle.row, handle.generation, number);
          if (isThere(handle.client)) handle.client.server = number;
        } else if (what === 'credit' && handle !== undefined) {
          creditClient(tables, 0, handle.row, handle.generation, number, 0);
          if (isThere(handle.client)) handle.client.sent += number;
        } else if (what === 'limit') {
          max[farm] = number;
          configure();
        } else if (what === 'forget') {
          forgetClients(tables, 0, farm, 2);
          for (let i = 0; i < 2 && model.farms[farm]!.size > 0; i++) model.evict(farm);
        }
        expect(listOf(tables, farm)).toEqual([...model.farms[farm]!.keys()].map((index) => names[index]));
      }
      checkClients(tables);
      for (const [farm, clients] of model.farms.entries()) {
        const page = new ClientPage(ROWS);
        readClients(tables, 0, farm, 1, page);
        expect(page.count).toBe(clients.size);
        for (let i = 0; i < page.count; i++) {
          const client = clients.get(names.indexOf(ipText(page.peers, i * PEER_SIZE)))!;
          expect([page.servers[i], page.connects[i], page.lastMs[i]]).toEqual([
            client.server,
            client.connects,
            client.lastMs,
          ]);
          expect(page.sent[i]).toBe(client.sent);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('sources agree with a map of counts', () => {
  const moves = fc.array(
    fc.record({
      what: fc.constantFrom('take', 'take', 'give', 'leave', 'promote'),
      address: fc.nat(ADDRESSES.length - 1),
      limit: fc.nat(3),
    }),
    { maxLength: 100 },
  );
  fc.assert(
    fc.property(moves, fc.nat(), (script, seed) => {
      const tables = openTables(createTables(seed));
      const model = PEERS.map(() => ({ row: 0, served: 0, waiting: 0 }));
      for (const { what, address, limit } of script) {
        const source = model[address]!;
        const hasRoom = limit === 0 || source.served < limit;
        if (what === 'take') {
          const taken = takeSource(tables, 0, PEERS[address]!, 0, 128, limit);
          expect(taken > 0).toBe(hasRoom);
          if (source.served + source.waiting > 0) expect(Math.abs(taken)).toBe(source.row);
          source.row = Math.abs(taken);
          source[hasRoom ? 'served' : 'waiting']++;
        } else if (what === 'give' && source.served > 0) {
          source.served--;
          expect(giveSource(tables, 0, source.row)).toBe(source.waiting);
        } else if (what === 'leave' && source.waiting > 0) {
          source.waiting--;
          expect(leaveSource(tables, 0, source.row)).toBe(source.waiting);
        } else if (what === 'promote' && source.waiting > 0) {
          expect(promoteSource(tables, 0, source.row, limit)).toBe(hasRoom);
          source.served += hasRoom ? 1 : 0;
          source.waiting -= hasRoom ? 1 : 0;
        }
        const there = model.filter(({ served, waiting }) => served + waiting > 0);
        for (const { row, served, waiting } of there) {
          expect([servedOf(tables, row), waitingOf(tables, row)]).toEqual([served, waiting]);
        }
        expect(new Set(there.map(({ row }) => row)).size).toBe(there.length);
        expect(checkArena(tables, tables.sources).live).toBe(there.length);
      }
    }),
  );
});

/** A full table of chosen addresses; `pick` makes the four words of address i. */
function longestChain(seed: number, pick: (i: number) => readonly number[]): number {
  const tables = openTables(createTables(seed));
  const peer = peerOf('::1');
  const view = new DataView(peer.buffer);
  for (let i = 0; i < 20_000; i++) {
    pick(i).forEach((word, index) => view.setUint32(8 + index * 4, word));
    takeSource(tables, 0, peer, 0, 128, 1);
  }
  const found = checkArena(tables, tables.sources);
  expect(found.live).toBe(20_000);
  return found.longestChain;
}

test('chosen addresses make no long chains, whichever the key', () => {
  const prng = new Prng(5);
  const patterns: Record<string, (i: number) => readonly number[]> = {
    'one network': (i) => [0, 0, 0xffff, 0x0a000000 + i],
    'last bits equal': (i) => [0x20010db8, 0, i * 2 ** 16, 1],
    'first word alone': (i) => [i * 2 ** 12, 0, 0, 0],
    'words that cancel each other in a sum': (i) => [0x20010db8, i, 2 ** 32 - 1 - i, 7],
    random: () => [prng.next(), prng.next(), prng.next(), prng.next()],
  };
  for (const [name, pick] of Object.entries(patterns)) {
    // At most one row for two buckets: seven in a chain are one in 10^8 buckets by chance.
    for (const seed of [0, 1, 2 ** 40 + 7]) expect(longestChain(seed, pick), name).toBeLessThan(9);
  }
  // Which addresses meet depends on the key: those that share a chain under one do not under another.
  expect(longestChain(0, patterns['random']!)).toBeGreaterThan(1);
});
