import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as WorkerThreads from 'node:worker_threads';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Host } from '../loop/host.ts';
import { registerWorker } from '../table/publish.ts';
import { LOCK_SOURCES, lock, stopping } from '../table/shared.ts';
import { createTables, openTables, type Tables } from '../table/tables.ts';
import { Supervisor } from './supervisor.ts';

/** Serves until it is told to throw. */
const SERVES = `
import { parentPort } from 'node:worker_threads';
parentPort.postMessage({ kind: 'sim', reason: '' });
parentPort.on('message', () => { throw new Error('planted'); });
`;
/** Serves, and throws in its first turn. */
const THROWS = `
import { parentPort } from 'node:worker_threads';
parentPort.postMessage({ kind: 'sim', reason: '' });
setImmediate(() => { throw new Error('planted'); });
`;
/** Serves on another loop. */
const SERVES_OTHERWISE = SERVES.replace("kind: 'sim', reason: ''", "kind: 'epoll', reason: 'there is no other'");
const CANNOT_START = `throw new Error('no loop today');`;
const STEADY_MS = 10_000;

const { threads } = vi.hoisted(() => ({ threads: [] as WorkerThreads.Worker[] }));

/** All threads that were started, in their order. */
vi.mock('node:worker_threads', async (original) => {
  const { Worker: Thread, ...others } = await original<typeof WorkerThreads>();
  class Noted extends Thread {
    constructor(...given: ConstructorParameters<typeof Thread>) {
      super(...given);
      threads.push(this);
    }
  }
  return { ...others, Worker: Noted };
});

let folder: string;
let file: string;
let tables: Tables;
let said: string[];
let aborted: number[];
let supervisor: Supervisor;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'supervisor-'));
  file = join(folder, 'worker.mjs');
  tables = openTables(createTables());
  [said, aborted] = [[], []];
  threads.length = 0;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});

afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(threads.map(async (thread) => thread.terminate()));
  await supervisor.stop();
  rmSync(folder, { recursive: true });
});

/** From now on workers do this. */
function program(text: string): void {
  writeFileSync(file, text);
}

async function start(count: number): Promise<void> {
  const host = { createWake: () => 5, wake: () => undefined, abort: (fd: number) => aborted.push(fd) };
  supervisor = await Supervisor.start({
    program: { file: pathToFileURL(file), again: () => pathToFileURL(file) },
    host: host as unknown as Host,
    tables,
    count,
    loop: 'auto',
    slots: 1024,
    say: (text) => said.push(text),
  });
}

/** Waits for what other threads do; the timers of the supervisor stand still meanwhile. */
async function until(isTrue: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + 15_000;
  while (!isTrue()) {
    if (performance.now() > endMs) throw new Error(`waited in vain for ${what}: ${said.join('\n')}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Lets the supervisor's time pass until there are so many threads. @returns how long that took, ms. */
async function untilStarted(count: number): Promise<number> {
  let ms = 0;
  for (; threads.length < count; ms += 50) {
    if (ms > 60_000) throw new Error(`no thread ${count} within a minute: ${said.join('\n')}`);
    await vi.advanceTimersByTimeAsync(ms === 0 ? 0 : 50);
    if (threads.length >= count) break;
  }
  return ms;
}

/** How long each of the next replacements is waited for after the one before has failed, ms. */
async function pauses(count: number): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < count; i++) {
    const told = said.length;
    found.push(await untilStarted(threads.length + 1));
    await until(() => said.length > told, 'the next failure');
  }
  return found;
}

test('whoever fails again and again is replaced ever more rarely, with one line each time', async () => {
  program(THROWS);
  await start(1);
  await until(() => said.length === 1, 'the first failure');
  expect(await pauses(9)).toEqual([0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  expect(said).toHaveLength(10);
  for (const text of said)
    expect(text).toMatch(/^worker 0 failed, its 0 connections are reset, another takes its place: Error: planted/);
});

test('the same when the replacement cannot even start, while there is another worker', async () => {
  program(SERVES);
  await start(2);
  program(CANNOT_START);
  threads[0]!.postMessage('throw');
  await until(() => said.length === 1, 'the failure');
  expect(await pauses(8)).toEqual([0, 100, 200, 400, 800, 1600, 3200, 5000]);
  expect(new Set(said.slice(1))).toEqual(
    new Set(['worker 0 could not be replaced, which is tried again: no loop today']),
  );
  program(SERVES);
  await untilStarted(threads.length + 1);
  await until(() => !supervisor.isGone(0), 'a worker');
});

test('when there is no other worker, and none can be started for some seconds, it is given up', async () => {
  program(SERVES);
  await start(1);
  program(CANNOT_START);
  threads[0]!.postMessage('throw');
  await until(() => said.length === 1, 'the failure');
  expect(await pauses(6)).toEqual([0, 100, 200, 400, 800, 1600]);
  await untilStarted(threads.length + 1);
  expect((await supervisor.failed).message).toBe('there is no worker left, and none can be started: no loop today');
});

test('a replacement that comes to another loop is told of, once', async () => {
  program(SERVES);
  await start(1);
  program(SERVES_OTHERWISE);
  for (let times = 1; times <= 3; times++) {
    threads.at(-1)!.postMessage('throw');
    await until(() => said.filter((text) => text.includes('planted')).length === times, 'the failure');
    await untilStarted(threads.length + 1);
    await until(() => supervisor.ready.kind === 'epoll', 'the other loop');
    await until(() => !supervisor.isGone(0), 'a worker');
  }
  expect(said.filter((text) => !text.includes('planted'))).toEqual([
    'worker 0 was replaced by one with another loop: epoll instead of sim (there is no other)',
  ]);
});

test('who has served for a while is replaced at once again', async () => {
  program(THROWS);
  await start(1);
  await until(() => said.length === 1, 'the first failure');
  expect(await pauses(2)).toEqual([0, 100]);
  program(SERVES);
  const count = threads.length + 1;
  expect(await untilStarted(count)).toBe(200);
  const thread = threads[count - 1]!;
  await new Promise((resolve) => thread.once('message', resolve));
  await vi.advanceTimersByTimeAsync(STEADY_MS);
  program(THROWS);
  thread.postMessage('throw');
  await until(() => said.length === 4, 'a failure after a while');
  expect(await pauses(1)).toEqual([0]);
});

test('nobody is replaced once all are to stop, whether a replacement is due or under way', async () => {
  program(THROWS);
  await start(1);
  await until(() => said.length === 1, 'the first failure');
  expect(await pauses(1)).toEqual([0]);
  // The next one waits for 100 ms.
  const count = threads.length;
  expect(await supervisor.stop()).toBe(true);
  expect(stopping(tables)).not.toBe(0);
  await vi.advanceTimersByTimeAsync(STEADY_MS);
  expect([threads.length, said.length]).toEqual([count, 2]);
});

test('who fails while all stop is not replaced, and nobody says so', async () => {
  program(SERVES);
  await start(2);
  const isStopped = supervisor.stop();
  for (const thread of threads) thread.postMessage('throw');
  expect(await isStopped).toBe(true);
  await vi.advanceTimersByTimeAsync(STEADY_MS);
  expect(threads).toHaveLength(2);
  expect(said.map((text) => text.split('\n', 1)[0]).toSorted()).toEqual([
    'worker 0 failed, its 0 connections are reset: Error: planted',
    'worker 1 failed, its 0 connections are reset: Error: planted',
  ]);
});

test('a replacement that is starting when all are to stop is waited for, and not replaced', async () => {
  program(SERVES);
  await start(1);
  program(CANNOT_START);
  threads[0]!.postMessage('throw');
  await until(() => said.length === 1, 'the failure');
  await untilStarted(2);
  expect(await supervisor.stop()).toBe(true);
  expect(supervisor.isGone(0)).toBe(true);
  await vi.advanceTimersByTimeAsync(STEADY_MS);
  expect([threads.length, said.length]).toEqual([2, 1]);
});

test('after a failure that cannot be undone, connections of others that fail are reset without a lock', async () => {
  program(SERVES);
  await start(2);
  for (const [worker, fd] of [40, 41].entries()) {
    tables.workers.slotFirst[worker] = worker * 8;
    tables.workers.slotEnd[worker] = worker * 8 + 8;
    tables.sides.fd.fill(-1, worker * 16, worker * 16 + 16);
    tables.sides.fd[worker * 16 + 3] = fd;
  }
  lock(tables, LOCK_SOURCES, 0);
  // Its connection has a source, which could be given back under that lock only.
  tables.connections.source[8 + 1] = 1;
  tables.connections.state[8 + 1] = 1;
  threads[0]!.postMessage('throw');
  expect((await supervisor.failed).message).toMatch(/^worker 0 failed while it changed what all workers share: Error/);
  threads[1]!.postMessage('throw');
  await until(() => supervisor.isGone(1), 'the end of the other');
  expect([aborted, said]).toEqual([[41], []]);
  expect(tables.sides.fd.subarray(16, 32).every((fd) => fd === -1)).toBe(true);
  expect(tables.connections.source[8 + 1], 'nothing is given back').toBe(1);
});

test('a failure that cannot be undone is told also while all stop, when it changes nothing', async () => {
  program(SERVES);
  await start(1);
  lock(tables, LOCK_SOURCES, 0);
  const isStopped = supervisor.stop();
  threads[0]!.postMessage('throw');
  expect(await isStopped).toBe(true);
  expect(said).toEqual([
    expect.stringMatching(/^worker 0 failed while it changed what all workers share: Error: planted/),
  ]);
});

test('a worker that could not undo what only it knew of, as one without memory, ends all', async () => {
  program(SERVES);
  await start(2);
  registerWorker(tables, 1);
  threads[1]!.postMessage('throw');
  expect((await supervisor.failed).message).toMatch(
    /^worker 1 failed without undoing what only it knew of: Error: planted/,
  );
  expect(said).toEqual([]);
});
