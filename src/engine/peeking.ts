/**
 * Clients whose first bytes are awaited before anything else is done for them, so that what they say can have a part in
 * what becomes of them. With `peek` their server is chosen then, with `dummy` they are answered and have none.
 *
 * A client that is peeked at has all its places but the one at a server, and does not count as one that waits for its
 * server: silent clients keep nobody out but by the number of connections, and not for longer than the deadline. Who has
 * spoken and needs a server waits, in this order, until `pending_max` leaves a place.
 */
import { CLOSE_ORDERLY } from '../loop/loop.ts';
import { FARM_F_DUMMY, FARM_F_PEEK } from '../table/schema.ts';
import { beginConnect, isDenied, meetClient } from './connector.ts';
import { DRAIN_STALL_MS, end, leaveConnecting } from './ending.ts';
import { submitRecv, submitSend, submitWatch } from './operations.ts';
import { pendingShareOfOwn } from './sharing.ts';
import type { EngineState } from './state.ts';
import { ANSWERING, CONNECTING, MARK_ENDED, PEEKING, REASON_ORDERLY } from './states.ts';

/** What `dummy` says: the head of the original, and as many bytes. */
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 15\r\nContent-Type: text/html\r\n\r\nPen is at work.';
/** In bytes, for whoever has to recognize it. */
export const DUMMY_ANSWER = Uint8Array.from(ANSWER, (character) => character.charCodeAt(0));

export function isPeekedAt(e: EngineState, slot: number): boolean {
  return (e.config.farms.flags[e.farm[slot]] & (FARM_F_PEEK | FARM_F_DUMMY)) !== 0;
}

/** A client that is about to be served is read first. */
export function awaitFirstBytes(e: EngineState, slot: number): void {
  e.state[slot] = PEEKING;
  leaveConnecting(e);
  submitRecv(e, slot * 2);
  supervisePeeking(e, slot);
}

/**
 * A silent client may stand as long as an idle connection, or, when that is for ever, as long as a connect may take. One
 * that has spoken waits for others, and so as long as a parked one.
 */
export function supervisePeeking(e: EngineState, slot: number): void {
  const { idleTimeoutMs, connectTimeoutMs } = e.config.farms;
  const farm = e.farm[slot];
  const limitMs = idleTimeoutMs[farm] || (isHeard(e, slot) ? Infinity : connectTimeoutMs[farm]);
  if (limitMs === Infinity) e.clearTimer(slot);
  else e.setTimer(slot, e.phaseMs[slot] + limitMs);
}

function isHeard(e: EngineState, slot: number): boolean {
  const client = slot * 2;
  return e.held[client] !== 0 || (e.marks[client] & MARK_ENDED) !== 0;
}

/** After the completions of a turn: goes on with the clients that have said something. */
export function decideHeard(e: EngineState): void {
  while (e.heard.count > 0) {
    const slot = e.heard.shift();
    // It may have been reset in the same turn, and its slot used again.
    if (e.state[slot] !== PEEKING || !isHeard(e, slot)) continue;
    if (isAnswered(e, slot)) answer(e, slot);
    else if (e.spoken.count === 0 && e.connecting < pendingShareOfOwn(e)) seekServer(e, slot);
    else awaitPending(e, slot);
  }
}

function isAnswered(e: EngineState, slot: number): boolean {
  return (e.config.farms.flags[e.farm[slot]] & FARM_F_DUMMY) !== 0 && !isDenied(e, slot);
}

/** As many wait for their servers as may: it is watched, as nobody reads it. */
function awaitPending(e: EngineState, slot: number): void {
  e.phaseMs[slot] = e.nowMs;
  supervisePeeking(e, slot);
  submitWatch(e, slot * 2);
  // Who had the slot before may have waited, too, and its place in the queue is there still.
  if (e.isSpoken[slot] !== 0) return;
  e.isSpoken[slot] = 1;
  e.spoken.push(slot);
}

/** Goes on with those who have spoken and wait, as far as there are places for them now. */
export function serveSpoken(e: EngineState): void {
  while (e.spoken.count > 0 && e.connecting < pendingShareOfOwn(e)) {
    const slot = e.spoken.shift();
    e.isSpoken[slot] = 0;
    if (e.state[slot] !== PEEKING || !isHeard(e, slot)) continue;
    // What the farm does with its clients may have changed meanwhile.
    if (isAnswered(e, slot)) answer(e, slot);
    else seekServer(e, slot);
  }
}

function decided(e: EngineState, slot: number): void {
  e.clearTimer(slot);
  e.phaseMs[slot] = e.nowMs;
  meetClient(e, slot);
}

function seekServer(e: EngineState, slot: number): void {
  decided(e, slot);
  e.state[slot] = CONNECTING;
  e.connecting++;
  beginConnect(e, slot);
}

/** Sends our answer out of the buffer in which the question came, as if a server had said it. */
function answer(e: EngineState, slot: number): void {
  const client = slot * 2;
  const source = client + 1;
  decided(e, slot);
  if (e.held[client] === 0) {
    end(e, slot, CLOSE_ORDERLY, REASON_ORDERLY);
    return;
  }
  e.state[slot] = ANSWERING;
  e.held[source] = e.held[client];
  e.heldLength[source] = DUMMY_ANSWER.length;
  e.sentLength[source] = 0;
  e.held[client] = 0;
  e.loop.arena.set(DUMMY_ANSWER, e.held[source]);
  submitSend(e, source);
  e.setTimer(slot, e.nowMs + DRAIN_STALL_MS);
}
