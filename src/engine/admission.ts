/**
 * From accepted to served: whose turn it is, and who is told to leave.
 *
 * One source may have `source_max` connections served; further ones are parked and served in the order in which they
 * came, as the source frees places. A client that the farm's access list denies is the abuse server's, or nobody's.
 */
import { assert } from '../base/assert.ts';
import { isTrusted, permits } from '../balance/access.ts';
import { CLOSE_ABORT } from '../loop/loop.ts';
import { CONNECTIONS_MAX } from '../table/limits.ts';
import { connectionsUsed, reservePlaces, returnPlaces, takeConnection, takeParked } from '../table/shared.ts';
import { leaveSource, promoteSource, servedOf, takeSource } from '../table/sources.ts';
import { giveReserved, noteReserved, yieldRoom } from './accept-state.ts';
import { beginConnect, meetClient } from './connector.ts';
import { end } from './ending.ts';
import { submitRecv, submitWatch } from './operations.ts';
import { superviseParked, unpark } from './parking.ts';
import { awaitFirstBytes, isPeekedAt } from './peeking.ts';
import { pendingShareOfOwn, tellWanting } from './sharing.ts';
import type { EngineState } from './state.ts';
import { CONNECTING, MARK_DENIED, PARKED, REASON_DENIED, REASON_REFUSED } from './states.ts';

/** How soon a place is noticed that another worker has freed. */
const PARKING_CHECK_MS = 250;

/** Places that the source of a connection may have; 0 for any number. */
function sourceLimit(e: EngineState, slot: number): number {
  const limit = e.config.settings.sourceMax[0];
  return limit === 0 || isTrusted(e.config, e.tables.connections.peer, e.peerAt(slot)) ? 0 : limit;
}

/** A client was just accepted, and a place is reserved for it: serves it, parks it, or refuses it. */
export function admit(e: EngineState, slot: number): void {
  const { tables, config, parking } = e;
  const prefix = config.farms.clientPrefix[e.farm[slot]];
  const { peer } = tables.connections;
  const taken = takeSource(tables, e.worker, peer, e.peerAt(slot), prefix, sourceLimit(e, slot));
  assert(taken !== 0, 'there are sources for all connections');
  const source = Math.abs(taken);
  const first = parking.oldestOf(source);
  e.source[slot] = source;
  if (taken > 0) {
    noteReserved(e, -1);
    takeConnection(tables);
    if (first < 0) {
      serve(e, slot);
      return;
    }
    // The place belongs to who has waited longest; the newcomer waits instead, so that the source's counts stand.
    unpark(e, first);
    assert(takeParked(tables, CONNECTIONS_MAX), 'the place of who was parked is free');
    // Rows tell who has which place before anything is submitted: if that throws, main gives back what they tell.
    e.state[slot] = PARKED;
    e.state[first] = CONNECTING;
    park(e, slot);
    serve(e, first);
    return;
  }
  giveReserved(e, 1);
  if (takeParked(tables, config.settings.parkedMax[0])) {
    park(e, slot);
  } else {
    leaveSource(tables, e.worker, source);
    e.source[slot] = 0;
    end(e, slot, CLOSE_ABORT, REASON_REFUSED);
  }
}

function park(e: EngineState, slot: number): void {
  e.state[slot] = PARKED;
  e.parking.append(slot, e.source[slot]);
  e.count(e.tables.counters.parked, 1);
  // Its bytes wait in the kernel; that it leaves is noticed all the same.
  submitWatch(e, slot * 2);
  superviseParked(e, slot);
  if (!e.wheel.isSet(e.timerParking)) e.wheel.set(e.timerParking, e.nowMs + PARKING_CHECK_MS);
}

/** Begins to serve a client: its places, of its source and of all connections, are taken. */
function serve(e: EngineState, slot: number): void {
  const { farms } = e.config;
  const farm = e.farm[slot];
  const client = slot * 2;
  const { peer } = e.tables.connections;
  e.used++;
  e.connecting++;
  e.state[slot] = CONNECTING;
  e.phaseMs[slot] = e.nowMs;
  e.progressMs[slot] = e.nowMs;
  e.clearTimer(slot);
  if (!permits(e.config, farms.clientAcl[farm], peer, e.peerAt(slot))) {
    e.marks[client] |= MARK_DENIED;
    if (farms.abuseServer[farm] === 0) {
      end(e, slot, CLOSE_ABORT, REASON_DENIED);
      return;
    }
  }
  if (isPeekedAt(e, slot)) {
    awaitFirstBytes(e, slot);
    return;
  }
  meetClient(e, slot);
  beginConnect(e, slot);
  // Read at once: the first bytes are at hand when the server stands, and a client that leaves is noticed.
  if (e.state[slot] === CONNECTING) submitRecv(e, client);
}

/** Time to look at what other workers have freed. */
export function onParkingTimer(e: EngineState): void {
  e.parking.isSweepDue = true;
  e.wheel.set(e.timerParking, e.nowMs + PARKING_CHECK_MS);
}

/** At the end of a turn: serves parked clients whose sources have places for them. */
export function serveParked(e: EngineState): void {
  const { parking } = e;
  const isLooking = parking.isSweepDue;
  // Clients that are served may be gone again before we look up, when there is no server for them.
  for (;;) {
    const source = parking.takeFreed();
    if (source !== 0) serveOldest(e, source);
    else if (parking.isSweepDue) sweep(e);
    else break;
  }
  if (e.workerCount > 1) tellWanting(e, isLooking);
}

/** Serves as many clients of each source as it has places for. */
function sweep(e: EngineState): void {
  const { parking } = e;
  parking.isSweepDue = false;
  parking.isShortOfRoom = false;
  parking.isShortOfPending = false;
  for (let slot = 0; slot < e.slotsTouched && parking.count > 0; slot++) {
    if (e.state[slot] !== PARKED || !parking.isOldest(slot)) continue;
    const source = e.source[slot];
    while (serveOldest(e, source));
  }
}

/** @returns whether the source's oldest parked client, if it has one, is served now. */
function serveOldest(e: EngineState, source: number): boolean {
  const { tables, parking } = e;
  const slot = parking.oldestOf(source);
  if (slot < 0) return false;
  const limit = sourceLimit(e, slot);
  // A look without the lock first: while a source is over its limit, this is the usual answer.
  if (limit !== 0 && servedOf(tables, source) >= limit) return false;
  if (!mayWait(e, slot)) return false;
  const connMax = e.config.settings.connMax[0];
  if (reservePlaces(tables, 1, connMax) === 0) {
    parking.isShortOfRoom = true;
    if (connectionsUsed(tables) < connMax) yieldRoom(e);
    return false;
  }
  if (!promoteSource(tables, e.worker, source, limit)) {
    returnPlaces(tables, 1);
    return false;
  }
  takeConnection(tables);
  unpark(e, slot);
  serve(e, slot);
  return true;
}

/** Whether the client may wait for its server now, if that is what it would do: those who may come count as well. */
function mayWait(e: EngineState, slot: number): boolean {
  if (isPeekedAt(e, slot)) return true;
  const free = pendingShareOfOwn(e) - e.connecting;
  if (free > e.acceptor.reserved) return true;
  e.parking.isShortOfPending = true;
  if (free > 0) yieldRoom(e);
  return false;
}
