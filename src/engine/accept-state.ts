/** What accepting has in flight and why it rests; changed by `acceptor.ts`, paused by whoever runs out of descriptors. */
import { OP_ACCEPT } from '../loop/loop.ts';
import { LISTENERS_MAX } from '../table/limits.ts';
import { returnPlaces } from '../table/shared.ts';
import type { EngineState } from './state.ts';

/** How long accepting rests after the system had no descriptor for us. */
export const DESCRIPTOR_PAUSE_MS = 100;

export class AcceptState {
  /** Accepts in flight: how many connections each may still bring, the descriptor and the seq. 0: none in flight. */
  readonly armed = new Uint32Array(LISTENERS_MAX);
  readonly fd = new Int32Array(LISTENERS_MAX);
  readonly seq = new Uint32Array(LISTENERS_MAX);
  /** Whose clients it brings, and the port they come to; 0 for a unix socket. A row may be another listener's meanwhile. */
  readonly farm = new Uint16Array(LISTENERS_MAX);
  readonly port = new Uint16Array(LISTENERS_MAX);
  /** How many connections each might bring at first, and how many its listener brought the last time: 0 not known. */
  readonly granted = new Uint32Array(LISTENERS_MAX);
  readonly appetite = new Uint32Array(LISTENERS_MAX);
  /** The configuration under which its room was measured. */
  readonly version = new Uint32Array(LISTENERS_MAX);
  /** Places of `conn_max` that are reserved for whom they may bring; others read it in `workers.reserved`. */
  reserved = 0;
  inFlight = 0;
  /** Listeners ever armed: rows from here on need no look. */
  bound = 0;
  /** Accepting rests until a timer ends the pause. */
  isPaused = false;
  /** Accepts are asked to end; none begins before all have. */
  isYielding = false;
  /** A pause is counted when it begins, not each time it is noticed. */
  isFull = false;
}

/** Notes that more (or fewer) places are reserved. */
export function noteReserved(e: EngineState, change: number): void {
  const a = e.acceptor;
  a.reserved += change;
  e.tables.workers.reserved[e.worker] = a.reserved;
}

/**
 * Places that accepts have reserved, without one for each of them: where work is shared out, nobody is to keep a
 * listener from accepting because others wait for clients who do not come.
 */
export function reservedBeyondOne({ acceptor }: EngineState): number {
  return Math.max(0, acceptor.reserved - acceptor.inFlight);
}

/** Gives back reserved places that nobody takes. */
export function giveReserved(e: EngineState, count: number): void {
  if (count === 0) return;
  noteReserved(e, -count);
  returnPlaces(e.tables, count);
}

/** The system is out of descriptors or memory for sockets: accepting rests, everything else goes on. */
export function pauseForDescriptors(e: EngineState): void {
  const a = e.acceptor;
  if (a.isPaused) return;
  a.isPaused = true;
  e.count(e.tables.counters.pausedDescriptors, 1);
  e.wheel.set(e.timerResumeAccept, e.nowMs + DESCRIPTOR_PAUSE_MS);
}

export function resumeAccept(e: EngineState): void {
  e.acceptor.isPaused = false;
  e.acceptDirty = true;
}

/**
 * Asks all accepts to end, so that the room they reserve can be used by those who are accepted already. Accepting goes
 * on when they have completed, with what room is left.
 */
export function yieldRoom(e: EngineState): void {
  const a = e.acceptor;
  if (a.inFlight === 0) return;
  a.isYielding = true;
  for (let listener = 0; listener < a.bound; listener++) {
    if (a.armed[listener] !== 0) e.loop.cancel(OP_ACCEPT, listener, a.seq[listener]);
  }
}
