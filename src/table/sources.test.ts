import { beforeEach, expect, test } from 'vitest';
import { checkArena, peerOf } from './addresses.suite.ts';
import { giveSource, leaveSource, promoteSource, servedOf, takeSource, waitingOf } from './sources.ts';
import { createTables, openTables, type Tables } from './tables.ts';

const WORKER = 3;
let tables: Tables;
beforeEach(() => {
  tables = openTables(createTables(1));
});

const take = (text: string, limit: number, prefix = 128): number =>
  takeSource(tables, WORKER, peerOf(text), 0, prefix, limit);
const give = (row: number): number => giveSource(tables, WORKER, row);
const leave = (row: number): number => leaveSource(tables, WORKER, row);
const promote = (row: number, limit: number): boolean => promoteSource(tables, WORKER, row, limit);

test('a source has as many places as the limit says; others wait until one is free', () => {
  const row = take('10.0.0.1', 2);
  expect([row > 0, take('10.0.0.1', 2), take('10.0.0.1', 2)]).toEqual([true, row, -row]);
  expect(take('10.0.0.2', 2)).toBeGreaterThan(0);
  expect(promote(row, 2)).toBe(false);
  expect(give(row)).toBe(1);
  expect(promote(row, 2)).toBe(true);
  expect([servedOf(tables, row), waitingOf(tables, row)]).toEqual([2, 0]);
});

test('0 is no limit', () => {
  const row = take('10.0.0.1', 1);
  expect(take('10.0.0.1', 1)).toBe(-row);
  expect(promote(row, 0)).toBe(true);
  expect(take('10.0.0.1', 0)).toBe(row);
  expect(servedOf(tables, row)).toBe(3);
});

test('a row is free again when the last of its connections is gone', () => {
  const row = take('10.0.0.1', 1);
  take('10.0.0.1', 1);
  expect(give(row)).toBe(1);
  expect(checkArena(tables, tables.sources)).toMatchObject({ live: 1, free: 0 });
  expect(leave(row)).toBe(0);
  expect(checkArena(tables, tables.sources)).toMatchObject({ live: 0, free: 1 });
  expect(take('10.0.0.2', 1)).toBe(row);
  expect(waitingOf(tables, row)).toBe(0);
});

test('a subnet is one source where 64 bits count', () => {
  const row = take('2001:db8::1', 1, 64);
  expect(take('2001:db8::2', 1, 64)).toBe(-row);
  expect(take('2001:db8::2', 1)).toBeGreaterThan(0);
  // The address that looks like the subnet is not the subnet.
  expect(take('2001:db8::', 1)).toBeGreaterThan(0);
  expect(take('1.2.3.4', 1, 64)).toBe(take('::ffff:1.2.3.4', 2));
});

test('what was not taken is not given back, and the table stays usable', () => {
  expect(() => give(0)).toThrow('was taken');
  expect(() => give(1)).toThrow('was taken');
  const row = take('10.0.0.1', 1);
  expect(() => leave(row)).toThrow('was taken');
  expect(() => promote(row, 2)).toThrow('has waited');
  give(row);
  expect(() => give(row)).toThrow('was taken');
  expect(take('10.0.0.1', 1)).toBe(row);
});
