/** Messages that have come before anybody asked for them: lists of small buffers, linked through their numbers. */
import { SMALL_FIRST, SMALL_SIZE } from '../../base/small-buffers.ts';

/** An entry is the number of its buffer + 1; 0 is none. */
export class Parked {
  private readonly next: Uint32Array;
  /** Arena offset of what is left of the message, and its bytes. */
  private readonly from: Uint32Array;
  private readonly left: Uint32Array;

  /** @param count small buffers there are. */
  constructor(count: number) {
    this.next = new Uint32Array(count);
    this.from = new Uint32Array(count);
    this.left = new Uint32Array(count);
  }

  /** Appends a message after the entry `last`, if that is one. @returns its entry. */
  add(last: number, buffer: number, length: number): number {
    const index = (buffer - SMALL_FIRST) / SMALL_SIZE;
    this.next[index] = 0;
    this.from[index] = buffer;
    this.left[index] = length;
    if (last !== 0) this.next[last - 1] = index + 1;
    return index + 1;
  }

  nextOf(entry: number): number {
    return this.next[entry - 1];
  }

  /** The buffer that an entry is. */
  bufferOf(entry: number): number {
    return SMALL_FIRST + (entry - 1) * SMALL_SIZE;
  }

  fromOf(entry: number): number {
    return this.from[entry - 1];
  }

  leftOf(entry: number): number {
    return this.left[entry - 1];
  }

  /** Takes the first `length` bytes off a message. @returns whether something is left of it. */
  cut(entry: number, length: number): boolean {
    this.from[entry - 1] += length;
    this.left[entry - 1] -= length;
    return this.left[entry - 1] > 0;
  }
}
