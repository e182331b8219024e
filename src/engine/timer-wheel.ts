/**
 * One timer per key, as a hierarchical timing wheel: four levels of 64 slots, intrusive lists over typed arrays.
 *
 * Setting, moving and clearing a timer is O(1) and allocates nothing. A timer never fires early; it fires at most
 * TICK_MS late plus the lateness of the turn. Timers further away than the wheel reaches (74 hours) wait at its
 * edge and are hung up again from there.
 *
 * @owner the worker's thread.
 * @source Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7.
 */
import { assert } from '../base/assert.ts';

export const TICK_MS = 16;
const LEVELS = 4;
const SLOT_BITS = 6;
const SLOTS = 1 << SLOT_BITS;
const SLOT_MASK = SLOTS - 1;
const REACH_TICKS = SLOTS ** LEVELS - 1;
const NONE = -1;
/** In `place`: the key has no timer. 0, so that keys never used cost no memory. */
const NOWHERE = 0;

/** Called for each timer that is due; it is cleared before the call and may be set again inside. */
export type Fire = (key: number, nowMs: number) => void;

export class TimerWheel {
  /** Timers now set. */
  count = 0;
  private readonly next: Int32Array;
  private readonly prev: Int32Array;
  /** Slot of the wheel in which the key's timer hangs, plus one; NOWHERE when it has none. */
  private readonly place: Int32Array;
  private readonly due: Float64Array;
  private readonly head = new Int32Array(LEVELS * SLOTS).fill(NONE);
  /** Timers per level, so that an empty level is skipped when the next deadline is sought. */
  private readonly filled = new Int32Array(LEVELS);
  private tick: number;
  /** No timer is due before this, in ms. Clearing leaves it as it is: at worst one idle wake-up. */
  private soonestMs = Infinity;

  /** @param keys timers are numbered 0..keys-1. */
  constructor(keys: number, nowMs: number) {
    this.next = new Int32Array(keys);
    this.prev = new Int32Array(keys);
    this.place = new Int32Array(keys);
    this.due = new Float64Array(keys);
    this.tick = Math.floor(nowMs / TICK_MS);
  }

  isSet(key: number): boolean {
    return this.place[key] !== NOWHERE;
  }

  /** Sets the key's timer to `atMs`, replacing what it had. A moment in the past fires on the next advance. */
  set(key: number, atMs: number): void {
    if (this.place[key] !== NOWHERE) this.clear(key);
    this.due[key] = Math.max(Math.ceil(atMs / TICK_MS), this.tick + 1);
    this.insert(key);
    this.count++;
    const at = this.due[key] * TICK_MS;
    if (at < this.soonestMs) this.soonestMs = at;
  }

  /** Clears the key's timer; nothing happens when it has none. */
  clear(key: number): void {
    if (this.place[key] === NOWHERE) return;
    this.unlink(key);
    this.count--;
  }

  /** When `advance` should be called next, in ms, or Infinity: not later than the first timer. */
  nextMs(): number {
    return this.count === 0 ? Infinity : this.soonestMs;
  }

  /** The first tick at which a timer is due or a slot of a higher level must be spread. */
  private nextTick(): number {
    let earliest = Infinity;
    for (let level = 0; level < LEVELS; level++) {
      if (this.filled[level] === 0) continue;
      const shift = level * SLOT_BITS;
      const current = Math.floor(this.tick / 2 ** shift);
      for (let ahead = 1; ahead <= SLOTS; ahead++) {
        const slot = (current + ahead) & SLOT_MASK;
        if (this.head[level * SLOTS + slot] === NONE) continue;
        earliest = Math.min(earliest, (current + ahead) * 2 ** shift);
        break;
      }
    }
    return earliest;
  }

  /** Fires what is due at `nowMs`. Empty stretches are skipped, so a long sleep costs nothing. */
  advance(nowMs: number, fire: Fire): void {
    const target = Math.floor(nowMs / TICK_MS);
    if (nowMs < this.soonestMs) return;
    while (this.tick < target && this.count > 0) {
      this.tick = Math.min(target, this.nextTick());
      this.spread();
      this.fireSlot(this.tick % SLOTS, nowMs, fire);
    }
    if (this.tick < target) this.tick = target;
    this.soonestMs = this.count === 0 ? Infinity : this.nextTick() * TICK_MS;
  }

  /** Moves timers of the higher levels down when the clock enters their slot. */
  private spread(): void {
    for (let level = LEVELS - 1; level > 0; level--) {
      const span = 2 ** (level * SLOT_BITS);
      if (this.tick % span !== 0 || this.filled[level] === 0) continue;
      const place = level * SLOTS + (Math.floor(this.tick / span) & SLOT_MASK);
      for (let key = this.head[place]; key !== NONE; key = this.head[place]) {
        this.unlink(key);
        this.insert(key);
      }
    }
  }

  private fireSlot(slot: number, nowMs: number, fire: Fire): void {
    for (let key = this.head[slot]; key !== NONE; key = this.head[slot]) {
      this.unlink(key);
      this.count--;
      fire(key, nowMs);
    }
  }

  private insert(key: number): void {
    const ticks = Math.min(Math.max(this.due[key] - this.tick, 0), REACH_TICKS);
    const at = this.tick + ticks;
    let level = 0;
    while (
      level < LEVELS - 1 &&
      Math.floor(at / 2 ** (level * SLOT_BITS)) - Math.floor(this.tick / 2 ** (level * SLOT_BITS)) >= SLOTS
    )
      level++;
    const place = level * SLOTS + (Math.floor(at / 2 ** (level * SLOT_BITS)) & SLOT_MASK);
    const first = this.head[place];
    this.next[key] = first;
    this.prev[key] = NONE;
    if (first !== NONE) this.prev[first] = key;
    this.head[place] = key;
    this.place[key] = place + 1;
    this.filled[level]++;
  }

  private unlink(key: number): void {
    const place = this.place[key] - 1;
    assert(place >= 0, 'a timer that is unlinked hangs in the wheel');
    const after = this.next[key];
    const before = this.prev[key];
    if (before === NONE) this.head[place] = after;
    else this.next[before] = after;
    if (after !== NONE) this.prev[after] = before;
    this.place[key] = NOWHERE;
    this.filled[place >> SLOT_BITS]--;
  }
}
