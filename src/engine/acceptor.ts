/**
 * Accepting: never more than there is room for, so that clients beyond it wait in the kernel's backlog.
 *
 * Room is reserved when an accept is submitted and used up, or given back, as it completes.
 */
import { assert } from '../base/assert.ts';
import type { Fd, ListenerSlot } from '../base/brand.ts';
import { ENDPOINT_SIZE, PEER_SIZE, portOf } from '../base/endpoint.ts';
import { ECANCELED, EINVAL } from '../base/errno.ts';
import { CLOSE_ABORT, FLAG_MORE, OP_ACCEPT } from '../loop/loop.ts';
import { sumLanes } from '../table/columns.ts';
import { connectionsUsed, placesTaken, reservePlaces } from '../table/shared.ts';
import { giveReserved, noteReserved, pauseForDescriptors, reservedBeyondOne } from './accept-state.ts';
import { admit } from './admission.ts';
import { end } from './ending.ts';
import { closeIdler } from './idlers.ts';
import { descriptorsFree, fairShare, pendingShare, placesAtOnce, placesLimit, shareAccepts } from './sharing.ts';
import type { EngineState } from './state.ts';
import { REASON_STOP } from './states.ts';

/** Submits an accept for each listener that has none, as far as there is room and it is this worker's turn. */
export function armAccepts(e: EngineState): void {
  e.acceptDirty = false;
  const a = e.acceptor;
  cancelStale(e);
  const mayAccept = !a.isPaused && !a.isYielding && e.stop === 0;
  if (mayAccept) armListeners(e);
  if (mayAccept && e.idlers > 0) makeRoom(e);
  if (e.workerCount > 1) shareAccepts(e, mayAccept && ownRoom(e) > 0, a.inFlight > 0 && isArmedEverywhere(e));
}

function armListeners(e: EngineState): void {
  const a = e.acceptor;
  const { settings, listeners } = e.config;
  const count = settings.listenerCount[0];
  // Those who are parked have a share, too, so that it need not be asked back for each of them.
  const sharers = e.parking.count > 0 ? count + 1 : count;
  let unarmed = unarmedCount(e);
  for (let listener = 0; listener < count && unarmed > 0; listener++) {
    const fd = listeners.fd[listener];
    if (fd < 0 || a.armed[listener] !== 0) continue;
    const room = roomToAccept(e);
    if (room <= 0) return;
    unarmed--;
    const share = count === 1 ? Math.floor(room / sharers) : shareOf(e, listener, room, unarmed);
    const max = reservePlaces(e.tables, Math.min(settings.acceptBatch[0], Math.max(1, share)), placesLimit(e));
    if (max === 0) return;
    arm(e, listener, fd, max);
  }
  a.isFull = false;
}

/**
 * What one of several listeners may bring: one where nobody came the last time, else up to twice as many as came, so
 * that places are where clients are. Half is left to others, and a place to each that is still to be armed.
 */
function shareOf(e: EngineState, listener: number, room: number, others: number): number {
  // Of several workers each has one, so that what it waits for in vain is nobody's fair share.
  if (e.workerCount > 1) return 1;
  return Math.min(e.acceptor.appetite[listener] * 2, Math.floor(room / 2), room - others);
}

/** Nobody can be accepted somewhere: an idler leaves its place to a client, if that is what is missing. */
function makeRoom(e: EngineState): void {
  if (isArmedEverywhere(e) || pendingRoom(e) <= 0) return;
  if (placesTaken(e.tables) >= placesLimit(e) || ownRoom(e) <= 0) closeIdler(e);
}

function isArmedEverywhere(e: EngineState): boolean {
  return unarmedCount(e) === 0;
}

/** Listeners that have no accept. */
function unarmedCount(e: EngineState): number {
  const { settings, listeners } = e.config;
  let count = 0;
  for (let listener = 0; listener < settings.listenerCount[0]; listener++) {
    if (listeners.fd[listener] >= 0 && e.acceptor.armed[listener] === 0) count++;
  }
  return count;
}

function arm(e: EngineState, listener: number, fd: number, max: number): void {
  const a = e.acceptor;
  const seq = e.nextSeq();
  a.armed[listener] = max;
  a.granted[listener] = max;
  a.fd[listener] = fd;
  a.seq[listener] = seq;
  a.version[listener] = e.configVersion;
  a.farm[listener] = e.config.listeners.farm[listener];
  a.port[listener] = portOf(e.config.listeners.endpoint, listener * ENDPOINT_SIZE);
  noteReserved(e, max);
  a.inFlight++;
  if (listener >= a.bound) a.bound = listener + 1;
  e.loop.accept(listener as ListenerSlot, seq, fd as Fd, max);
}

/** Connections that may still be accepted; notes which limit says no. */
function roomToAccept(e: EngineState): number {
  const places = placesAtOnce(e, placesLimit(e) - placesTaken(e.tables));
  const room = Math.min(places, ownRoom(e));
  if (room <= 0) noteFull(e);
  return room <= 0 ? room : Math.min(room, fairShare(e));
}

/** The same without a look at the places that all workers share. */
function ownRoom(e: EngineState): number {
  return Math.min(e.freeSlotCount - e.acceptor.reserved, pendingRoom(e), descriptorRoom(e));
}

function pendingRoom(e: EngineState): number {
  return pendingShare(e) - e.connecting - reservedBeyondOne(e);
}

/** Two for each connection, after those for whom places are reserved, wherever. */
function descriptorRoom(e: EngineState): number {
  const reserved = e.workerCount === 1 ? e.acceptor.reserved : placesTaken(e.tables) - connectionsUsed(e.tables);
  return Math.floor(descriptorsFree(e) / 2) - reserved;
}

/** Counts the beginning of a pause, under the limit that makes it. None begins where an idler will make room. */
function noteFull(e: EngineState): void {
  const a = e.acceptor;
  if (a.inFlight > 0 || a.isFull) return;
  const { counters } = e.tables;
  const clients = connectionsUsed(e.tables) - sumLanes(e.tables.gauges.idlers);
  if (clients >= e.config.settings.connMax[0]) e.count(counters.pausedFull, 1);
  else if (pendingRoom(e) <= 0) e.count(counters.pausedPending, 1);
  else if (e.idlers > 0) return;
  else if (descriptorRoom(e) <= 0) e.count(counters.pausedDescriptors, 1);
  // Of several workers, one may find all that is left reserved by others: they accept.
  else if (e.workerCount > 1) return;
  else e.count(counters.pausedFull, 1);
  a.isFull = true;
}

/**
 * Ends accepts on descriptors that are no longer listened on, and those whose room was measured under other limits:
 * an idle one that holds more than its share now would leave none for another listener.
 */
function cancelStale(e: EngineState): void {
  const a = e.acceptor;
  if (a.inFlight === 0) return;
  const { settings, listeners } = e.config;
  for (let listener = 0; listener < a.bound; listener++) {
    if (a.armed[listener] === 0) continue;
    const isListed = listener < settings.listenerCount[0] && listeners.fd[listener] === a.fd[listener];
    const isCurrent = isListed && a.version[listener] === e.configVersion;
    if (!isCurrent || e.stop !== 0) e.loop.cancel(OP_ACCEPT, listener, a.seq[listener]);
  }
}

export function onAccept(
  e: EngineState,
  listener: number,
  seq: number,
  result: number,
  flags: number,
  peer: number,
): void {
  const a = e.acceptor;
  assert(a.armed[listener] > 0 && seq === a.seq[listener], 'an accept that completes was submitted');
  if ((flags & FLAG_MORE) !== 0) {
    a.armed[listener]--;
    accepted(e, listener, result, peer);
    // The final completion is still to come, so the accept must not look finished.
    if (a.armed[listener] === 0) a.armed[listener] = FINISHING;
    return;
  }
  const left = a.armed[listener] === FINISHING ? 0 : a.armed[listener];
  giveReserved(e, left);
  a.appetite[listener] = a.granted[listener] - left;
  a.armed[listener] = 0;
  a.inFlight--;
  if (a.inFlight === 0) a.isYielding = false;
  e.acceptDirty = true;
  if (e.parking.isShortOfRoom || e.parking.isShortOfPending) e.parking.isSweepDue = true;
  // EINVAL: main has stopped a listener that was taken out of the configuration.
  if (result < 0 && result !== -ECANCELED && result !== -EINVAL) pauseForDescriptors(e);
}

/** In `armed`: all the room of the accept is used, its final completion is awaited. */
const FINISHING = 0xffff_ffff;

function accepted(e: EngineState, listener: number, fd: number, peer: number): void {
  const slot = e.takeSlot();
  const client = slot * 2;
  const row = e.slotFirst + slot;
  const rows = e.tables.connections;
  e.connections++;
  e.descriptors++;
  e.count(e.tables.counters.accepted, 1);
  // Another configuration may be in force by now, and the row another listener's.
  e.clearRow(slot, e.acceptor.farm[listener]);
  e.port[slot] = e.acceptor.port[listener];
  rows.listener[row] = listener;
  const { peers } = e.loop;
  for (let i = 0; i < PEER_SIZE; i++) rows.peer[row * PEER_SIZE + i] = peers[peer + i];
  e.fd[client] = fd;
  e.acceptsTaken++;
  if (e.stop !== 0) {
    // It came in the very turn in which the stop was seen.
    giveReserved(e, 1);
    end(e, slot, CLOSE_ABORT, REASON_STOP);
    return;
  }
  admit(e, slot);
}
