/**
 * Small receive buffers: places in the arena, handed out last in, first out.
 *
 * Every loop lays out its arena in the same way: an unused page, the small buffers, the engine's big ones.
 */
import { assert } from './assert.ts';

/** Bytes of a small buffer: small enough that an idle side costs little, large enough for a request or a TLS record. */
export const SMALL_SIZE = 16 * 1024;
/** The first page holds no buffer, so that offset 0 can mean "none". */
export const SMALL_FIRST = 4096;

/**
 * Free list of arena offsets. The buffer given back last is taken first: its pages are in the cache, and those that
 * were never needed are never touched.
 *
 * @owner the loop's thread. @cost O(1), no allocation.
 */
export class SmallBuffers {
  private readonly count: number;
  /** Offsets that came back. Buffers from `usedMax` on were never needed, and are in no list. */
  private readonly free: Uint32Array;
  private readonly isHeld: Uint8Array;
  private freeCount = 0;
  private usedMax = 0;

  /** @param count buffers, > 0. */
  constructor(count: number) {
    this.free = new Uint32Array(count);
    this.isHeld = new Uint8Array(count);
    this.count = count;
  }

  /** An arena offset, or 0 when all are held. */
  take(): number {
    if (!this.hasFree()) return 0;
    const offset = this.freeCount > 0 ? this.free[--this.freeCount] : SMALL_FIRST + this.usedMax++ * SMALL_SIZE;
    this.isHeld[(offset - SMALL_FIRST) / SMALL_SIZE] = 1;
    return offset;
  }

  /** @errors asserts that `offset` came from `take` and was not given back since. */
  give(offset: number): void {
    const index = (offset - SMALL_FIRST) / SMALL_SIZE;
    assert(this.isHeld[index] === 1, 'a small buffer is given back once, by the offset it came with');
    this.isHeld[index] = 0;
    this.free[this.freeCount++] = offset;
  }

  hasFree(): boolean {
    return this.freeCount > 0 || this.usedMax < this.count;
  }

  held(): number {
    return this.usedMax - this.freeCount;
  }
}
