/**
 * Accepting: never more than there is room for, so that clients beyond it wait in the kernel's backlog.
 *
 * Room is reserved when an accept is submitted and used up, or given back, as it completes.
 */
import { assert } from '../base/assert.ts';
import type { Fd, ListenerSlot } from '../base/brand.ts';
import { PEER_SIZE } from '../base/endpoint.ts';
import { ECANCELED } from '../base/errno.ts';
import { CLOSE_ABORT, FLAG_MORE, OP_ACCEPT } from '../loop/loop.ts';
import { connectionsUsed } from '../table/shared.ts';
import { pauseForDescriptors } from './accept-state.ts';
import { admit } from './admission.ts';
import { end } from './ending.ts';
import { NO_MARK, type EngineState } from './state.ts';
import { REASON_STOP } from './states.ts';

/** Submits an accept for each listener that has none, as far as there is room. */
export function armAccepts(e: EngineState): void {
  e.acceptDirty = false;
  const a = e.acceptor;
  const { settings, listeners } = e.config;
  const count = settings.listenerCount[0];
  cancelStale(e);
  if (a.isPaused || a.isYielding || e.stop !== 0) return;
  for (let listener = 0; listener < count; listener++) {
    const fd = listeners.fd[listener];
    if (fd < 0 || a.armed[listener] !== 0) continue;
    const room = roomToAccept(e);
    if (room <= 0) return;
    const share = Math.max(1, Math.floor(room / (count - listener)));
    arm(e, listener, fd, Math.min(settings.acceptBatch[0], share));
  }
  a.isFull = false;
}

function arm(e: EngineState, listener: number, fd: number, max: number): void {
  const a = e.acceptor;
  const seq = e.nextSeq();
  a.armed[listener] = max;
  a.fd[listener] = fd;
  a.seq[listener] = seq;
  a.version[listener] = e.configVersion;
  a.reserved += max;
  a.inFlight++;
  if (listener >= a.bound) a.bound = listener + 1;
  e.loop.accept(listener as ListenerSlot, seq, fd as Fd, max);
}

/** Connections that may still be accepted; notes which limit says no. */
function roomToAccept(e: EngineState): number {
  const a = e.acceptor;
  const { settings } = e.config;
  const slots = Math.min(settings.connMax[0] - connectionsUsed(e.tables), e.freeSlotCount) - a.reserved;
  const pending = settings.pendingMax[0] - e.connecting - a.reserved;
  const descriptors =
    Math.floor((settings.descriptorMax[0] - e.descriptors - e.loop.pipeDescriptors()) / 2) - a.reserved;
  const room = Math.min(slots, pending, descriptors);
  if (room <= 0 && a.inFlight === 0 && !a.isFull) {
    a.isFull = true;
    const { counters } = e.tables;
    e.count(
      room === slots ? counters.pausedFull : room === pending ? counters.pausedPending : counters.pausedDescriptors,
      1,
    );
  }
  return room;
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
    a.reserved--;
    accepted(e, listener, result, peer);
    // The final completion is still to come, so the accept must not look finished.
    if (a.armed[listener] === 0) a.armed[listener] = FINISHING;
    return;
  }
  if (a.armed[listener] !== FINISHING) a.reserved -= a.armed[listener];
  a.armed[listener] = 0;
  a.inFlight--;
  if (a.inFlight === 0) a.isYielding = false;
  e.acceptDirty = true;
  if (e.parking.isShortOfRoom) e.parking.isSweepDue = true;
  if (result < 0 && result !== -ECANCELED) pauseForDescriptors(e);
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
  e.farm[slot] = e.config.listeners.farm[listener];
  rows.listener[row] = listener;
  e.startedMs[slot] = e.nowMs;
  e.progressMs[slot] = e.nowMs;
  const { peers } = e.loop;
  for (let i = 0; i < PEER_SIZE; i++) rows.peer[row * PEER_SIZE + i] = peers[peer + i];
  e.fd[client] = fd;
  e.marks[client] = 0;
  e.marks[client + 1] = 0;
  e.progressMark[client] = NO_MARK;
  e.progressMark[client + 1] = NO_MARK;
  e.bytesIn[client] = 0;
  e.bytesIn[client + 1] = 0;
  e.fullBytes[client] = 0;
  e.fullBytes[client + 1] = 0;
  e.client[slot] = 0;
  e.source[slot] = 0;
  if (e.stop !== 0) {
    // It came in the very turn in which the stop was seen.
    end(e, slot, CLOSE_ABORT, REASON_STOP);
    return;
  }
  admit(e, slot);
}
