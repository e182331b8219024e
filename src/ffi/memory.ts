/** Memory outside JavaScript's heap: it has an address that the kernel can be given, and it never moves. */
import { errnoName } from '../base/errno.ts';
import type { Libc } from './libc.ts';

/** A mapping of `length` bytes at address `base`, seen by JavaScript as `buffer`. */
export interface NativeMemory {
  readonly base: number;
  readonly buffer: ArrayBuffer;
  readonly length: number;
}

/** Makes an ArrayBuffer of memory that it does not own. */
export type View = (address: number, length: number) => ArrayBuffer;

/** Where a view of JavaScript's memory begins. */
export type AddressOf = (bytes: Uint8Array) => number;

export interface MemoryCalls {
  /**
   * Reserves zeroed private memory. Pages cost nothing until they are touched.
   *
   * @param length bytes, > 0; rounded up to whole pages by the kernel.
   * @errors throws when the kernel refuses: for start-up, not for the hot path.
   */
  reserve(length: number): NativeMemory;
  /**
   * Maps memory that the kernel shares with us through a descriptor (the rings of io_uring).
   *
   * @param offset which memory of the descriptor.
   * @errors throws when the kernel refuses.
   */
  mapShared(fd: number, offset: number, length: number): NativeMemory;
  /**
   * Unmaps. No view of the memory may be used afterwards, by us or by the kernel: the process would die (SIGSEGV).
   */
  unmap(memory: NativeMemory): void;
  /**
   * Gives the pages wholly inside [offset, offset + length) back to the system; they read as zero afterwards.
   *
   * @returns 0 or -errno.
   */
  discard(memory: NativeMemory, offset: number, length: number): number;
  /**
   * Asks the kernel to hold memory of JavaScript's in big pages (2 MB), as far as they lie wholly inside `bytes`: those
   * that are touched from now on, and in time the others. It is a wish.
   *
   * @param bytes of memory that never moves and is never given back, as that of the tables.
   * @returns 0 or -errno (EINVAL: a kernel without).
   */
  preferBigPages(bytes: Uint8Array): number;
}

const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_POPULATE = 0x8000;
const MADV_DONTNEED = 4;
const MADV_HUGEPAGE = 14;
const PAGE = 4096;
/** The largest of the small pages that any processor has. */
const PAGE_MAX = 65_536;

/** The calls above, on a C library. @source asm-generic/mman-common.h, asm-generic/mman.h, mmap(2), madvise(2) */
export function bindMemory(libc: Libc, view: View, addressOf: AddressOf): MemoryCalls {
  const map = (length: number, flags: number, fd: number, offset: number): NativeMemory => {
    const base = libc.mmap(0, length, PROT_READ_WRITE, flags, fd, offset);
    if (base < 0) throw new Error(`cannot map ${length} bytes of memory: ${errnoName(base)}`);
    return { base, buffer: view(base, length), length };
  };
  return {
    reserve: (length) => map(length, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
    mapShared: (fd, offset, length) => map(length, MAP_SHARED | MAP_POPULATE, fd, offset),
    unmap: (memory) => {
      libc.munmap(memory.base, memory.length);
    },
    discard: (memory, offset, length) => {
      // Rounded inwards: a page that is only partly named may hold somebody else's bytes.
      const first = Math.ceil(offset / PAGE) * PAGE;
      const end = Math.floor((offset + length) / PAGE) * PAGE;
      return end > first ? libc.madvise(memory.base + first, end - first, MADV_DONTNEED) : 0;
    },
    preferBigPages: (bytes) => {
      const base = addressOf(bytes);
      const first = Math.ceil(base / PAGE_MAX) * PAGE_MAX;
      const end = Math.floor((base + bytes.length) / PAGE_MAX) * PAGE_MAX;
      return end > first ? libc.madvise(first, end - first, MADV_HUGEPAGE) : 0;
    },
  };
}
