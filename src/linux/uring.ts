/** The loop over io_uring: the kernel completes operations, we hand them on in batches. */
import { assert } from '../base/assert.ts';
import type { ArenaOffset, Fd, ListenerSlot, SideSlot, Us } from '../base/brand.ts';
import { ECANCELED } from '../base/errno.ts';
import type { Ffi } from '../ffi/load.ts';
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
import type { Sockets } from './sockets.ts';
import type { Batch, LocalCompletions } from './uring/batch.ts';
import { Connector } from './uring/connector.ts';
import { POLLIN } from './uring/kernel.ts';
import {
  CANCEL_ASKED,
  QUEUED,
  SIDE_FD,
  SIDE_FLAGS,
  SIDE_RECV_LENGTH,
  SIDE_RECV_OFFSET,
  SIDE_SEND_DONE,
  SIDE_SEND_LENGTH,
  SIDE_SEND_OFFSET,
  SIDE_WORDS,
  STARVED,
  type Listeners,
  type Sides,
  type StarvedList,
} from './uring/operations.ts';
import { SMALL_FIRST, SMALL_SIZE } from '../base/small-buffers.ts';
import { buildParts, destroyParts, type Parts } from './uring/parts.ts';
import type { UringCounters, UringOptions } from './uring/parts.ts';
import { Plumber } from './uring/plumber.ts';
import type { ProvidedBuffers } from './uring/provided-buffers.ts';
import { Reaper } from './uring/reaper.ts';
import type { Ring } from './uring/ring.ts';
import { StandingReceives } from './uring/standing.ts';
import { StreamErrors } from './uring/stream-errors.ts';
import type { Submitter } from './uring/submitter.ts';

export type { UringCounters, UringOptions } from './uring/parts.ts';

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

  private readonly parts: Parts;
  private readonly sockets: Sockets;
  private readonly ring: Ring;
  private readonly submitter: Submitter;
  private readonly buffers: ProvidedBuffers;
  private readonly batch: Batch;
  private readonly local: LocalCompletions;
  private readonly sides: Sides;
  private readonly words: Int32Array;
  private readonly listeners: Listeners;
  private readonly starved: StarvedList;
  private readonly connector: Connector;
  private readonly plumber: Plumber;
  private readonly reaper: Reaper;
  private readonly standing: StandingReceives;
  /** Starved receives are left although there are buffers: come back without sleeping. */
  private isHungry = false;

  constructor(ffi: Ffi, options: LoopOptions, tuning: UringOptions) {
    const parts = buildParts(ffi, options, tuning);
    this.parts = parts;
    this.arena = parts.arena;
    this.bigOffset = parts.bigOffset as ArenaOffset;
    this.bigLength = options.bigLength;
    this.peers = parts.peers;
    this.counters = parts.counters;
    this.sockets = parts.sockets;
    this.ring = parts.ring;
    this.submitter = parts.submitter;
    this.buffers = parts.buffers;
    this.batch = parts.batch;
    this.local = parts.local;
    this.sides = parts.sides;
    this.words = parts.sides.words;
    this.listeners = parts.listeners;
    this.starved = parts.starved;
    this.connector = new Connector(parts);
    this.plumber = new Plumber(parts);
    const streamErrors = new StreamErrors(parts);
    this.standing = new StandingReceives(parts, streamErrors);
    this.reaper = new Reaper(parts, this.plumber, this.standing, streamErrors);
  }

  // Submissions.

  accept(listener: ListenerSlot, seq: number, fd: Fd, max: number): void {
    this.listeners.begin(listener, seq, fd, max);
    this.submitter.poll(OP_ACCEPT, listener, seq, fd, POLLIN);
  }

  connect(side: SideSlot, seq: number, fd: Fd, endpoints: Uint8Array, offset: number): void {
    this.connector.connect(side, seq, fd, endpoints, offset);
  }

  recv(side: SideSlot, seq: number, fd: Fd): void {
    const at = this.sides.begin(OP_RECV, side, seq, fd);
    this.words[at + SIDE_RECV_OFFSET] = 0;
    if (!this.standing.isClear(fd)) this.standing.ask(side, at);
    else if (this.standing.isConversation(fd)) this.standing.arm(side, fd);
    else this.submitter.recvSmall(side, seq, fd, this.standing.isDrained(fd));
  }

  recvInto(side: SideSlot, seq: number, fd: Fd, offset: ArenaOffset, length: number): void {
    this.assertMemory(offset, length);
    const at = this.sides.begin(OP_RECV, side, seq, fd);
    this.words[at + SIDE_RECV_OFFSET] = offset;
    this.words[at + SIDE_RECV_LENGTH] = length;
    if (!this.standing.isClear(fd)) this.standing.ask(side, at);
    else this.submitter.recvInto(side, seq, fd, this.standing.isDrained(fd), offset, length);
  }

  recvPipe(side: SideSlot, seq: number, fd: Fd, pipe: number): void {
    const at = this.plumber.beginRecv(side, seq, fd, pipe);
    if (!this.standing.isClear(fd)) this.standing.ask(side, at);
    else this.submitter.poll(OP_RECV, side, seq, fd, POLLIN);
  }

  sendPipe(side: SideSlot, seq: number, fd: Fd, pipe: number, length: number): void {
    this.plumber.send(side, seq, fd, pipe, length);
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
    this.sides.begin(OP_WATCH, side, seq, fd);
    this.submitter.watch(side, seq, fd);
  }

  cancel(op: number, slot: number, seq: number): void {
    if (op === OP_ACCEPT) {
      if (this.listeners.cancel(slot, seq)) this.submitter.cancel(op, slot, seq);
      return;
    }
    const at = this.sides.find(op, slot, seq);
    if (at < 0) return;
    if (op === OP_RECV && this.standing.cancel(slot, at)) return;
    const flags = this.words[at + SIDE_FLAGS];
    if (op === OP_RECV && (flags & STARVED) !== 0) {
      this.starved.remove(slot);
      this.finishLocally(op, slot, seq, at, -ECANCELED);
    } else if (op === OP_CONNECT && (flags & QUEUED) !== 0) {
      this.connector.remove(slot);
      this.finishLocally(op, slot, seq, at, -ECANCELED);
    } else if ((flags & (CANCEL_ASKED << op)) === 0) {
      this.words[at + SIDE_FLAGS] = flags | (CANCEL_ASKED << op);
      this.submitter.cancel(op, slot, seq);
    }
  }

  close(fd: Fd, how: number): void {
    // The kernel resets a stream of which something was never read, and does not know of what lies here.
    const isUnread = this.standing.forget(fd);
    if (how === CLOSE_ABORT || isUnread) this.sockets.setAbortOnClose(fd);
    this.parts.errors.forget(fd);
    this.submitter.close(fd);
  }

  // Calls that answer at once.

  release(buffer: ArenaOffset): void {
    this.buffers.release(buffer);
  }

  takePipe(): number {
    return this.parts.pipes.take();
  }

  givePipe(pipe: number): void {
    this.parts.pipes.give(pipe);
  }

  trimPipes(): void {
    this.parts.pipes.trim();
  }

  pipeDescriptors(): number {
    return this.parts.pipes.descriptors();
  }

  openStream(kind: number, options: StreamOptions): number {
    const fd = this.sockets.openStream(kind, options);
    if (fd >= 0) this.standing.begin(fd, kind);
    return fd;
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
    this.parts.ffi.discard(this.parts.memory, offset, length);
  }

  buffersHeld(): number {
    return this.buffers.held();
  }

  // The loop.

  run(turn: Turn, over: () => void): void {
    const { batch, ring } = this;
    batch.count = 0;
    for (;;) {
      const now = nowUs();
      const deadline = turn(now, batch);
      if (deadline === STOP) break;
      this.reaper.armWake();
      this.standing.settle(now);
      this.feed();
      ring.enter(this.waitUs(deadline));
      this.connector.retryDue();
      this.reaper.reap();
    }
    // What was submitted in the last turn (closes, above all) is on its way when we leave.
    ring.flush();
    over();
  }

  destroy(): void {
    this.ring.flush();
    destroyParts(this.parts);
  }

  private waitUs(deadline: Us): number {
    if (this.isHungry || !this.local.isEmpty() || this.ring.hasCompletions()) return 0;
    const now = nowUs();
    const wait = Math.min(deadline, this.connector.dueAt(), this.parts.hiddenEnds.dueAt()) - now;
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
    this.local.add(op, slot, seq, result, 0);
  }

  private assertMemory(offset: number, length: number): void {
    const end = this.bigOffset + this.bigLength;
    assert(offset >= SMALL_FIRST && length > 0 && offset + length <= end, 'memory of a submission is in the arena');
  }
}
