/**
 * Big buffers for directions that move bulk data: a fixed number, lent one at a time, last returned first lent
 * (its pages are touched already).
 *
 * @owner the worker's thread; the memory is the engine's part of the arena.
 */
import { assert } from '../base/assert.ts';
import type { ArenaOffset } from '../base/brand.ts';

/** Bytes of one big buffer: what one receive can bring. */
export const BIG_SIZE = 1 << 20;

export class BigBuffers {
  /** Buffers now lent. */
  lent = 0;
  /** Highest number lent at once since the last trim: how many have touched pages. */
  private touched = 0;
  private readonly free: Uint32Array;

  constructor(start: ArenaOffset, length: number) {
    const count = Math.floor(length / BIG_SIZE);
    this.free = new Uint32Array(count);
    for (let i = 0; i < count; i++) this.free[i] = start + (count - 1 - i) * BIG_SIZE;
  }

  /** An arena offset, or 0 when all are lent. */
  take(): ArenaOffset {
    const left = this.free.length - this.lent;
    if (left === 0) return 0 as ArenaOffset;
    this.lent++;
    if (this.lent > this.touched) this.touched = this.lent;
    return this.free[left - 1] as ArenaOffset;
  }

  give(offset: ArenaOffset): void {
    assert(this.lent > 0, 'a big buffer that comes back was lent');
    this.lent--;
    this.free[this.free.length - this.lent - 1] = offset;
  }

  /**
   * Calls `trim` for the buffers that lie idle though they were used, so that a burst of bulk data does not stay
   * in memory for ever. Their contents are lost, which nobody minds.
   */
  trimIdle(trim: (offset: ArenaOffset, length: number) => void): void {
    if (this.touched === 0) return;
    for (let i = 0; i < this.free.length - this.lent; i++) trim(this.free[i] as ArenaOffset, BIG_SIZE);
    this.touched = this.lent;
  }
}
