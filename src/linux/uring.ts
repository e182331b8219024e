/** The loop over io_uring: the kernel completes operations, we hand them on in batches. */
import { assert } from '../base/assert.ts';
import type { ArenaOffset, Fd, ListenerSlot, SideSlot, Us } from '../base/brand.ts';
import { ENDPOINT_KIND, KIND_UNIX, PEER_SIZE } from '../base/endpoint.ts';
import { EAFNOSUPPORT, ECANCELED } from '../base/errno.ts';
import type { Ffi } from '../ffi/load.ts';
import type { NativeMemory } from '../ffi/memory.ts';
import {
  CLOSE_ABORT,
  OP_ACCEPT,
  OP_CONNECT,
  OP_RECV,
  OP_SEND,
  OP_WATCH,
  STOP,
  WAIT_MAX_US,
  type Loop,
  type LoopOptions,
  type StreamOptions,
  type Turn,
} from '../loop/loop.ts';
import { nowUs } from './clock.ts';
import { encodeSockaddr, SOCKADDR_SIZE } from './sockaddr.ts';
import { bindSockets, type Sockets } from './sockets.ts';
import { Batch, LocalCompletions } from './uring/batch.ts';
import { POLLIN } from './uring/kernel.ts';
import {
  CANCEL_ASKED,
  DRAINED,
  Listeners,
  PARKED,
  SIDE_ERROR,
  SIDE_FD,
  SIDE_FLAGS,
  SIDE_RECV_LENGTH,
  SIDE_RECV_OFFSET,
  SIDE_SEND_DONE,
  SIDE_SEND_LENGTH,
  SIDE_SEND_OFFSET,
  SIDE_WORDS,
  Sides,
  STARVED,
  StarvedList,
} from './uring/operations.ts';
import { ProvidedBuffers } from './uring/provided-buffers.ts';
import { Reaper } from './uring/reaper.ts';
import { Ring, type RingCounters } from './uring/ring.ts';
import { Submitter } from './uring/submitter.ts';

export interface UringCounters extends RingCounters {
  /** Receives that found no small buffer and had to wait. */
  starved: number;
}

/** What measurements may vary; the defaults are theirs. */
export interface UringOptions {
  /** Small buffers that the kernel may fill at any time. Default 256. */
  readonly window?: number;
  /** Entries of the submission ring, a power of two. Default 2048. */
  readonly submissions?: number;
  /** Entries of the completion ring, a power of two, at least `submissions`. Default 16384. */
  readonly completions?: number;
  /** Completions in one batch, at least 2. Default 4096. */
  readonly batch?: number;
}

/** Small enough that an idle side costs little, large enough for a request or a TLS record. */
const SMALL_SIZE = 16 * 1024;
/** The first page holds no buffer, so that offset 0 can mean "none". */
const SMALL_OFFSET = 4096;
/** In the first page: where the wake-up's count is read to. */
const WAKE_OFFSET = 8;
/** Offsets into the arena are u32. */
const ARENA_MAX = 2 ** 32;

/**
 * Opens the loop. Check with `probeUring` first whether the kernel lets us.
 *
 * @owner the calling thread: only it may use the loop.
 * @cost reserves address space; touches a few pages.
 * @errors throws when the ring or memory cannot be had; asserts that the options fit into an arena of 4 GiB.
 */
export function openUring(ffi: Ffi, options: LoopOptions, tuning: UringOptions = {}): UringLoop {
  return new UringLoop(ffi, options, tuning);
}

export class UringLoop implements Loop {
  readonly kind = 'uring';
  readonly arena: Uint8Array;
  readonly smallSize = SMALL_SIZE;
  readonly bigOffset: ArenaOffset;
  readonly bigLength: number;
  readonly peers: Uint8Array;
  readonly counters: UringCounters;

  private readonly ffi: Ffi;
  private readonly sockets: Sockets;
  private readonly memory: NativeMemory;
  private readonly ring: Ring;
  private readonly submitter: Submitter;
  private readonly buffers: ProvidedBuffers;
  private readonly batch: Batch;
  private readonly local: LocalCompletions;
  private readonly sides: Sides;
  private readonly words: Int32Array;
  private readonly listeners: Listeners;
  private readonly starved: StarvedList;
  private readonly reaper: Reaper;
  /** Arena offset of one sockaddr per submission entry: CONNECT reads it when it is submitted. */
  private readonly sockaddrOffset: number;
  /** Starved receives are left although there are buffers: come back without sleeping. */
  private isHungry = false;

  constructor(ffi: Ffi, options: LoopOptions, tuning: UringOptions) {
    const { window = 256, submissions = 2048, completions = 16384, batch: capacity = 4096 } = tuning;
    const { smallCount, bigLength, wakeFd } = options;
    assert(capacity >= 2 && smallCount >= 1, 'a batch has room for a connection, and there is a small buffer');
    const bigOffset = SMALL_OFFSET + smallCount * SMALL_SIZE;
    const sockaddrOffset = bigOffset + Math.ceil(bigLength / 4096) * 4096;
    const size = sockaddrOffset + submissions * SOCKADDR_SIZE;
    assert(size < ARENA_MAX, 'small and big buffers fit into an arena of 4 GiB');

    const { libc } = ffi;
    const ring = new Ring(ffi, submissions, completions);
    const memory = ffi.reserve(size);
    const published = Math.min(window, smallCount);
    const buffers = new ProvidedBuffers(ffi, ring, memory.base, SMALL_OFFSET, SMALL_SIZE, smallCount, published);
    const sockets = bindSockets(ffi);
    const submitter = new Submitter(ring, memory.base);
    const batch = new Batch(capacity);
    const local = new LocalCompletions();
    const peers = new Uint8Array(capacity * PEER_SIZE);
    const sides = new Sides(options.sidesMax);
    const listeners = new Listeners(options.listenersMax);
    const starved = new StarvedList(sides);
    const counters = Object.assign(ring.counters, { starved: 0 });
    const wakeAddress = memory.base + WAKE_OFFSET;
    const shared = {
      libc,
      sockets,
      ring,
      submitter,
      buffers,
      batch,
      local,
      peers,
      sides,
      listeners,
      starved,
      counters,
    };
    this.reaper = new Reaper({ ...shared, wakeFd, wakeAddress });

    this.arena = new Uint8Array(memory.buffer);
    this.bigOffset = bigOffset as ArenaOffset;
    this.bigLength = bigLength;
    this.peers = peers;
    this.counters = counters;
    this.ffi = ffi;
    this.memory = memory;
    this.sockets = sockets;
    this.ring = ring;
    this.submitter = submitter;
    this.buffers = buffers;
    this.batch = batch;
    this.local = local;
    this.sides = sides;
    this.words = sides.words;
    this.listeners = listeners;
    this.starved = starved;
    this.sockaddrOffset = sockaddrOffset;
  }

  // Submissions.

  accept(listener: ListenerSlot, seq: number, fd: Fd, max: number): void {
    this.listeners.begin(listener, seq, fd, max);
    this.submitter.poll(OP_ACCEPT, listener, seq, fd, POLLIN);
  }

  connect(side: SideSlot, seq: number, fd: Fd, endpoints: Uint8Array, offset: number): void {
    const at = this.sides.begin(OP_CONNECT, side, seq, fd);
    const address = this.sockaddrOffset + this.ring.nextIndex() * SOCKADDR_SIZE;
    const length = encodeSockaddr(endpoints, offset, this.arena, address);
    if (length > 0 && endpoints[offset + ENDPOINT_KIND] !== KIND_UNIX) {
      this.submitter.connect(side, seq, fd, address, length);
      return;
    }
    // A unix socket connects at once or not at all (its backlog is full); the ring would wait for room in a thread.
    const result = length > 0 ? this.ffi.libc.connect(fd, this.memory.base + address, length) : -EAFNOSUPPORT;
    this.sides.end(OP_CONNECT, at);
    this.local.add(OP_CONNECT, side, seq, result);
  }

  recv(side: SideSlot, seq: number, fd: Fd): void {
    const at = this.sides.begin(OP_RECV, side, seq, fd);
    this.words[at + SIDE_RECV_OFFSET] = 0;
    this.submitter.recvSmall(side, seq, fd, (this.words[at + SIDE_FLAGS] & DRAINED) !== 0);
  }

  recvInto(side: SideSlot, seq: number, fd: Fd, offset: ArenaOffset, length: number): void {
    this.assertMemory(offset, length);
    const at = this.sides.begin(OP_RECV, side, seq, fd);
    this.words[at + SIDE_RECV_OFFSET] = offset;
    this.words[at + SIDE_RECV_LENGTH] = length;
    this.submitter.recvInto(side, seq, fd, (this.words[at + SIDE_FLAGS] & DRAINED) !== 0, offset, length);
  }

  send(side: SideSlot, seq: number, fd: Fd, offset: ArenaOffset, length: number): void {
    this.assertMemory(offset, length);
    const at = this.sides.begin(OP_SEND, side, seq, fd);
    this.words[at + SIDE_SEND_OFFSET] = offset;
    this.words[at + SIDE_SEND_LENGTH] = length;
    this.words[at + SIDE_SEND_DONE] = 0;
    this.submitter.send(side, seq, fd, offset, length);
  }

  watch(side: SideSlot, seq: number, fd: Fd): void {
    const at = this.sides.begin(OP_WATCH, side, seq, fd);
    this.words[at + SIDE_ERROR] = 0;
    this.submitter.poll(OP_WATCH, side, seq, fd, 0);
  }

  cancel(op: number, slot: number, seq: number): void {
    if (op === OP_ACCEPT) {
      if (this.listeners.cancel(slot, seq)) this.submitter.cancel(op, slot, seq);
      return;
    }
    const at = this.sides.find(op, slot, seq);
    if (at < 0) return;
    const flags = this.words[at + SIDE_FLAGS];
    if (op === OP_RECV && (flags & STARVED) !== 0) {
      this.starved.remove(slot);
      this.finishLocally(op, slot, seq, at, -ECANCELED);
    } else if (op === OP_WATCH && (flags & PARKED) !== 0) {
      this.words[at + SIDE_FLAGS] = flags & ~PARKED;
      this.finishLocally(op, slot, seq, at, -ECANCELED);
    } else if ((flags & (CANCEL_ASKED << op)) === 0) {
      this.words[at + SIDE_FLAGS] = flags | (CANCEL_ASKED << op);
      this.submitter.cancel(op, slot, seq);
    }
  }

  close(fd: Fd, how: number): void {
    if (how === CLOSE_ABORT) this.sockets.setAbortOnClose(fd);
    this.submitter.close(fd);
  }

  // Calls that answer at once.

  release(buffer: ArenaOffset): void {
    this.buffers.release(buffer);
  }

  openStream(kind: number, options: StreamOptions): number {
    return this.sockets.openStream(kind, options);
  }

  shutdown(fd: Fd): number {
    return this.sockets.shutdownWrite(fd);
  }

  progress(fd: Fd): number {
    return this.sockets.progress(fd);
  }

  unsent(fd: Fd): number {
    return this.sockets.unsent(fd);
  }

  trim(offset: ArenaOffset, length: number): void {
    this.assertMemory(offset, length);
    this.ffi.discard(this.memory, offset, length);
  }

  buffersHeld(): number {
    return this.buffers.held();
  }

  // The loop.

  run(turn: Turn): void {
    const { batch, ring } = this;
    batch.count = 0;
    for (;;) {
      const deadline = turn(nowUs(), batch);
      if (deadline === STOP) break;
      this.reaper.armWake();
      this.feed();
      ring.enter(this.waitUs(deadline));
      this.reaper.reap();
    }
    // What was submitted in the last turn (closes, above all) is on its way when we leave.
    ring.flush();
  }

  destroy(): void {
    this.ring.flush();
    this.ring.destroy();
    this.buffers.destroy();
    this.sockets.destroy();
    this.ffi.unmap(this.memory);
  }

  private waitUs(deadline: Us): number {
    if (this.isHungry || !this.local.isEmpty() || this.ring.hasCompletions()) return 0;
    const wait = deadline - nowUs();
    if (wait <= 0) return 0;
    return wait < WAIT_MAX_US ? Math.ceil(wait) : WAIT_MAX_US;
  }

  /** Publishes buffers, and lets receives that waited for one try again: no more of them than there are buffers. */
  private feed(): void {
    const available = this.buffers.topUp();
    this.isHungry = false;
    if (this.starved.isEmpty()) return;
    for (let i = 0; i < available && !this.starved.isEmpty(); i++) {
      const slot = this.starved.shift();
      const at = slot * SIDE_WORDS;
      // Readiness first: one that has nothing to read must not take a buffer from one that has.
      this.submitter.recvSmall(slot, this.sides.seqOf(OP_RECV, at), this.words[at + SIDE_FD], true);
    }
    this.isHungry = available > 0 && !this.starved.isEmpty();
  }

  private finishLocally(op: number, slot: number, seq: number, at: number, result: number): void {
    this.sides.end(op, at);
    this.local.add(op, slot, seq, result);
  }

  private assertMemory(offset: number, length: number): void {
    const end = this.bigOffset + this.bigLength;
    assert(offset >= SMALL_OFFSET && length > 0 && offset + length <= end, 'memory of a submission is in the arena');
  }
}
