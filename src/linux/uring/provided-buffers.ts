/**
 * Small receive buffers, and the window of them that the kernel may fill.
 *
 * The kernel takes published buffers in turn, so publishing all of them would touch all of their memory and leave
 * no cache line warm. Only a window is published; a buffer that comes back is the next to be published (LIFO).
 */
import { assert } from '../../base/assert.ts';
import { errnoName } from '../../base/errno.ts';
import type { Ffi } from '../../ffi/load.ts';
import type { NativeMemory } from '../../ffi/memory.ts';
import { REGISTER_PBUF_RING } from './kernel.ts';
import type { Ring } from './ring.ts';

/** The only buffer group of a ring. */
export const BUFFER_GROUP = 1;
/** Most buffers a window can have: ids are 16 bits and the kernel's limit is 2^15. */
export const WINDOW_MAX = 2 ** 15;

/** struct io_uring_buf: address u64, length u32, id u16, and in entry 0 the ring's tail u16. */
const ENTRY_SIZE = 16;
const TAIL_AT = 7;

export class ProvidedBuffers {
  private readonly ffi: Ffi;
  private readonly entries: NativeMemory;
  private readonly words: Uint32Array;
  private readonly halves: Uint16Array;
  private readonly mask: number;
  private readonly base: number;
  private readonly first: number;
  private readonly size: number;
  private readonly count: number;
  /** Where the buffer that is published under an id begins; arena offset. */
  private readonly idOffset: Uint32Array;
  /** Ids that are not published, LIFO. */
  private readonly idFree: Uint16Array;
  private idFreeCount: number;
  /** Indices of buffers that came back, LIFO. Those from `usedMax` on have never been used: their pages are untouched. */
  private readonly free: Uint32Array;
  private freeCount = 0;
  private usedMax = 0;
  private tail = 0;

  /**
   * @param base address of the arena; buffer i is at arena offset `first + i * size`.
   * @param window buffers published at once, 1..WINDOW_MAX.
   * @errors throws when the kernel refuses the registration.
   */
  constructor(ffi: Ffi, ring: Ring, base: number, first: number, size: number, count: number, window: number) {
    assert(window >= 1 && window <= WINDOW_MAX, 'the window of small buffers is 1..32768');
    this.ffi = ffi;
    this.base = base;
    this.first = first;
    this.size = size;
    this.count = count;
    const entries = 2 ** Math.ceil(Math.log2(window));
    this.mask = entries - 1;
    this.entries = ffi.reserve(Math.max(entries * ENTRY_SIZE, 4096));
    this.words = new Uint32Array(this.entries.buffer);
    this.halves = new Uint16Array(this.entries.buffer);
    const result = registerBufferRing(ffi, ring, this.entries, entries);
    if (result < 0) {
      ffi.unmap(this.entries);
      throw new Error(`cannot register receive buffers: ${errnoName(result)}`);
    }
    this.idOffset = new Uint32Array(window);
    this.idFree = new Uint16Array(window);
    for (let i = 0; i < window; i++) this.idFree[i] = window - 1 - i;
    this.idFreeCount = window;
    this.free = new Uint32Array(count);
  }

  /** The kernel has filled the buffer published under `id`. @returns its arena offset; the caller now has it. */
  take(id: number): number {
    this.idFree[this.idFreeCount++] = id;
    return this.idOffset[id];
  }

  /**
   * Gives a buffer back.
   * @errors asserts that it is the beginning of one and that no more come back than were taken.
   */
  release(offset: number): void {
    const index = (offset - this.first) / this.size;
    assert(index >= 0 && index < this.usedMax && Number.isInteger(index), 'a released offset is a small buffer');
    assert(this.freeCount < this.usedMax, 'a small buffer is released once');
    this.free[this.freeCount++] = index;
  }

  /** Fills the window up. @returns how many buffers the kernel can use now, as far as we have seen completions. */
  topUp(): number {
    const before = this.tail;
    while (this.idFreeCount > 0) {
      let index: number;
      if (this.freeCount > 0) index = this.free[--this.freeCount];
      else if (this.usedMax < this.count) index = this.usedMax++;
      else break;
      const id = this.idFree[--this.idFreeCount];
      const offset = this.first + index * this.size;
      const address = this.base + offset;
      const at = this.tail & this.mask;
      this.idOffset[id] = offset;
      this.words[at * 4] = address;
      this.words[at * 4 + 1] = address / 4294967296;
      this.words[at * 4 + 2] = this.size;
      this.halves[at * 8 + 6] = id;
      this.tail = (this.tail + 1) & 0xffff;
    }
    // The kernel may read the tail at any time: entries first, then the tail.
    if (this.tail !== before) Atomics.store(this.halves, TAIL_AT, this.tail);
    return this.idFree.length - this.idFreeCount;
  }

  /** Buffers that are neither free nor published. */
  held(): number {
    return this.usedMax - this.freeCount - (this.idFree.length - this.idFreeCount);
  }

  /** Call after the ring is gone: until then the kernel reads the entries. */
  destroy(): void {
    this.ffi.unmap(this.entries);
  }
}

/**
 * Registers `memory` as a ring of provided buffers: struct io_uring_buf_reg (address u64, entries u32, group u16).
 * @returns 0 or -errno.
 */
export function registerBufferRing(ffi: Ffi, ring: Ring, memory: NativeMemory, entries: number): number {
  const request = ffi.reserve(4096);
  const words = new Uint32Array(request.buffer);
  words[0] = memory.base;
  words[1] = memory.base / 4294967296;
  words[2] = entries;
  words[3] = BUFFER_GROUP;
  const result = ring.register(REGISTER_PBUF_RING, request.base, 1);
  ffi.unmap(request);
  return result;
}
