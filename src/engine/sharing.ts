/**
 * Who takes the clients that come, when there are several workers: whoever has no more than about the average, so that
 * each has its part of the work.
 *
 * A worker that has more stops accepting and sees to it that somebody else does: it first notes that it has stopped,
 * then wakes the one with fewest connections unless another accepts. So it never happens that nobody accepts while
 * there are places, whoever stops at the same time. Alone, none of this costs anything.
 *
 * @owner the worker's thread.
 */
import { lane } from '../table/columns.ts';
import { ACCEPT_ARMED, ACCEPT_RESTING, ACCEPT_WILLING } from '../table/schema.ts';
import {
  connectionsUsed,
  isHoldingPlaces,
  meanLoad,
  noteAccepting,
  noteWanting,
  placesTaken,
  placesWanted,
  whoShouldAccept,
} from '../table/shared.ts';
import { reservedBeyondOne, yieldRoom } from './accept-state.ts';
import type { EngineState } from './state.ts';

/** How far a worker may be above the average: so many connections, or an eighth. */
const SLACK_MIN = 4;
const SLACK_SHARE = 8;

/** Connections the worker may take before it is the turn of others. */
export function fairShare(e: EngineState): number {
  if (e.workerCount === 1) return Infinity;
  const mean = meanLoad(e.tables, e.workerCount, e.worker, e.connections);
  return Math.floor(mean + Math.max(SLACK_MIN, mean / SLACK_SHARE)) - e.connections - reservedBeyondOne(e);
}

/** Places of `conn_max` that the worker may reserve up to: some are left to clients who are parked elsewhere. */
export function placesLimit(e: EngineState): number {
  const connMax = e.config.settings.connMax[0];
  return e.workerCount === 1 ? connMax : connMax - placesWanted(e.tables, e.workerCount, e.worker);
}

/** Most places for one accept: when few are left, each worker has a chance to reserve some. */
export function placesAtOnce(e: EngineState, free: number): number {
  return e.workerCount === 1 ? free : Math.ceil(free / e.workerCount);
}

/** Connections that may wait for their server in this worker: its part of `pending_max`. */
export function pendingShare(e: EngineState): number {
  return partOf(e, e.config.settings.pendingMax[0]);
}

/**
 * The same for those who are accepted already. One always may: of a limit below the number of workers some have no part,
 * and would never serve whom they have.
 */
export function pendingShareOfOwn(e: EngineState): number {
  return Math.max(1, pendingShare(e));
}

/** The worker's part of what all of them have together. The parts add up exactly. */
export function partOf(e: EngineState, total: number): number {
  const rest = total % e.workerCount;
  return (total - rest) / e.workerCount + (e.worker < rest ? 1 : 0);
}

/** Descriptors that no worker has open. Those of others are as they told at the end of their last turn. */
export function descriptorsFree(e: EngineState): number {
  let free = e.config.settings.descriptorMax[0] - e.descriptors - e.loop.pipeDescriptors();
  for (let other = 0; other < e.workerCount; other++) {
    if (other !== e.worker) free -= lane(e.tables.gauges.descriptors, other);
  }
  return free;
}

/**
 * After accepts were armed, as far as they could be: tells the others, and sees to it that one of them accepts.
 *
 * @param isAble there is room. @param isArmed an accept is in flight at each listener.
 */
export function shareAccepts(e: EngineState, isAble: boolean, isArmed: boolean): void {
  const { tables, workerCount, worker, acceptor } = e;
  noteAccepting(tables, worker, e.connections, isArmed ? ACCEPT_ARMED : isAble ? ACCEPT_WILLING : ACCEPT_RESTING);
  if (acceptor.inFlight > 0) yieldToParked(e);
  if (isArmed || e.stop !== 0 || placesTaken(tables) >= placesLimit(e)) return;
  const other = whoShouldAccept(tables, workerCount, worker);
  if (other >= 0) e.wakeWorker(other);
}

/** What is reserved here keeps somebody from being served who is parked in another worker: gives it back. */
function yieldToParked(e: EngineState): void {
  if (!e.acceptor.isYielding && placesTaken(e.tables) > placesLimit(e)) yieldRoom(e);
}

/**
 * Tells the others when somebody is parked here who could be served but for places that they have reserved. They leave
 * one free; that it is free is noticed when it is time to look again.
 */
export function tellWanting(e: EngineState, isLooking: boolean): void {
  const { tables, worker, parking } = e;
  const isWanting =
    parking.count > 0 && parking.isShortOfRoom && connectionsUsed(tables) < e.config.settings.connMax[0];
  if (isWanting !== e.isWanting) {
    e.isWanting = isWanting;
    noteWanting(tables, worker, isWanting);
    e.acceptDirty = true;
  } else if (!isLooking) {
    return;
  }
  if (!isWanting) return;
  for (let other = 0; other < e.workerCount; other++) {
    if (other !== worker && isHoldingPlaces(tables, other)) e.wakeWorker(other);
  }
}
