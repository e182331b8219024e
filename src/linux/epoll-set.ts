/** The epoll descriptor, its events, and the little memory that its calls need. */
import type { Fd } from '../base/brand.ts';
import { errnoName } from '../base/errno.ts';
import type { Ffi } from '../ffi/load.ts';
import type { Libc } from '../ffi/libc.ts';
import type { NativeMemory } from '../ffi/memory.ts';
import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLET,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  EVENT_BYTES,
  EVENT_DATA,
  EVENT_WORDS,
} from './epoll-abi.ts';
import type { Registration } from './epoll-accept.ts';
import type { Sides } from './epoll-sides.ts';

/** Events fetched at a time: bounds the work between two turns. */
const EVENTS_MAX = 512;
const SIDE_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

/** In place of a generation, in the second word of an event's data. */
export const TAG_LISTENER = -1;
export const TAG_WAKE = -2;

/** Word of the memory where an event to register is written, and byte where the value of a wake-up is read to. */
const EVENT_AT = EVENTS_MAX * EVENT_WORDS;
const VALUE_AT = (EVENTS_MAX + 1) * EVENT_BYTES;

/**
 * Registers descriptors and waits for events. Event `i` is at word `i * EVENT_WORDS` of `events`: the event bits,
 * then, at EVENT_DATA, a descriptor and the generation of its registration, or a listener slot and a tag.
 *
 * @owner the loop's thread. @cost one system call each, no allocation.
 */
export class EpollSet implements Registration {
  readonly events: Int32Array;
  private readonly ffi: Ffi;
  private readonly libc: Libc;
  private readonly memory: NativeMemory;
  private readonly sides: Sides;
  private readonly epoll: Fd;

  /** @errors throws when the kernel gives no epoll descriptor; for start-up only. */
  constructor(ffi: Ffi, sides: Sides) {
    this.ffi = ffi;
    this.libc = ffi.libc;
    this.sides = sides;
    this.memory = ffi.reserve(VALUE_AT + 8);
    this.events = new Int32Array(this.memory.buffer, 0, EVENT_AT + EVENT_WORDS);
    const epoll = this.libc.epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) {
      ffi.unmap(this.memory);
      throw new Error(`cannot open an epoll descriptor: ${errnoName(epoll)}`);
    }
    this.epoll = epoll as Fd;
  }

  /** Waits for events. @returns how many there are; 0 when time is up or the wait was interrupted. */
  wait(timeoutMs: number): number {
    return Math.max(0, this.libc.epoll_wait(this.epoll, this.memory.base, EVENTS_MAX, timeoutMs));
  }

  /** Registers a side's descriptor once, for everything. @returns 0 or -errno. */
  addSide(side: number, fd: number): number {
    if (this.sides.fd[side] === fd) return 0;
    const result = this.control(EPOLL_CTL_ADD, fd, SIDE_EVENTS, fd, this.sides.bind(side, fd));
    if (result < 0) this.sides.unbind(fd);
    return result;
  }

  addWake(fd: number): number {
    return this.control(EPOLL_CTL_ADD, fd, EPOLLIN, fd, TAG_WAKE);
  }

  /** Makes the wake-up's descriptor silent until somebody calls again. */
  readWake(fd: number): void {
    this.libc.read(fd, this.memory.base + VALUE_AT, 8);
  }

  add(listener: number, fd: number): number {
    return this.control(EPOLL_CTL_ADD, fd, EPOLLIN, listener, TAG_LISTENER);
  }

  modify(listener: number, fd: number): number {
    return this.control(EPOLL_CTL_MOD, fd, EPOLLIN, listener, TAG_LISTENER);
  }

  remove(fd: number): void {
    // The number of a closed listener may be a side's by now, whose registration must stay.
    if (!this.sides.isBound(fd)) this.control(EPOLL_CTL_DEL, fd, 0, 0, 0);
  }

  destroy(): void {
    this.libc.close(this.epoll);
    this.ffi.unmap(this.memory);
  }

  private control(operation: number, fd: number, events: number, id: number, tag: number): number {
    this.events[EVENT_AT] = events;
    this.events[EVENT_AT + EVENT_DATA] = id;
    this.events[EVENT_AT + EVENT_DATA + 1] = tag;
    return this.libc.epoll_ctl(this.epoll, operation, fd, this.memory.base + EVENT_AT * 4);
  }
}
