/**
 * The simulator's arena: small buffers with an owner each, memory of the engine, and poison where nobody may read.
 *
 * Poison makes a stale read visible as a wrong byte at the actor; the ownership marks make a wrong release or a
 * buffer that is touched in flight visible at once.
 */
import { violate } from './violation.ts';

/** What released and never-owned memory holds. */
const POISON = 0xdb;

const FREE = 0;
const ENGINE = 1;
/** Named by an operation in flight: nobody else may touch it. */
const IN_FLIGHT = 2;

export class SimArena {
  readonly bytes: Uint8Array;
  readonly smallSize: number;
  readonly bigOffset: number;
  readonly bigLength: number;
  /** Small buffers not free. */
  held = 0;
  private readonly state: Uint8Array;
  private readonly free: number[] = [];
  /** Parts of big memory in flight: pairs of offset and end. */
  private readonly ranges: number[] = [];

  /** Offset 0 means "none", so the first `smallSize` bytes stay unused. */
  constructor(smallSize: number, smallCount: number, bigLength: number) {
    this.smallSize = smallSize;
    this.bigOffset = smallSize * (smallCount + 1);
    this.bigLength = bigLength;
    this.bytes = new Uint8Array(this.bigOffset + bigLength).fill(POISON);
    this.state = new Uint8Array(smallCount + 1);
    for (let i = smallCount; i >= 1; i--) this.free.push(i);
  }

  get freeCount(): number {
    return this.free.length;
  }

  /** Lends a small buffer for bytes that are there now; the last one released comes first. */
  take(): number {
    const index = this.free.pop();
    if (index === undefined) return 0;
    this.held++;
    this.state[index] = ENGINE;
    return index * this.smallSize;
  }

  release(offset: number): void {
    const index = Math.floor(offset / this.smallSize);
    if (offset <= 0 || offset >= this.bigOffset)
      violate('contract.release', `offset ${offset} is not in a small buffer`);
    if (this.state[index] === FREE) violate('contract.release', `small buffer ${index} is released twice`);
    if (this.state[index] === IN_FLIGHT)
      violate('contract.release', `small buffer ${index} is released while in flight`);
    this.state[index] = FREE;
    this.bytes.fill(POISON, index * this.smallSize, (index + 1) * this.smallSize);
    this.free.push(index);
    this.held--;
  }

  /** Marks memory that an operation names, until `land`. */
  fly(offset: number, length: number, what: string): void {
    if (length <= 0) violate('contract.memory', `${what} names ${length} bytes`);
    if (offset < this.smallSize || offset + length > this.bytes.length)
      violate('contract.memory', `${what} names memory outside the arena`);
    if (offset < this.bigOffset) {
      const index = Math.floor(offset / this.smallSize);
      if (offset + length > (index + 1) * this.smallSize)
        violate('contract.memory', `${what} crosses the end of small buffer ${index}`);
      if (this.state[index] === FREE)
        violate('contract.memory', `${what} names small buffer ${index}, which was released`);
      if (this.state[index] === IN_FLIGHT)
        violate('contract.memory', `${what} names small buffer ${index}, which is in flight`);
      this.state[index] = IN_FLIGHT;
      return;
    }
    const end = offset + length;
    for (let i = 0; i < this.ranges.length; i += 2) {
      if (offset < this.ranges[i + 1] && end > this.ranges[i])
        violate('contract.memory', `${what} overlaps memory in flight`);
    }
    this.ranges.push(offset, end);
  }

  /** The operation has ended: the memory is the engine's again. */
  land(offset: number): void {
    if (offset < this.bigOffset) {
      this.state[Math.floor(offset / this.smallSize)] = ENGINE;
      return;
    }
    for (let i = 0; i < this.ranges.length; i += 2) {
      if (this.ranges[i] !== offset) continue;
      const end = this.ranges.pop() as number;
      const start = this.ranges.pop() as number;
      if (i < this.ranges.length) {
        this.ranges[i] = start;
        this.ranges[i + 1] = end;
      }
      return;
    }
    violate('simulator', `memory at ${offset} lands without having flown`);
  }

  /** Overwrites memory that must not be read now. */
  poison(offset: number, length: number): void {
    this.bytes.fill(POISON, offset, offset + length);
  }

  /** Asserts that no part of the range is in flight (for trim). */
  checkIdle(offset: number, length: number): void {
    if (offset < this.bigOffset || offset + length > this.bytes.length)
      violate('contract.trim', 'memory outside the big buffers');
    for (let i = 0; i < this.ranges.length; i += 2) {
      if (offset < this.ranges[i + 1] && offset + length > this.ranges[i]) violate('contract.trim', 'memory in flight');
    }
  }

  /** Ranges of big memory in flight. */
  get flying(): number {
    return this.ranges.length / 2;
  }
}
