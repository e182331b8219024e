/**
 * The loop over epoll: for kernels and containers where io_uring is not allowed.
 *
 * Completion is emulated over readiness. Descriptors are registered once, edge-triggered, for both directions, and
 * never modified; closing removes them. Sends are tried when they are submitted, receives when bytes are known or
 * suspected to be there, and what the kernel does not take at once waits for the event. Each result is queued for the
 * next turn, so the engine cannot tell this loop from a true completion queue.
 *
 * @source epoll(7). EPOLLERR is the abort; EPOLLHUP alone means that both directions have ended in order [measured].
 */
import { assert } from '../base/assert.ts';
import type { ArenaOffset, Fd, ListenerSlot, SideSlot, Us } from '../base/brand.ts';
import { ECANCELED } from '../base/errno.ts';
import { Outbox } from '../base/outbox.ts';
import { SMALL_FIRST, SMALL_SIZE, SmallBuffers } from '../base/small-buffers.ts';
import type { Ffi } from '../ffi/load.ts';
import type { NativeMemory } from '../ffi/memory.ts';
import {
  CLOSE_ABORT,
  type Loop,
  type LoopOptions,
  OP_ACCEPT,
  OP_CONNECT,
  OP_RECV,
  OP_SEND,
  OP_WAKE,
  OP_WATCH,
  STOP,
  type StreamOptions,
  type Turn,
  WAIT_MAX_US,
} from '../loop/loop.ts';
import { nowUs } from './clock.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, EVENT_DATA, EVENT_WORDS } from './epoll-abi.ts';
import { Listeners } from './epoll-accept.ts';
import { Connector } from './epoll-connect.ts';
import { EpollSet, TAG_LISTENER } from './epoll-set.ts';
import {
  HINT_ENDING,
  HINT_ERROR,
  HINT_READABLE,
  PARKED_CONNECT,
  PARKED_RECV,
  PARKED_RECV_PIPE,
  PARKED_SEND,
  PARKED_SEND_PIPE,
  PARKED_STARVED,
  PARKED_WATCH,
  Sides,
} from './epoll-sides.ts';
import { abortError, type TransferCounters, Transfers } from './epoll-transfer.ts';
import { Pipes } from './pipes.ts';
import { bindSockets, type Sockets } from './sockets.ts';

/** Turns in a row that deliver only what submissions completed at once, before the kernel is asked again. */
const TURNS_WITHOUT_POLL_MAX = 3;
const READ_EVENTS = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const ENDING_EVENTS = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const SEND_EVENTS = EPOLLOUT | EPOLLHUP | EPOLLERR;

/** What the loop has done since it was made; plain numbers, read by tests and benchmarks. */
export interface EpollCounters {
  turns: number;
  waits: number;
  events: number;
  /** Events of descriptors closed meanwhile. */
  stale: number;
  readonly transfer: TransferCounters;
}

/** @owner the thread that calls `run`. One per worker. See loop.ts for the contract. */
export class EpollLoop implements Loop {
  readonly kind = 'epoll';
  readonly smallSize = SMALL_SIZE;
  readonly arena: Uint8Array;
  readonly bigOffset: ArenaOffset;
  readonly bigLength: number;
  readonly peers: Uint8Array;
  readonly counters: EpollCounters;

  private readonly ffi: Ffi;
  private readonly sockets: Sockets;
  private readonly wakeFd: number;
  private readonly memory: NativeMemory;
  private readonly sides: Sides;
  private readonly set: EpollSet;
  private readonly listeners: Listeners;
  private readonly connector: Connector;
  private readonly buffers: SmallBuffers;
  private readonly pipes: Pipes;
  private readonly transfers: Transfers;
  private readonly outbox = new Outbox();
  private turnsWithoutPoll = 0;

  /** @errors throws when the kernel refuses memory or an epoll descriptor; for start-up only. */
  constructor(ffi: Ffi, options: LoopOptions) {
    const bigOffset = SMALL_FIRST + options.smallCount * SMALL_SIZE;
    assert(bigOffset + options.bigLength < 2 ** 32, 'arena offsets fit into 32 bits');
    this.ffi = ffi;
    this.sides = new Sides(options.sidesMax);
    this.set = new EpollSet(ffi, this.sides);
    this.sockets = bindSockets(ffi);
    this.memory = ffi.reserve(bigOffset + options.bigLength);
    this.arena = new Uint8Array(this.memory.buffer);
    this.bigOffset = bigOffset as ArenaOffset;
    this.bigLength = options.bigLength;
    this.buffers = new SmallBuffers(options.smallCount);
    this.listeners = new Listeners(options.listenersMax, this.sockets, this.set);
    this.peers = this.listeners.peers;
    this.connector = new Connector(ffi, this.sockets, this.sides, this.set, this.outbox);
    this.pipes = new Pipes(ffi);
    const { sides, set, buffers, pipes, outbox } = this;
    this.transfers = new Transfers({ libc: ffi.libc, base: this.memory.base, sides, set, buffers, pipes, outbox });
    this.counters = { turns: 0, waits: 0, events: 0, stale: 0, transfer: this.transfers.counters };
    this.wakeFd = options.wakeFd;
    if (this.wakeFd >= 0) assert(this.set.addWake(this.wakeFd) === 0, 'the wake-up is a descriptor one can wait for');
  }

  accept(listener: ListenerSlot, seq: number, fd: Fd, max: number): void {
    const result = this.listeners.submit(listener, seq, fd, max);
    if (result < 0) this.outbox.push(OP_ACCEPT, listener, seq, result, 0, 0);
  }

  openStream(kind: number, options: StreamOptions): number {
    return this.sockets.openStream(kind, options);
  }

  connect(side: SideSlot, seq: number, fd: Fd, endpoints: Uint8Array, offset: number): void {
    this.connector.submit(side, seq, fd, endpoints, offset, nowUs);
  }

  recv(side: SideSlot, seq: number, fd: Fd): void {
    this.transfers.submitRecv(side, seq, fd, 0, 0);
  }

  recvInto(side: SideSlot, seq: number, fd: Fd, offset: ArenaOffset, length: number): void {
    assert(length > 0, 'a receive names at least one byte');
    this.transfers.submitRecv(side, seq, fd, offset, length);
  }

  takePipe(): number {
    return this.pipes.take();
  }

  givePipe(pipe: number): void {
    this.pipes.give(pipe);
  }

  trimPipes(): void {
    this.pipes.trim();
  }

  pipeDescriptors(): number {
    return this.pipes.descriptors();
  }

  recvPipe(side: SideSlot, seq: number, fd: Fd, pipe: number): void {
    this.transfers.recvPipe(side, seq, fd, pipe);
  }

  sendPipe(side: SideSlot, seq: number, fd: Fd, pipe: number, length: number): void {
    this.transfers.sendPipe(side, seq, fd, pipe, length);
  }

  send(side: SideSlot, seq: number, fd: Fd, offset: ArenaOffset, length: number): void {
    this.transfers.submitSend(side, seq, fd, offset, length);
  }

  watch(side: SideSlot, seq: number, fd: Fd): void {
    const { sides } = this;
    assert((sides.parked[side] & PARKED_WATCH) === 0, 'one watch at a time per side');
    const added = this.set.addSide(side, fd);
    if (added < 0 || (sides.hints[side] & HINT_ERROR) !== 0) {
      this.outbox.push(OP_WATCH, side, seq, added < 0 ? added : abortError(sides, side), 0, 0);
      return;
    }
    sides.watchSeq[side] = seq;
    sides.parked[side] |= PARKED_WATCH;
  }

  cancel(op: number, slot: number, seq: number): void {
    if (this.unpark(op, slot, seq)) this.outbox.push(op, slot, seq, -ECANCELED, 0, 0);
  }

  release(buffer: ArenaOffset): void {
    this.buffers.give(buffer);
  }

  shutdown(fd: Fd): number {
    return this.sockets.shutdownWrite(fd);
  }

  close(fd: Fd, how: number): void {
    this.sides.unbind(fd);
    if (how === CLOSE_ABORT) this.sockets.setAbortOnClose(fd);
    this.sockets.closeFd(fd);
  }

  progress(fd: Fd): number {
    return this.sockets.progress(fd);
  }

  unsent(fd: Fd): number {
    return this.sockets.unsent(fd);
  }

  trim(offset: ArenaOffset, length: number): void {
    this.ffi.discard(this.memory, offset, length);
  }

  buffersHeld(): number {
    return this.buffers.held();
  }

  run(turn: Turn, over: () => void): void {
    let now = nowUs();
    // What an earlier run left behind belongs to the second turn; the first one's batch is empty.
    let due = turn(now, this.outbox.empty());
    while (due !== STOP) {
      this.gather(due, now);
      this.counters.turns++;
      now = nowUs();
      due = turn(now, this.outbox.swap());
    }
    over();
  }

  destroy(): void {
    this.set.destroy();
    this.connector.destroy();
    this.pipes.destroy();
    this.sockets.destroy();
    this.ffi.unmap(this.memory);
  }

  /** Waits until there is something to deliver or it is time: for the deadline, or for the sign of life. */
  private gather(due: Us, turnedAt: Us): void {
    const { outbox, connector } = this;
    this.listeners.dropIdle();
    if (this.sides.hasStarved()) this.transfers.feedStarved();
    if (outbox.count > 0 && this.turnsWithoutPoll < TURNS_WITHOUT_POLL_MAX) {
      this.turnsWithoutPoll++;
      return;
    }
    this.turnsWithoutPoll = 0;
    this.listeners.peersUsed = 0;
    const wakeAt = Math.min(due, turnedAt + WAIT_MAX_US);
    let now: number = turnedAt;
    do {
      const until = Math.min(wakeAt, connector.retryAt);
      // Rounded up, so that a deadline has passed when the wait ends instead of being awaited again and again.
      const timeoutMs = outbox.count > 0 || until <= now ? 0 : Math.ceil((until - now) / 1000);
      this.poll(timeoutMs);
      now = nowUs();
      if (now >= connector.retryAt) connector.retry(now);
    } while (outbox.count === 0 && now < wakeAt);
  }

  private poll(timeoutMs: number): void {
    const { set, sides, counters } = this;
    const { events } = set;
    const count = set.wait(timeoutMs);
    counters.waits++;
    counters.events += count;
    for (let i = 0, at = 0; i < count; i++, at += EVENT_WORDS) {
      const id = events[at + EVENT_DATA];
      const generation = events[at + EVENT_DATA + 1];
      if (generation > 0) {
        const side = sides.find(id, generation);
        if (side >= 0) this.onSide(side, id as Fd, events[at]);
        else counters.stale++;
      } else if (generation === TAG_LISTENER) {
        this.listeners.onReadable(id, this.outbox);
      } else {
        set.readWake(this.wakeFd);
        this.outbox.push(OP_WAKE, 0, 0, 0, 0, 0);
      }
    }
  }

  private onSide(side: number, fd: Fd, events: number): void {
    const { sides } = this;
    if ((events & READ_EVENTS) !== 0) {
      let hints = sides.hints[side] | HINT_READABLE;
      if ((events & ENDING_EVENTS) !== 0) hints |= HINT_ENDING;
      if ((events & EPOLLERR) !== 0) hints |= HINT_ERROR;
      sides.hints[side] = hints;
    }
    const parked = sides.parked[side];
    if (parked === 0) return;
    if ((parked & PARKED_CONNECT) !== 0 && (events & SEND_EVENTS) !== 0) this.connector.onEvent(side, fd, events);
    // Receive before send: if the peer aborted, the receive shall be told, and the error is given out once.
    if ((parked & (PARKED_RECV | PARKED_STARVED)) === PARKED_RECV && (events & READ_EVENTS) !== 0) {
      this.transfers.receive(side, fd);
    }
    if ((parked & PARKED_SEND) !== 0 && (events & SEND_EVENTS) !== 0) this.transfers.resumeSend(side, fd);
    if ((parked & PARKED_WATCH) !== 0 && (events & EPOLLERR) !== 0) {
      sides.parked[side] &= ~PARKED_WATCH;
      this.outbox.push(OP_WATCH, side, sides.watchSeq[side], abortError(sides, side), 0, 0);
    }
  }

  /** Takes a waiting operation out. @returns whether exactly this one was waiting. */
  private unpark(op: number, slot: number, seq: number): boolean {
    if (op === OP_ACCEPT) return this.listeners.cancel(slot, seq);
    if (op === OP_CONNECT) return this.connector.cancel(slot, seq);
    const { sides } = this;
    const bit = op === OP_RECV ? PARKED_RECV : op === OP_SEND ? PARKED_SEND : PARKED_WATCH;
    const awaited = op === OP_RECV ? sides.recvSeq : op === OP_SEND ? sides.sendSeq : sides.watchSeq;
    if ((sides.parked[slot] & bit) === 0 || awaited[slot] !== seq) return false;
    sides.parked[slot] &=
      op === OP_RECV ? ~(PARKED_RECV | PARKED_STARVED | PARKED_RECV_PIPE) : ~(bit | PARKED_SEND_PIPE);
    return true;
  }
}
