/**
 * The operations that cross workers, by real threads as fast as they can, with everything conserved.
 *
 * `PEN_STRESS_OPS` says how many operations in all (default 10^8). Needs the compiled source, as `npm test` makes it.
 */
import { Worker } from 'node:worker_threads';
import { beforeAll, expect, test } from 'vitest';
import { PEER_SIZE } from '../../src/base/endpoint.ts';
import { checkArena, checkClients } from '../../src/table/addresses.suite.ts';
import { ClientPage, clientsOf, readClients } from '../../src/table/clients.ts';
import { createRing } from '../../src/table/ring.ts';
import * as publish from '../../src/table/publish.ts';
import * as shared from '../../src/table/shared.ts';
import { createTables, openTables } from '../../src/table/tables.ts';

const THREADS = 4;
const OPERATIONS = Number(process.env['PEN_STRESS_OPS'] ?? 1e8);
/** Part of all operations that each phase does. */
const SHARES = {
  inFlight: 0.25,
  connections: 0.2,
  roundRobin: 0.15,
  roundRobinWithGaps: 0.1,
  lock: 0.1,
  ring: 0.05,
  publish: 0.05,
  clients: 0.07,
  sources: 0.03,
};
const SIZES = { limit: 5, max: 6, servers: 7, configured: 16, clients: 20_000, sources: 30, sourceLimit: 2 };
/** Clients that farm 2 may have: few, so that its rows change hands. */
const FEW = 100;
/** Of the farm with gaps, the servers that are blacklisted. */
const GAPS = [2, 5];

type Phase = keyof typeof SHARES;
interface Result {
  readonly operations: number;
  readonly ms: number;
  readonly taken?: number;
  readonly refused?: number;
  readonly promoted?: number;
  readonly touched?: number;
  readonly chosen?: readonly number[];
  readonly rounds?: number;
  readonly pushed?: number;
  readonly received?: number;
  readonly dropped?: number;
  readonly published?: number;
  readonly versions?: number;
}

const tables = openTables(createTables());
const guarded = new SharedArrayBuffer(16);
const served = new SharedArrayBuffer(SIZES.sources * 4);
const rings = [createRing(1024, 4), createRing(1024, 4)];
let results: readonly Record<Phase, Result>[] = [];

const of = (phase: Phase): Result[] => results.map((result) => result[phase]);
const sum = (numbers: readonly (number | undefined)[]): number => numbers.reduce<number>((all, n) => all + (n ?? 0), 0);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

function runThread(thread: number, words: SharedArrayBuffer): Promise<Record<Phase, Result>> {
  const workerData = {
    thread,
    threads: THREADS,
    operations: OPERATIONS,
    shares: SHARES,
    sizes: SIZES,
    memory: tables.memory,
    words,
    guarded,
    served,
    rings,
  };
  const worker = new Worker(new URL('stress-worker.mjs', import.meta.url), { workerData });
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`thread ${thread} ended with code ${code} and no result`)));
  });
}

beforeAll(async () => {
  const words = new SharedArrayBuffer(64);
  // Thread 0's check of the bank before its first publish expects the version's number in each row.
  const draft = publish.beginPublish(tables, { servers: SIZES.configured, farms: 3 });
  draft?.servers.weight.fill(1);
  draft?.farms.clientPrefix.fill(128);
  draft?.farms.clientsMax.set([0, SIZES.clients, FEW]);
  publish.commitPublish(tables);
  for (const gap of GAPS) shared.blacklist(tables, 200 + gap, 1);
  results = await Promise.all(Array.from({ length: THREADS }, (_, thread) => runThread(thread, words)));
}, 300_000);

test(`${OPERATIONS.toExponential()} operations are done, by ${THREADS} threads`, () => {
  let all = 0;
  for (const phase of Object.keys(SHARES) as Phase[]) {
    const operations = sum(of(phase).map((result) => result.operations));
    const ms = Math.max(...of(phase).map((result) => result.ms));
    all += operations;
    print(
      `  ${phase}: ${operations} operations in ${ms.toFixed(0)} ms, ${((ms * 1e6) / operations).toFixed(0)} ns each`,
    );
  }
  print(`  together: ${all} operations`);
  expect(all).toBeGreaterThanOrEqual(OPERATIONS);
});

test('places and connections all come back, and both limits were reached', () => {
  for (const phase of ['inFlight', 'connections'] as const) {
    print(`  ${phase}: ${sum(of(phase).map((r) => r.taken))} taken, ${sum(of(phase).map((r) => r.refused))} refused`);
    expect(sum(of(phase).map((result) => result.refused))).toBeGreaterThan(0);
  }
  expect(shared.inFlightOf(tables, 1)).toBe(0);
  expect([shared.connectionsUsed(tables), shared.placesTaken(tables)]).toEqual([0, 0]);
});

test.each([
  ['roundRobin', 1, []],
  ['roundRobinWithGaps', 2, GAPS],
] as const)('%s serves every available server equally, over all threads', (phase, farm, gaps: readonly number[]) => {
  const chosen = Array.from({ length: SIZES.servers }, (_, server) => sum(of(phase).map((r) => r.chosen?.[server])));
  const served = chosen.filter((_, server) => !gaps.includes(server));
  print(`  ${phase}: ${chosen.join(' ')}`);
  for (const gap of gaps) expect(chosen[gap]).toBe(0);
  expect(Math.max(...served) - Math.min(...served)).toBeLessThanOrEqual(1);
  // The cursor stands on the server chosen last; it started on 0, so the first client went to the next one.
  const available = chosen.map((_, server) => server).filter((server) => !gaps.includes(server));
  expect(shared.readCursor(tables, farm)).toBe(available[sum(chosen) % available.length]);
});

test('no round under the lock is lost', () => {
  expect(new Float64Array(guarded)[0]).toBe(sum(of('lock').map((result) => result.rounds)));
  expect(shared.lockHolder(tables, shared.LOCK_CLIENTS)).toBe(-1);
});

test('no connect and no byte of a client is lost, and all lists are intact', () => {
  const found = checkClients(tables);
  const page = new ClientPage(500);
  let [clients, connects, received] = [0, 0, 0];
  for (let from = 1; from !== 0;) {
    from = readClients(tables, 0, 1, from, page);
    for (let i = 0; i < page.count; i++) {
      const number = (page.peers[i * PEER_SIZE + 22]! << 8) | page.peers[i * PEER_SIZE + 23]!;
      expect(page.sent[i]).toBe(number * page.connects[i]!);
      connects += page.connects[i]!;
      received += page.received[i]!;
      clients++;
    }
  }
  print(`  clients: ${clients} and ${clientsOf(tables, 2)}, longest chain ${found.longestChain}`);
  expect([clientsOf(tables, 1), clientsOf(tables, 2)]).toEqual([clients, FEW]);
  expect([connects, received]).toEqual(Array(2).fill(sum(of('clients').map((result) => result.touched))));
  expect(clients).toBeLessThanOrEqual(SIZES.clients);
});

test('all sources are gone with their last connection, and every way to end was taken', () => {
  for (const what of ['taken', 'refused', 'promoted'] as const) {
    expect(sum(of('sources').map((result) => result[what])), what).toBeGreaterThan(0);
  }
  expect(checkArena(tables, tables.sources).live).toBe(0);
  expect([...new Int32Array(served)].every((count) => count === 0)).toBe(true);
  expect(shared.lockHolder(tables, shared.LOCK_SOURCES)).toBe(-1);
});

test('rows of the rings arrive or are counted as dropped', () => {
  const [pushed, received, dropped] = (['pushed', 'received', 'dropped'] as const).map((what) =>
    sum(of('ring').map((result) => result[what])),
  );
  print(`  ring: ${pushed} pushed, ${received} received, ${dropped} dropped`);
  expect(received! + dropped!).toBe(pushed);
  expect(received).toBeGreaterThan(0);
});

test('configurations were published under way', () => {
  const published = sum(of('publish').map((result) => result.published));
  print(`  publish: ${published} published, ${sum(of('publish').map((r) => r.versions))} seen by all workers together`);
  expect(published).toBeGreaterThan(2);
  expect(publish.currentVersion(tables)).toBe(published + 1);
});
