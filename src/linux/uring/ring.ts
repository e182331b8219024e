/** The two rings shared with the kernel: submissions go in, completions come out. Knows nothing of sockets. */
import { fail } from '../../base/assert.ts';
import { EAGAIN, EBUSY, EINTR, ENOMEM, ETIME, errnoName } from '../../base/errno.ts';
import type { Ffi } from '../../ffi/load.ts';
import type { NativeMemory } from '../../ffi/memory.ts';
import {
  CANCEL_ALL,
  CANCEL_ANY,
  CQE_WORDS,
  ENTER_EXT_ARG,
  ENTER_GETEVENTS,
  FEATURE_CQE_SKIP,
  FEATURE_EXT_ARG,
  FEATURE_NODROP,
  FEATURE_SINGLE_MMAP,
  MAP_RINGS,
  MAP_SQES,
  REGISTER_SYNC_CANCEL,
  SETUP_COOP_TASKRUN,
  SETUP_CQSIZE,
  SETUP_DEFER_TASKRUN,
  SETUP_SINGLE_ISSUER,
  SETUP_SUBMIT_ALL,
  SQE_WORDS,
  SQ_CQ_OVERFLOW,
  SYS_ENTER,
  SYS_REGISTER,
  SYS_SETUP,
} from './kernel.ts';

/** What the ring has done so far; read by tests and benchmarks. */
export interface RingCounters {
  /** Calls of io_uring_enter. */
  enters: number;
  submissions: number;
  completions: number;
  /** Rounds that found completions waiting outside the full completion ring. */
  overflows: number;
}

/** struct io_uring_params, in words. */
const PARAMS_SIZE = 120;
const PARAMS_SQ_ENTRIES = 0;
const PARAMS_CQ_ENTRIES = 1;
const PARAMS_FLAGS = 2;
const PARAMS_FEATURES = 5;
const PARAMS_SQ_HEAD = 10;
const PARAMS_SQ_TAIL = 11;
const PARAMS_SQ_MASK = 12;
const PARAMS_SQ_FLAGS = 14;
const PARAMS_SQ_ARRAY = 16;
const PARAMS_CQ_HEAD = 20;
const PARAMS_CQ_TAIL = 21;
const PARAMS_CQ_MASK = 22;
const PARAMS_CQ_CQES = 25;

const FEATURES_NEEDED = FEATURE_SINGLE_MMAP | FEATURE_NODROP | FEATURE_EXT_ARG | FEATURE_CQE_SKIP;

/** struct io_uring_getevents_arg at the start of the page of arguments, the timespec it points to behind it. */
const ARGUMENT_SIZE = 24;
const ARGUMENT_TS = 16;
const TIMESPEC = 64;

/** struct io_uring_sync_cancel_reg, in words: what is meant, and how long to wait. */
const CANCEL_AT = 128;
const CANCEL_SIZE = 64;
const CANCEL_FD = 2;
const CANCEL_FLAGS = 3;
const CANCEL_TIMEOUT = 4;
const CANCEL_ATTEMPTS_MAX = 100;

/** Attempts to make room in a full submission ring before we call it broken; the kernel empties it at the first. */
const FLUSH_ATTEMPTS_MAX = 1000;

/** Why no ring could be made: the kernel's answer as a negative errno, or 0 when it lacks features. */
export class RingError extends Error {
  override readonly name = 'RingError';
  readonly errno: number;

  constructor(errno: number) {
    super(errno === 0 ? 'io_uring lacks features that we need' : `io_uring_setup failed: ${errnoName(errno)}`);
    this.errno = errno;
  }
}

export class Ring {
  readonly counters: RingCounters = { enters: 0, submissions: 0, completions: 0, overflows: 0 };
  /** The mapping that holds both rings; completion entry i starts at word `cqes + (i & cqMask) * CQE_WORDS`. */
  readonly words: Int32Array;
  readonly cqes: number;
  readonly cqMask: number;
  /** Submission entries that fit in before a flush, and the mask of their index. */
  readonly sqEntries: number;
  readonly sqMask: number;

  private readonly ffi: Ffi;
  private readonly fd: number;
  private readonly rings: NativeMemory;
  private readonly entries: NativeMemory;
  private readonly arguments: NativeMemory;
  private readonly timespec: Uint32Array;
  private readonly sqes: Int32Array;
  private readonly sqHeadAt: number;
  private readonly sqTailAt: number;
  private readonly sqFlagsAt: number;
  private readonly cqHeadAt: number;
  private readonly cqTailAt: number;
  /** Our own copy of the submission tail: entries before it are written. */
  private tail: number;

  /**
   * @param sqEntries, cqEntries powers of two.
   * @owner the thread that creates it is the only one that may use it (SINGLE_ISSUER; others get EEXIST).
   * @errors RingError; throws when memory cannot be mapped. Nothing is left open.
   */
  constructor(ffi: Ffi, sqEntries: number, cqEntries: number) {
    this.ffi = ffi;
    this.arguments = ffi.reserve(4096);
    const words = new Uint32Array(this.arguments.buffer);
    // DEFER_TASKRUN: the kernel finishes operations when we enter, in batches, never by interrupting the turn.
    words[PARAMS_FLAGS] =
      SETUP_CQSIZE | SETUP_SUBMIT_ALL | SETUP_COOP_TASKRUN | SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN;
    words[PARAMS_CQ_ENTRIES] = cqEntries;
    const fd = ffi.libc.syscall(SYS_SETUP, sqEntries, this.arguments.base, 0, 0, 0, 0);
    const params = words.slice(0, PARAMS_SIZE / 4);
    if (fd < 0 || (params[PARAMS_FEATURES] & FEATURES_NEEDED) !== FEATURES_NEEDED) {
      if (fd >= 0) ffi.libc.close(fd);
      ffi.unmap(this.arguments);
      throw new RingError(fd < 0 ? fd : 0);
    }
    this.fd = fd;
    this.sqEntries = params[PARAMS_SQ_ENTRIES];
    const cqEnd = params[PARAMS_CQ_CQES] + params[PARAMS_CQ_ENTRIES] * CQE_WORDS * 4;
    const sqEnd = params[PARAMS_SQ_ARRAY] + this.sqEntries * 4;
    try {
      this.rings = ffi.mapShared(fd, MAP_RINGS, Math.max(cqEnd, sqEnd));
      this.entries = ffi.mapShared(fd, MAP_SQES, this.sqEntries * SQE_WORDS * 4);
    } catch (error) {
      ffi.libc.close(fd);
      throw error;
    }
    this.words = new Int32Array(this.rings.buffer, 0, Math.max(cqEnd, sqEnd) >> 2);
    this.sqes = new Int32Array(this.entries.buffer);
    this.sqHeadAt = params[PARAMS_SQ_HEAD] >> 2;
    this.sqTailAt = params[PARAMS_SQ_TAIL] >> 2;
    this.sqFlagsAt = params[PARAMS_SQ_FLAGS] >> 2;
    this.sqMask = this.words[params[PARAMS_SQ_MASK] >> 2];
    this.cqHeadAt = params[PARAMS_CQ_HEAD] >> 2;
    this.cqTailAt = params[PARAMS_CQ_TAIL] >> 2;
    this.cqMask = this.words[params[PARAMS_CQ_MASK] >> 2];
    this.cqes = params[PARAMS_CQ_CQES] >> 2;
    this.tail = this.words[this.sqTailAt];
    // Entry i is always submitted as entry i: the indirection is set up once.
    const array = params[PARAMS_SQ_ARRAY] >> 2;
    for (let i = 0; i < this.sqEntries; i++) this.words[array + i] = i;
    words.fill(0);
    this.timespec = new Uint32Array(this.arguments.buffer, TIMESPEC, 4);
    const address = this.arguments.base + TIMESPEC;
    words[ARGUMENT_TS >> 2] = address >>> 0;
    words[(ARGUMENT_TS >> 2) + 1] = Math.floor(address / 2 ** 32);
  }

  /** Index of the submission entry that the next `push` writes, once there is room for it. */
  nextIndex(): number {
    if (this.isFull()) this.flush();
    return this.tail & this.sqMask;
  }

  /**
   * Writes one submission entry; the kernel sees it at the next `enter`. A full ring is flushed first.
   *
   * The parameters are the entry's words: `head` = op | flags << 8 | ioprio << 16; `off` is word 2 (its upper half
   * is always 0 for us); `address` is written as two words; `group` is the buffer group.
   * @cost 14 stores; a system call when the ring is full.
   */
  push(
    head: number,
    fd: number,
    off: number,
    address: number,
    length: number,
    opFlags: number,
    userLow: number,
    userHigh: number,
    group: number,
  ): void {
    if (this.isFull()) this.flush();
    const sqes = this.sqes;
    const at = (this.tail & this.sqMask) * SQE_WORDS;
    sqes[at] = head;
    sqes[at + 1] = fd;
    sqes[at + 2] = off;
    sqes[at + 3] = 0;
    sqes[at + 4] = address;
    sqes[at + 5] = address / 4294967296;
    sqes[at + 6] = length;
    sqes[at + 7] = opFlags;
    sqes[at + 8] = userLow;
    sqes[at + 9] = userHigh;
    sqes[at + 10] = group;
    sqes[at + 11] = 0;
    sqes[at + 12] = 0;
    sqes[at + 13] = 0;
    this.tail = (this.tail + 1) | 0;
  }

  /** Writes an entry whose address field names another submission by its user_data (ASYNC_CANCEL). */
  pushTarget(head: number, targetLow: number, targetHigh: number, userLow: number, userHigh: number): void {
    const at = this.nextIndex() * SQE_WORDS;
    this.push(head, -1, 0, 0, 0, 0, userLow, userHigh, 0);
    this.sqes[at + 4] = targetLow;
    this.sqes[at + 5] = targetHigh;
  }

  /**
   * Submits everything and lets the kernel post completions; waits for one when `timeoutUs` > 0.
   *
   * Returns nothing on purpose: the call's result is advice (a signal can end a wait that has submitted), the
   * completion ring is the truth.
   * @errors asserts that the kernel's answer is one of a healthy ring.
   */
  enter(timeoutUs: number): void {
    const count = this.publish();
    this.counters.enters++;
    let result: number;
    if (timeoutUs > 0) {
      const seconds = Math.floor(timeoutUs / 1e6);
      this.timespec[0] = seconds;
      this.timespec[2] = (timeoutUs - seconds * 1e6) * 1000;
      const flags = ENTER_GETEVENTS | ENTER_EXT_ARG;
      result = this.ffi.libc.syscall(SYS_ENTER, this.fd, count, 1, flags, this.arguments.base, ARGUMENT_SIZE);
    } else {
      result = this.ffi.libc.syscall(SYS_ENTER, this.fd, count, 0, ENTER_GETEVENTS, 0, 0);
    }
    if (result < 0) checkEnter(result);
  }

  /** Submits everything without looking at completions. */
  flush(): void {
    for (let i = 0; i < FLUSH_ATTEMPTS_MAX; i++) {
      const count = this.publish();
      if (count === 0) return;
      this.counters.enters++;
      // From the second attempt on the kernel may need its completions flushed before it takes more.
      const result = this.ffi.libc.syscall(SYS_ENTER, this.fd, count, 0, i === 0 ? 0 : ENTER_GETEVENTS, 0, 0);
      if (result < 0) checkEnter(result);
    }
    fail('the kernel takes submissions');
  }

  /** First completion not yet consumed. */
  completionHead(): number {
    return this.words[this.cqHeadAt];
  }

  /** One past the last completion. */
  completionTail(): number {
    return Atomics.load(this.words, this.cqTailAt);
  }

  /** Consumes the completions before `head`. */
  consume(head: number): void {
    this.counters.completions += (head - this.words[this.cqHeadAt]) | 0;
    if (this.isOverflown()) this.counters.overflows++;
    Atomics.store(this.words, this.cqHeadAt, head);
  }

  /** Are there completions that a next round finds without waiting? */
  hasCompletions(): boolean {
    return this.completionHead() !== this.completionTail() || this.isOverflown();
  }

  /** io_uring_register(2): its result or -errno. */
  register(opcode: number, address: number, count: number): number {
    return this.ffi.libc.syscall(SYS_REGISTER, this.fd, opcode, address, count, 0, 0);
  }

  /**
   * Ends everything in flight, so that the kernel uses none of our memory and none of our descriptors any more: until
   * then a closed socket would stay, and an address could be given to somebody else.
   * @source io_uring_register(2), IORING_REGISTER_SYNC_CANCEL
   */
  private cancelAll(): void {
    const words = new Uint32Array(this.arguments.buffer, CANCEL_AT, CANCEL_SIZE / 4);
    words.fill(0);
    words[CANCEL_FD] = 0xffff_ffff;
    words[CANCEL_FLAGS] = CANCEL_ALL | CANCEL_ANY;
    // Without end: all ones are a timeout of -1.
    words.fill(0xffff_ffff, CANCEL_TIMEOUT, CANCEL_TIMEOUT + 4);
    for (let i = 0; i < CANCEL_ATTEMPTS_MAX; i++) {
      const result = this.register(REGISTER_SYNC_CANCEL, this.arguments.base + CANCEL_AT, 1);
      // What was cancelled ends when we enter, and may have begun something else. A ring that never worked cannot.
      this.ffi.libc.syscall(SYS_ENTER, this.fd, this.publish(), 0, ENTER_GETEVENTS, 0, 0);
      if (result <= 0) return;
    }
  }

  /** Ends the ring and all operations in flight. */
  destroy(): void {
    this.cancelAll();
    this.ffi.unmap(this.entries);
    this.ffi.unmap(this.rings);
    this.ffi.libc.close(this.fd);
    this.ffi.unmap(this.arguments);
  }

  /** Completions that found no room wait in the kernel (NODROP) and come with the next `enter`. */
  private isOverflown(): boolean {
    return (this.words[this.sqFlagsAt] & SQ_CQ_OVERFLOW) !== 0;
  }

  private isFull(): boolean {
    return ((this.tail - this.words[this.sqHeadAt]) | 0) >= this.sqEntries;
  }

  /** Shows the kernel our tail. @returns how many entries it has not yet taken. */
  private publish(): number {
    const count = (this.tail - this.words[this.sqHeadAt]) | 0;
    this.counters.submissions += (this.tail - this.words[this.sqTailAt]) | 0;
    // A plain store is enough: without SQPOLL the kernel reads it in this thread, inside the call that follows.
    this.words[this.sqTailAt] = this.tail;
    return count;
  }
}

/** A signal, the timeout and a passing shortage are no news; anything else means that the ring is unusable. */
function checkEnter(result: number): void {
  if (result === -EINTR || result === -ETIME || result === -EAGAIN || result === -EBUSY || result === -ENOMEM) return;
  fail(`io_uring_enter works: ${errnoName(result)}`);
}
