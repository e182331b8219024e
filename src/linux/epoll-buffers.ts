/** Small receive buffers of the epoll loop: places in the arena, handed out last in, first out. */
import { assert } from '../base/assert.ts';
import { SMALL_FIRST, SMALL_SIZE } from './arena-layout.ts';

/**
 * Free list of arena offsets. The buffer given back last is taken first: its pages are in the cache, and those that
 * were never needed are never touched.
 *
 * @owner the loop's thread. @cost O(1), no allocation.
 */
export class SmallBuffers {
  private readonly free: Uint32Array;
  private readonly isHeld: Uint8Array;
  private freeCount: number;

  /** @param count buffers, > 0. */
  constructor(count: number) {
    this.free = new Uint32Array(count);
    this.isHeld = new Uint8Array(count);
    this.freeCount = count;
    for (let i = 0; i < count; i++) this.free[i] = SMALL_FIRST + (count - 1 - i) * SMALL_SIZE;
  }

  /** An arena offset, or 0 when all are held. */
  take(): number {
    if (this.freeCount === 0) return 0;
    const offset = this.free[--this.freeCount];
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
    return this.freeCount > 0;
  }

  held(): number {
    return this.free.length - this.freeCount;
  }
}
