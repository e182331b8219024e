import { beforeEach, expect, test } from 'vitest';
import { addTo, setLane } from '../table/columns.ts';
import { registerWorker, unregisterWorker } from '../table/publish.ts';
import { createTables, openTables, type Tables } from '../table/tables.ts';
import { turnsWatch } from './watchdog.ts';

let tables: Tables;
let stuck: number[];
let look: () => boolean;

beforeEach(() => {
  tables = openTables(createTables());
  stuck = [];
  look = turnsWatch(tables, 2, (worker) => stuck.push(worker));
  for (const worker of [0, 1]) registerWorker(tables, worker);
});

function looks(count: number): readonly number[] {
  for (let i = 0; i < count; i++) look();
  return stuck;
}

test('who sleeps is not stuck, however long', () => {
  expect(looks(50)).toEqual([]);
});

test('nor is who is in a turn whenever somebody looks', () => {
  setLane(tables.gauges.inTurn, 1, 1);
  for (let i = 0; i < 50; i++) {
    look();
    addTo(tables.counters.turns, 1, 1);
  }
  expect(stuck).toEqual([]);
});

test('one and the same turn at three looks is too long, which is told once', () => {
  setLane(tables.gauges.inTurn, 1, 1);
  expect(looks(2)).toEqual([]);
  expect(looks(1)).toEqual([1]);
  expect(looks(50)).toEqual([1]);
});

test('a process that was suspended in a turn gets another look before anything is said', () => {
  setLane(tables.gauges.inTurn, 0, 1);
  // Before and after, hours apart.
  looks(2);
  addTo(tables.counters.turns, 0, 1);
  expect(looks(2)).toEqual([]);
});

test('a worker that has ended in a turn is not stuck', () => {
  setLane(tables.gauges.inTurn, 0, 1);
  unregisterWorker(tables, 0);
  expect(looks(50)).toEqual([]);
});

test('workers rest while they sleep, though each looks up now and then', () => {
  expect(look()).toBe(true);
  for (let i = 0; i < 50; i++) {
    for (const worker of [0, 1]) addTo(tables.counters.turns, worker, 1);
    expect(look()).toBe(true);
  }
});

test('they do not when one is in a turn, or has taken several', () => {
  setLane(tables.gauges.inTurn, 1, 1);
  expect(look()).toBe(false);
  setLane(tables.gauges.inTurn, 1, 0);
  addTo(tables.counters.turns, 1, 1);
  expect(look()).toBe(true);
  addTo(tables.counters.turns, 1, 2);
  expect(look()).toBe(false);
  expect(look()).toBe(true);
});
