/** Sides that wait for something, first come first served. */
import { assert } from '../base/assert.ts';

/** @owner the worker's thread. @cost a ring that is reserved once; only pages that are used are touched. */
export class SideQueue {
  count = 0;
  private head = 0;
  private readonly ring: Uint32Array;

  /** @param capacity the most that can wait at once. */
  constructor(capacity: number) {
    this.ring = new Uint32Array(capacity);
  }

  push(side: number): void {
    assert(this.count < this.ring.length, 'no more sides wait than there are');
    this.ring[(this.head + this.count++) % this.ring.length] = side;
  }

  shift(): number {
    assert(this.count > 0, 'somebody waits when one is called up');
    const side = this.ring[this.head];
    this.head = (this.head + 1) % this.ring.length;
    this.count--;
    return side;
  }
}
