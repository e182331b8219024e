import { beforeEach, expect, test } from 'vitest';
import { ENDPOINT_SIZE, PEER_SIZE, KIND_IPV4, writeEndpoint } from '../base/endpoint.ts';
import { sumLanes, setLane } from '../table/columns.ts';
import { ACCEPT_ARMED, CONNECTION_FREE, CONNECTION_OPEN, CONNECTION_PARKED } from '../table/schema.ts';
import * as shared from '../table/shared.ts';
import { servedOf, takeSource, waitingOf } from '../table/sources.ts';
import { createTables, openTables, type Tables } from '../table/tables.ts';
import { trafficDown, trafficUp } from '../table/traffic.ts';
import { reclaim } from './reclaim.ts';

const WORKER = 2;
const FIRST = 128;
const SERVER = 3;

let tables: Tables;
let aborted: number[];

beforeEach(() => {
  tables = openTables(createTables());
  aborted = [];
  tables.sides.fd.fill(-1, 0, 1000);
  tables.workers.slotFirst[WORKER] = FIRST;
  tables.workers.slotEnd[WORKER] = FIRST + 10;
});

/** A connection of 10.0.0.1 in the slot, with descriptors 1000 + side. @returns the row of its source. */
function connect(slot: number, state: number): number {
  const { connections, sides } = tables;
  const endpoint = new Uint8Array(ENDPOINT_SIZE);
  writeEndpoint({ kind: KIND_IPV4, ip: Uint8Array.of(10, 0, 0, 1), port: 1 }, endpoint, 0);
  connections.peer.set(endpoint.subarray(0, PEER_SIZE), slot * PEER_SIZE);
  const isParked = state === CONNECTION_PARKED;
  const source = Math.abs(takeSource(tables, WORKER, endpoint, 0, 128, isParked ? 1 : 0));
  connections.state[slot] = state;
  connections.source[slot] = source;
  sides.fd[slot * 2] = 1000 + slot * 2;
  if (isParked) {
    shared.takeParked(tables, 100);
  } else {
    shared.reservePlaces(tables, 1, 100);
    shared.takeConnection(tables);
    shared.takeInFlight(tables, SERVER, 0);
    connections.server[slot] = SERVER;
    sides.fd[slot * 2 + 1] = 1001 + slot * 2;
    sides.bytesIn[slot * 2] = 10;
    sides.bytesIn[slot * 2 + 1] = 20;
  }
  return source;
}

function back(): number {
  return reclaim(tables, WORKER, (fd) => aborted.push(fd));
}

test('connections that are served, parked or half set up are reset, and all they had goes back', () => {
  const source = connect(FIRST, CONNECTION_OPEN);
  connect(FIRST + 1, CONNECTION_PARKED);
  // Accepted in the turn that threw: a client, and nothing else yet.
  tables.sides.fd[(FIRST + 2) * 2] = 77;
  const mine = connect(5, CONNECTION_OPEN);
  expect(mine).toBe(source);
  expect([servedOf(tables, source), waitingOf(tables, source)]).toEqual([2, 1]);

  expect(back()).toBe(3);
  expect(aborted.toSorted((a, b) => a - b)).toEqual([77, 1256, 1257, 1258]);
  expect([servedOf(tables, source), waitingOf(tables, source)], 'but for that of another worker').toEqual([1, 0]);
  expect([shared.connectionsUsed(tables), shared.placesTaken(tables), shared.connectionsParked(tables)]).toEqual([
    1, 1, 0,
  ]);
  expect(shared.inFlightOf(tables, SERVER)).toBe(1);
  const { state, generation } = tables.connections;
  expect([...state.subarray(FIRST, FIRST + 4)]).toEqual([0, 0, 0, 0].fill(CONNECTION_FREE));
  expect([...generation.subarray(FIRST, FIRST + 4)]).toEqual([1, 1, 1, 0]);
  expect([trafficUp(tables, SERVER), trafficDown(tables, SERVER)]).toEqual([10, 20]);
  expect([sumLanes(tables.counters.closedAbort), sumLanes(tables.counters.bytesUp)]).toEqual([3, 10]);
  expect(back(), 'once').toBe(0);
});

test('reservations, gauges and notes are undone', () => {
  shared.reservePlaces(tables, 7, 100);
  tables.workers.reserved[WORKER] = 7;
  shared.noteAccepting(tables, WORKER, 3, ACCEPT_ARMED);
  shared.noteWanting(tables, WORKER, true);
  shared.requestClose(tables, WORKER, 3);
  for (const gauge of Object.values(tables.gauges)) setLane(gauge, WORKER, 4);
  back();
  expect([shared.placesTaken(tables), tables.workers.reserved[WORKER]]).toEqual([0, 0]);
  expect([shared.isHoldingPlaces(tables, WORKER), shared.placesWanted(tables, 3, 0)]).toEqual([false, 0]);
  expect(shared.takeCloseRequest(tables, WORKER)).toBe(-1);
  expect(Object.values(tables.gauges).map(sumLanes)).toEqual(Object.values(tables.gauges).map(() => 0));
});
