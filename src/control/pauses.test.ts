import { beforeEach, expect, test } from 'vitest';
import { addTo } from '../table/columns.ts';
import { createTables, openTables, type Tables } from '../table/tables.ts';
import { pausesWatch } from './pauses.ts';

let tables: Tables;
let lines: string[];
let look: () => void;

beforeEach(() => {
  tables = openTables(createTables());
  lines = [];
  look = pausesWatch(tables, (text) => lines.push(text));
});

test('a person is told which limit was met and what would help', () => {
  look();
  expect(lines).toEqual([]);

  addTo(tables.counters.pausedFull, 0, 2);
  addTo(tables.counters.pausedFull, 1, 1);
  addTo(tables.counters.pausedDescriptors, 0, 1);
  look();
  expect(lines).toEqual([
    'all connections are in use (conn_max, -x): further clients wait in the backlog',
    'out of descriptors (ulimit -n): further clients wait in the backlog',
  ]);

  addTo(tables.counters.pausedPending, 0, 1);
  look();
  expect(lines).toHaveLength(3);
  expect(lines[2]).toContain('pending_max');

  addTo(tables.counters.turnedAway, 0, 1);
  look();
  expect(lines[3]).toBe('the backlog is full (-q): further clients are reset');
});

test('a limit that is met again and again is told once, until it rested for a look', () => {
  for (let i = 0; i < 12; i++) {
    addTo(tables.counters.pausedFull, 0, 1);
    look();
  }
  expect(lines).toHaveLength(1);

  look();
  addTo(tables.counters.pausedFull, 0, 1);
  look();
  expect(lines).toHaveLength(2);
});
