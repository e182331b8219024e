/**
 * Drives all clients and servers of a test from its own thread, over epoll. Nothing happens to a peer except inside
 * `until`, so a test decides exactly what has happened when.
 */
import { loadFfi } from '../../src/ffi/load.ts';
import { must } from './sockets.ts';

export const READABLE = 1;
export const WRITABLE = 4;
export const FAILED = 8;
export const HUNG_UP = 16;

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLL_CLOEXEC = 0o2000000;
/** struct epoll_event is packed on x86-64 only. */
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const EVENT_DATA = process.arch === 'x64' ? 4 : 8;
const EVENTS_MAX = 512;
const CONTROL_AT = EVENTS_MAX * EVENT_BYTES;
/** The test's thread sleeps in the kernel this long at most, then Node has its turn (timers, pipes of children). */
const WAIT_MS = 2;
const DEFAULT_LIMIT_MS = 5000;

export interface Watched {
  onEvents(events: number): void;
}

/** Called each round; for peers that read or write at a pace. */
export type Tick = (nowMs: number) => void;

export class Reactor {
  private readonly libc;
  private readonly epoll: number;
  private readonly base: number;
  private readonly view: DataView;
  private readonly watched = new Map<number, Watched>();
  private readonly ticks = new Set<Tick>();

  constructor() {
    const { ffi, reason } = loadFfi();
    if (!ffi) throw new Error(reason);
    this.libc = ffi.libc;
    const memory = ffi.reserve(CONTROL_AT + 16);
    this.base = memory.base;
    this.view = new DataView(memory.buffer);
    this.epoll = must(ffi.libc.epoll_create1(EPOLL_CLOEXEC), 'epoll_create1');
  }

  add(fd: number, events: number, watched: Watched): void {
    this.watched.set(fd, watched);
    this.control(EPOLL_CTL_ADD, fd, events);
  }

  change(fd: number, events: number): void {
    this.control(EPOLL_CTL_MOD, fd, events);
  }

  /** To be called before the descriptor is closed. */
  remove(fd: number): void {
    this.watched.delete(fd);
    this.control(EPOLL_CTL_DEL, fd, 0);
  }

  addTick(tick: Tick): void {
    this.ticks.add(tick);
  }

  removeTick(tick: Tick): void {
    this.ticks.delete(tick);
  }

  /**
   * Runs everything until `isDone`.
   *
   * @param what for the error when it takes too long: what was awaited; a function is asked for the state then.
   */
  async until(isDone: () => boolean, what: string | (() => string), limitMs = DEFAULT_LIMIT_MS): Promise<void> {
    const deadline = performance.now() + limitMs;
    let nextYieldMs = 0;
    while (!isDone()) {
      const now = performance.now();
      if (now > deadline) {
        throw new Error(`not within ${limitMs} ms: ${typeof what === 'string' ? what : what()}`);
      }
      const count = this.round(now);
      if (count > 0 && now < nextYieldMs) continue;
      await new Promise((resolve) => setImmediate(resolve));
      nextYieldMs = performance.now() + WAIT_MS * 5;
    }
  }

  /** Lets everything run for a while. */
  async pass(ms: number): Promise<void> {
    const end = performance.now() + ms;
    await this.until(() => performance.now() >= end, 'time passes', ms + 60_000);
  }

  private round(nowMs: number): number {
    for (const tick of this.ticks) tick(nowMs);
    const count = this.libc.epoll_wait(this.epoll, this.base, EVENTS_MAX, WAIT_MS);
    for (let i = 0; i < count; i++) {
      const events = this.view.getUint32(i * EVENT_BYTES, true);
      this.watched.get(this.view.getInt32(i * EVENT_BYTES + EVENT_DATA, true))?.onEvents(events);
    }
    return count;
  }

  private control(operation: number, fd: number, events: number): void {
    this.view.setUint32(CONTROL_AT, events, true);
    this.view.setInt32(CONTROL_AT + EVENT_DATA, fd, true);
    this.view.setInt32(CONTROL_AT + EVENT_DATA + 4, 0, true);
    must(this.libc.epoll_ctl(this.epoll, operation, fd, this.base + CONTROL_AT), 'epoll_ctl');
  }
}

let shared: Reactor | undefined;

/** The one reactor of this process. */
export function reactor(): Reactor {
  return (shared ??= new Reactor());
}
