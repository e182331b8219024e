import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { addTo, setLane } from '../table/columns.ts';
import { registerWorker } from '../table/publish.ts';
import { createTables, openTables, type Tables } from '../table/tables.ts';
import { watchWorkers } from './watch.ts';

const WORKERS = 2;
let tables: Tables;
let told: string[];
let stop: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  tables = openTables(createTables());
  told = [];
  for (let worker = 0; worker < WORKERS; worker++) registerWorker(tables, worker);
  stop = watchWorkers({
    tables,
    count: WORKERS,
    isStuck: (worker) => told.push(`${worker} is stuck`),
    say: (text) => told.push(text),
  });
});
afterEach(() => {
  stop();
  vi.useRealTimers();
});

/** How often it looks within a minute in which the workers do this every second. */
function looksInAMinute(work: (second: number) => void): number {
  let looks = 0;
  const setTimer = vi.spyOn(globalThis, 'setTimeout').mockClear();
  for (let second = 0; second < 60; second++) {
    work(second);
    vi.advanceTimersByTime(1000);
  }
  looks = setTimer.mock.calls.length;
  setTimer.mockRestore();
  return looks;
}

test('sleeping workers, which look up every ten seconds, are looked at as rarely', () => {
  const looks = looksInAMinute((second) => {
    if (second % 10 === 0) for (let worker = 0; worker < WORKERS; worker++) addTo(tables.counters.turns, worker, 1);
  });
  expect(looks).toBe(6);
});

test('busy ones are looked at every 2.5 seconds', () => {
  expect(looksInAMinute(() => addTo(tables.counters.turns, 1, 10))).toBe(24);
});

test('a worker that hangs after a long rest is told within fifteen seconds, and not before five have passed', () => {
  vi.advanceTimersByTime(60_000);
  setLane(tables.gauges.inTurn, 1, 1);
  vi.advanceTimersByTime(4999);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(10_001);
  expect(told).toEqual(['1 is stuck']);
});

test('who is told that accepting rests is told within ten seconds', () => {
  vi.advanceTimersByTime(60_000);
  addTo(tables.counters.pausedDescriptors, 0, 1);
  vi.advanceTimersByTime(10_000);
  expect(told).toEqual(['out of descriptors (ulimit -n): further clients wait in the backlog']);
});

test('it ends', () => {
  stop();
  addTo(tables.counters.pausedDescriptors, 0, 1);
  vi.advanceTimersByTime(60_000);
  expect(told).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
