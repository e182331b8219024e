import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { addTo } from '../table/columns.ts';
import { createTables, openTables } from '../table/tables.ts';
import { watchPauses } from './pauses.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a person is told which limit was met and what would help', () => {
  const tables = openTables(createTables());
  const lines: string[] = [];
  const timer = watchPauses({ tables }, (text) => lines.push(text));
  vi.advanceTimersByTime(10_000);
  expect(lines).toEqual([]);

  addTo(tables.counters.pausedFull, 0, 2);
  addTo(tables.counters.pausedFull, 1, 1);
  addTo(tables.counters.pausedDescriptors, 0, 1);
  vi.advanceTimersByTime(10_000);
  expect(lines).toEqual([
    'all connections are in use (conn_max, -x): further clients wait in the backlog',
    'out of descriptors (ulimit -n): further clients wait in the backlog',
  ]);

  addTo(tables.counters.pausedPending, 0, 1);
  vi.advanceTimersByTime(10_000);
  expect(lines).toHaveLength(3);
  expect(lines[2]).toContain('pending_max');

  addTo(tables.counters.turnedAway, 0, 1);
  vi.advanceTimersByTime(10_000);
  expect(lines[3]).toBe('the backlog is full (-q): further clients are reset');
  clearInterval(timer);
});

test('a limit that is met again and again is told once, until it rested for a while', () => {
  const tables = openTables(createTables());
  const lines: string[] = [];
  const timer = watchPauses({ tables }, (text) => lines.push(text));
  for (let second = 0; second < 60; second++) {
    addTo(tables.counters.pausedFull, 0, 1);
    vi.advanceTimersByTime(1000);
  }
  expect(lines).toHaveLength(1);

  vi.advanceTimersByTime(10_000);
  addTo(tables.counters.pausedFull, 0, 1);
  vi.advanceTimersByTime(10_000);
  expect(lines).toHaveLength(2);
  clearInterval(timer);
});
