import { expect, test } from 'vitest';
import { EMPTY_CONFIGURATION, UNSET_SERVER } from '../config/model.ts';
import { addTo, setLane } from '../table/columns.ts';
import { blacklist, countConnect, countFailure, takeConnection, takeInFlight } from '../table/shared.ts';
import { createTables, openTables, type Tables } from '../table/tables.ts';
import { readFigures } from './figures.ts';
import { FIRST_SERVER_ROW } from './farm-rows.ts';
import { publish } from './publisher.ts';

function withServers(count: number): Tables {
  const tables = openTables(createTables());
  const servers = Array.from({ length: count }, () => UNSET_SERVER);
  publish(tables, { ...EMPTY_CONFIGURATION, servers }, [], { descriptorMax: 100 });
  return tables;
}

test('nothing has happened: everything is 0', () => {
  const { servers, ...sums } = readFigures(openTables(createTables()), 0);
  expect(Object.values(sums).every((value) => value === 0)).toBe(true);
  expect(servers).toEqual([]);
  const untouched = { inFlight: 0, connects: 0, failures: 0, isBlacklisted: false };
  expect(readFigures(withServers(2), 0).servers).toEqual([
    { index: 0, ...untouched },
    { index: 1, ...untouched },
  ]);
});

test('what the workers counted is added up', () => {
  const tables = openTables(createTables());
  const { counters, gauges } = tables;
  addTo(counters.accepted, 0, 3);
  addTo(counters.accepted, 63, 4);
  addTo(counters.bytesUp, 1, 2 ** 40);
  addTo(counters.bytesDown, 1, 5);
  setLane(gauges.pending, 0, 1);
  setLane(gauges.pending, 1, 1);
  setLane(gauges.descriptors, 1, 6);
  takeConnection(tables);
  expect(readFigures(tables, 0)).toMatchObject({
    accepted: 7,
    bytesUp: 2 ** 40,
    bytesDown: 5,
    pending: 2,
    descriptors: 6,
    used: 1,
    connected: 0,
    servers: [],
  });
});

test('each figure is read from the column of its name', () => {
  const names = [
    'accepted',
    'connected',
    'failedOver',
    'unserved',
    'connectFailed',
    'connectTimedOut',
    'closedOrderly',
    'closedAbort',
    'closedIdle',
    'closedStop',
    'pausedFull',
    'pausedPending',
    'pausedDescriptors',
    'bytesUp',
    'bytesDown',
    'turns',
  ] as const;
  const tables = openTables(createTables());
  names.forEach((name, index) => addTo(tables.counters[name], 0, index + 1));
  const figures = readFigures(tables, 0);
  expect(names.map((name) => figures[name])).toEqual(names.map((_, index) => index + 1));
});

test('a server is shown by its index, with what happened to its row', () => {
  const tables = withServers(2);
  const row = FIRST_SERVER_ROW + 1;
  takeInFlight(tables, row, 0);
  countConnect(tables, row);
  countConnect(tables, row);
  countFailure(tables, row);
  expect(readFigures(tables, 0).servers[1]).toEqual({
    index: 1,
    inFlight: 1,
    connects: 2,
    failures: 1,
    isBlacklisted: false,
  });
});

test('a server counts as blacklisted exactly as long as it is passed over', () => {
  const tables = withServers(2);
  blacklist(tables, FIRST_SERVER_ROW, 100);
  const isBlacklisted = (nowMs: number): boolean | undefined => readFigures(tables, nowMs).servers[0]?.isBlacklisted;
  expect([9_899, 9_999.9, 10_000, 10_050].map(isBlacklisted)).toEqual([true, true, false, false]);
});
