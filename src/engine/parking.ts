/**
 * Connections that are parked: their source has all the places it may have, so they wait for one, each behind those of
 * its source that came before it.
 *
 * A parked connection is accepted, watched and counted, but not read, and it has no server. It takes a slot and a
 * descriptor, no place in `conn_max`. Who is next when a source frees a place is known at once; that another worker
 * freed one is looked for by a timer.
 *
 * @owner the worker's thread.
 */
import { leaveSource } from '../table/sources.ts';
import { giveParked } from '../table/shared.ts';
import { SOURCES_MAX } from '../table/limits.ts';
import type { EngineState } from './state.ts';

/** In `Parking`: nobody. Slots are kept plus one. */
const NOBODY = 0;

export class Parking {
  /** Connections parked in this worker. */
  count = 0;
  /** By source row: who has waited longest and shortest. Address space, touched only for sources that have to wait. */
  private readonly oldest = new Int32Array(SOURCES_MAX);
  private readonly newest = new Int32Array(SOURCES_MAX);
  /** By slot: who is before and behind it. */
  private readonly before: Int32Array;
  private readonly behind: Int32Array;
  /** Sources that freed a place since the last turn's end, one entry for each place. */
  private readonly freed: Uint32Array;
  private freedCount = 0;
  /** All sources have to be looked at: limits have changed, or it is time. */
  isSweepDue = false;
  /** Somebody could be served but for a place in `conn_max`. */
  isShortOfRoom = false;
  /** The same but for a place in `pending_max`. */
  isShortOfPending = false;

  constructor(slots: number) {
    this.before = new Int32Array(slots);
    this.behind = new Int32Array(slots);
    this.freed = new Uint32Array(slots);
  }

  /** The slot that has waited longest for a place of the source; -1 for none. */
  oldestOf(source: number): number {
    return this.oldest[source] - 1;
  }

  /** True when nobody of its source has waited longer. */
  isOldest(slot: number): boolean {
    return this.before[slot] === NOBODY;
  }

  append(slot: number, source: number): void {
    const newest = this.newest[source];
    this.before[slot] = newest;
    this.behind[slot] = NOBODY;
    if (newest === NOBODY) this.oldest[source] = slot + 1;
    else this.behind[newest - 1] = slot + 1;
    this.newest[source] = slot + 1;
    this.count++;
  }

  remove(slot: number, source: number): void {
    const before = this.before[slot];
    const behind = this.behind[slot];
    if (before === NOBODY) this.oldest[source] = behind;
    else this.behind[before - 1] = behind;
    if (behind === NOBODY) this.newest[source] = before;
    else this.before[behind - 1] = before;
    this.count--;
  }

  /** Notes that a place of the source is free. */
  free(source: number): void {
    if (this.oldest[source] === NOBODY) {
      if (this.isShortOfRoom) this.isSweepDue = true;
    } else if (this.freedCount === this.freed.length) this.isSweepDue = true;
    else this.freed[this.freedCount++] = source;
  }

  /** A source that freed a place, each as often as it did; 0 when there is none left. */
  takeFreed(): number {
    return this.freedCount === 0 ? 0 : this.freed[--this.freedCount];
  }
}

/** Takes a connection out of those that wait, because it is served or ends. */
export function unpark(e: EngineState, slot: number): void {
  e.parking.remove(slot, e.source[slot]);
  giveParked(e.tables);
  if (e.parking.count === 0) e.wheel.clear(e.timerParking);
}

/** A parked connection ends: whoever waits behind it moves up. */
export function leaveParking(e: EngineState, slot: number): void {
  unpark(e, slot);
  leaveSource(e.tables, e.worker, e.source[slot]);
  e.source[slot] = 0;
}

/** A parked connection waits as long as an idle one may stand. */
export function superviseParked(e: EngineState, slot: number): void {
  const limitMs = parkedLimitMs(e, slot);
  if (limitMs === Infinity) e.clearTimer(slot);
  else e.setTimer(slot, e.startedMs[slot] + limitMs);
}

export function parkedLimitMs(e: EngineState, slot: number): number {
  return e.config.farms.idleTimeoutMs[e.farm[slot]] || Infinity;
}
