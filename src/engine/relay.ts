/**
 * The relay: bytes received from a side are sent to the other one; only then is that side read again.
 *
 * This is all the backpressure there is: a direction holds one buffer, so a stalled peer costs its own buffer only.
 * A direction that fills small buffers in a row, and whose reader takes them, borrows a pipe until a read is short: its
 * bytes then stay in the kernel. Where there is no pipe it borrows a big buffer.
 */
import { assert } from '../base/assert.ts';
import type { ArenaOffset } from '../base/brand.ts';
import { ECANCELED } from '../base/errno.ts';
import { CLOSE_ABORT, CLOSE_ORDERLY } from '../loop/loop.ts';
import { writeDump } from '../table/dumps.ts';
import type { RecordRing } from '../table/records.ts';
import { PEER_WORDS, writeRequest } from '../table/requests.ts';
import type { Ring } from '../table/ring.ts';
import { FASTCLOSE_DOWN, FASTCLOSE_UP } from '../table/schema.ts';
import { awaitTurn } from './bulk-turns.ts';
import { drain, end, joined } from './ending.ts';
import { cancelPending, CHECK_MS, submitRecv, submitSend } from './operations.ts';
import { HELD_IN_PIPE, type EngineState } from './state.ts';
import {
  ANSWERING,
  CONNECTING,
  DRAINING,
  ENDING,
  MARK_DEAF,
  MARK_END_PASSED,
  MARK_ENDED,
  OPEN,
  PEEKING,
  PENDING_RECV,
  PENDING_SEND,
  PENDING_WATCH,
  REASON_ABORT,
  REASON_ORDERLY,
} from './states.ts';

/**
 * Small buffers that a reader has to take in a row before its direction may borrow: more than the kernel of one that
 * does not read takes for it. Else a crowd that never reads would borrow all there is, and keep it.
 */
export const TAKEN_BUFFERS = 16;

export function onRecv(e: EngineState, side: number, seq: number, result: number, buffer: number): void {
  assert((e.pending[side] & PENDING_RECV) !== 0 && seq === e.recvSeq[side], 'a receive that completes was submitted');
  e.pending[side] &= ~PENDING_RECV;
  const slot = side >> 1;
  const state = e.state[slot];
  if (state >= DRAINING) {
    if (result > 0 && !e.isBulk(side)) e.loop.release(buffer as ArenaOffset);
    if (state === ENDING) joined(e, slot);
    return;
  }
  if (result > 0) {
    e.held[side] = e.pipe[side] === 0 ? buffer : HELD_IN_PIPE;
    e.heldLength[side] = result;
    e.sentLength[side] = 0;
    e.bytesIn[side] += result;
    e.progressMs[slot] = e.nowMs;
    if (e.dumping !== undefined) dump(e, e.dumping, side, result);
    if (state === OPEN) passBytes(e, side);
    else if (state !== CONNECTING) heardAside(e, side);
  } else if (result === 0) {
    e.marks[side] |= MARK_ENDED;
    e.dropBulk(side);
    if (state === OPEN) passEnd(e, side);
    else if (state !== CONNECTING) heardAside(e, side);
  } else if (result !== -ECANCELED) {
    streamFailed(e, side);
  }
}

/** Writes down what was received. What is in a pipe cannot be seen, so it counts as one piece that found no room. */
function dump(e: EngineState, ring: Ring, side: number, length: number): void {
  const at = e.held[side];
  if (at === HELD_IN_PIPE) ring.miss();
  else writeDump(ring, e.slotFirst * 2 + side, e.loop.arena, at, length);
}

/** Writes down what a client has said to its server. What is in a pipe cannot be seen: it was lent before there was a log, and is given back now. */
function logRequest(e: EngineState, ring: RecordRing, client: number): void {
  const slot = client >> 1;
  const at = e.held[client];
  if (at === HELD_IN_PIPE) {
    ring.miss();
    return;
  }
  const { arena } = e.loop;
  writeRequest(ring, e.nowMs, e.server[slot], e.peers, slot * PEER_WORDS, arena, at, e.heldLength[client], e.logText);
}

/** An idler whose server has said more is closed, and made again as one that the server has ended: so nobody is flooded. */
const IDLE_TALK_MAX = 1 << 20;

/** Bytes, or the end, of a side whose connection has no other one: a client that is peeked at, an idler's server. */
function heardAside(e: EngineState, side: number): void {
  const slot = side >> 1;
  if (e.state[slot] === PEEKING) {
    e.heard.push(slot);
  } else if (e.held[side] === 0 || e.bytesIn[side] > IDLE_TALK_MAX) {
    end(e, slot, CLOSE_ORDERLY, REASON_ORDERLY);
  } else {
    // Nobody wants to know what a server says to nobody.
    e.dropHeld(side);
    submitRecv(e, side);
  }
}

export function onSend(e: EngineState, target: number, seq: number, result: number): void {
  assert((e.pending[target] & PENDING_SEND) !== 0 && seq === e.sendSeq[target], 'a send that completes was submitted');
  e.pending[target] &= ~PENDING_SEND;
  const slot = target >> 1;
  const source = target ^ 1;
  const state = e.state[slot];
  if (state === ENDING) {
    joined(e, slot);
    return;
  }
  if (result < 0) {
    sendFailed(e, target);
    return;
  }
  e.progressMs[slot] = e.nowMs;
  e.sentLength[source] += result;
  if (state !== OPEN) {
    if (state === ANSWERING) answered(e, target);
    return;
  }
  if (e.sentLength[source] < e.heldLength[source]) awaitTurn(e, source);
  else passed(e, source);
}

/** The client has been sent our answer: its connection ends when it has taken that. */
function answered(e: EngineState, client: number): void {
  e.dropHeld(client ^ 1);
  e.loop.shutdown(e.fdOf(client));
  drain(e, client, CLOSE_ORDERLY);
}

export function onWatch(e: EngineState, side: number, seq: number, result: number): void {
  assert((e.pending[side] & PENDING_WATCH) !== 0 && seq === e.watchSeq[side], 'a watch that completes was submitted');
  e.pending[side] &= ~PENDING_WATCH;
  const slot = side >> 1;
  const state = e.state[slot];
  if (state === ENDING) {
    joined(e, slot);
    return;
  }
  if (result === -ECANCELED || state === DRAINING) return;
  if (state === OPEN) becomeDeaf(e, side);
  else end(e, slot, CLOSE_ABORT, REASON_ABORT);
}

/** Both sides stand: pass on what the client has sent while its server was connected, and read the server. */
export function startRelay(e: EngineState, slot: number): void {
  const client = slot * 2;
  e.openedMs[slot] = e.nowMs;
  submitRecv(e, client + 1);
  if (e.held[client] !== 0) passBytes(e, client);
  else if ((e.marks[client] & MARK_ENDED) !== 0) passEnd(e, client);
  else if ((e.pending[client] & PENDING_RECV) === 0) submitRecv(e, client);
}

function passBytes(e: EngineState, source: number): void {
  if (e.logging !== undefined && (source & 1) === 0) logRequest(e, e.logging, source);
  if ((e.marks[source ^ 1] & MARK_DEAF) !== 0) e.dropHeld(source);
  else if (e.heldLength[source] > e.loop.smallSize) awaitTurn(e, source);
  else submitSend(e, source);
}

/** All that was held of `source` has been sent: choose the size of its next buffer and read on. */
function passed(e: EngineState, source: number): void {
  const length = e.heldLength[source];
  e.dropHeld(source);
  if (length < e.loop.smallSize || isUnseen(e, source)) {
    e.dropBulk(source);
    e.fullBytes[source] = 0;
  } else if (!e.isBulk(source)) {
    e.fullBytes[source] += length;
    if (isTaken(e, source)) borrow(e, source);
  }
  if ((e.marks[source ^ 1] & MARK_DEAF) !== 0) return;
  if (e.isBulk(source)) awaitTurn(e, source);
  else submitRecv(e, source);
}

/** Whether bytes have to be seen that would not be: to be dumped they go through small buffers, to be logged not through a pipe. */
function isUnseen(e: EngineState, source: number): boolean {
  return e.dumping !== undefined || (e.logging !== undefined && (source & 1) === 0 && e.pipe[source] !== 0);
}

/** Whether the reader has taken enough in a row; what our own kernel still has to send says nothing about it. */
function isTaken(e: EngineState, source: number): boolean {
  const enough = TAKEN_BUFFERS * e.loop.smallSize;
  return e.fullBytes[source] >= enough && e.fullBytes[source] - e.loop.unsent(e.fdOf(source ^ 1)) >= enough;
}

/** When everything is lent, the direction asks again after as many bytes. */
function borrow(e: EngineState, source: number): void {
  e.takeBulk(source);
  e.fullBytes[source] = 0;
}

/** The stream of `source` has ended and all of it was sent: the other side is told. */
function passEnd(e: EngineState, source: number): void {
  const target = source ^ 1;
  const slot = source >> 1;
  e.marks[source] |= MARK_END_PASSED;
  if ((e.marks[target] & MARK_END_PASSED) !== 0) {
    // Both streams are complete: closing passes this end on as well, and saves a call per connection.
    end(e, slot, CLOSE_ORDERLY, REASON_ORDERLY);
    return;
  }
  e.loop.shutdown(e.fdOf(target));
  if ((e.marks[source] & MARK_DEAF) !== 0) {
    drain(e, target, CLOSE_ABORT);
  } else if (isFastclose(e, source)) {
    drain(e, target, CLOSE_ORDERLY);
  } else if (e.checkMs[slot] > e.nowMs + CHECK_MS) {
    e.setTimer(slot, e.nowMs + CHECK_MS);
  }
}

function isFastclose(e: EngineState, source: number): boolean {
  const mask = (source & 1) === 0 ? FASTCLOSE_DOWN : FASTCLOSE_UP;
  return (e.config.farms.fastclose[e.farm[source >> 1]] & mask) !== 0;
}

/** Reading `side` failed: its peer has aborted, or the network gave it up. */
function streamFailed(e: EngineState, side: number): void {
  const slot = side >> 1;
  e.marks[side] |= MARK_DEAF;
  e.dropBulk(side);
  if (e.state[slot] === OPEN) drain(e, side ^ 1, CLOSE_ABORT);
  else end(e, slot, CLOSE_ABORT, REASON_ABORT);
}

/**
 * Sending to `target` failed. What it sent before its end is still worth reading: a server that answers and closes
 * while the client still sends is the usual case. Its own stream then ends the connection.
 */
function sendFailed(e: EngineState, target: number): void {
  const slot = target >> 1;
  e.dropHeld(target ^ 1);
  e.dropBulk(target ^ 1);
  if (e.state[slot] === OPEN) becomeDeaf(e, target);
  else if (e.state[slot] === ANSWERING) end(e, slot, CLOSE_ABORT, REASON_ABORT);
}

function becomeDeaf(e: EngineState, side: number): void {
  e.marks[side] |= MARK_DEAF;
  if ((e.marks[side ^ 1] & MARK_DEAF) !== 0) {
    // Neither takes bytes any more: nothing is left to wait for.
    end(e, side >> 1, CLOSE_ABORT, REASON_ABORT);
    return;
  }
  cancelPending(e, side ^ 1, PENDING_RECV);
  if ((e.marks[side] & MARK_END_PASSED) !== 0) drain(e, side ^ 1, CLOSE_ABORT);
}
