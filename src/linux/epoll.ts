/**
 * The loop over epoll: for kernels and containers where io_uring is not allowed.
 *
 * Completion is emulated over readiness. Descriptors are registered once, edge-triggered, for both directions, and
 * never modified; closing removes them. Sends are tried when they are submitted, receives when bytes are known or
 * suspected to be there, and what the kernel does not take at once waits for the event. Each result is queued for the
 * next turn, so the engine cannot tell this loop from a true completion queue.
 *
 * Pitfalls that shape the code:
 * - a socket tells its error once. When a send takes it, a later recv would see an orderly end: it is remembered;
 * - a short read means "drained" (epoll(7), question 9), but not after RDHUP or HUP, whose edge has passed;
 * - EPOLLERR is the abort; EPOLLHUP alone means that both directions have ended in order.
 */
import { assert } from '../base/assert.ts';
import type { ArenaOffset, Fd, ListenerSlot, SideSlot, Us } from '../base/brand.ts';
import { EAFNOSUPPORT, EAGAIN, ECANCELED, ECONNRESET, EINPROGRESS, EINTR, EPIPE } from '../base/errno.ts';
import type { Ffi } from '../ffi/load.ts';
import type { Libc } from '../ffi/libc.ts';
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
import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  EVENT_BYTES,
  EVENT_DATA,
  EVENT_WORDS,
} from './epoll-abi.ts';
import { Listeners } from './epoll-accept.ts';
import { Completions } from './epoll-batch.ts';
import { SMALL_FIRST, SMALL_SIZE, SmallBuffers } from './epoll-buffers.ts';
import { ConnectRetries } from './epoll-retry.ts';
import {
  HINT_ENDING,
  HINT_ERROR,
  HINT_READABLE,
  PARKED_CONNECT,
  PARKED_RECV,
  PARKED_SEND,
  PARKED_STARVED,
  PARKED_WATCH,
  Sides,
} from './epoll-sides.ts';
import { encodeSockaddr, SOCKADDR_SIZE } from './sockaddr.ts';
import { bindSockets, MSG_NOSIGNAL, type Sockets } from './sockets.ts';

/** Events fetched at a time: bounds the work between two turns. */
const EVENTS_MAX = 512;
/** Turns in a row that deliver only what submissions completed at once, before the kernel is asked again. */
const TURNS_WITHOUT_POLL_MAX = 3;
const SIDE_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
const READ_EVENTS = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const ENDING_EVENTS = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const SEND_EVENTS = EPOLLOUT | EPOLLHUP | EPOLLERR;

/** In place of a generation, in the second word of an event's data. */
const TAG_LISTENER = -1;
const TAG_WAKE = -2;

/** What the loop has done since it was made; plain numbers, read by tests and benchmarks. */
export interface EpollCounters {
  turns: number;
  waits: number;
  events: number;
  /** Events of descriptors closed meanwhile. */
  stale: number;
  recvs: number;
  /** Receives that found nothing although bytes were suspected. */
  recvsEmpty: number;
  sends: number;
  /** Sends that had to wait for the peer at least once. */
  sendsParked: number;
  starved: number;
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
  private readonly libc: Libc;
  private readonly sockets: Sockets;
  private readonly epoll: number;
  private readonly wakeFd: number;
  private readonly memory: NativeMemory;
  /** Arena address; arena offsets are added to it. */
  private readonly base: number;
  /** The kernel's events, one event to register, one address to connect to. */
  private readonly scratch: NativeMemory;
  private readonly scratchBytes: Uint8Array;
  private readonly events: Int32Array;
  private readonly sides: Sides;
  private readonly listeners: Listeners;
  private readonly buffers: SmallBuffers;
  private readonly retries: ConnectRetries;
  /** Filled now; swapped with `delivered` before each turn. */
  private filling = new Completions();
  private delivered = new Completions();
  private turnsWithoutPoll = 0;

  /** @errors throws when the kernel refuses memory or an epoll descriptor; for start-up only. */
  constructor(ffi: Ffi, options: LoopOptions) {
    const { libc } = ffi;
    const bigOffset = SMALL_FIRST + options.smallCount * SMALL_SIZE;
    assert(bigOffset + options.bigLength < 2 ** 32, 'arena offsets fit into 32 bits');
    this.ffi = ffi;
    this.libc = libc;
    this.sockets = bindSockets(ffi);
    this.memory = ffi.reserve(bigOffset + options.bigLength);
    this.base = this.memory.base;
    this.arena = new Uint8Array(this.memory.buffer);
    this.bigOffset = bigOffset as ArenaOffset;
    this.bigLength = options.bigLength;
    this.scratch = ffi.reserve(EVENTS_MAX * EVENT_BYTES + EVENT_BYTES + SOCKADDR_SIZE);
    this.scratchBytes = new Uint8Array(this.scratch.buffer);
    this.events = new Int32Array(this.scratch.buffer, 0, (EVENTS_MAX + 1) * EVENT_WORDS);
    this.sides = new Sides(options.sidesMax);
    this.buffers = new SmallBuffers(options.smallCount);
    this.counters = newCounters();
    this.retries = new ConnectRetries();
    this.epoll = libc.epoll_create1(EPOLL_CLOEXEC);
    if (this.epoll < 0) throw new Error(`cannot open epoll: errno ${-this.epoll}`);
    this.listeners = new Listeners(options.listenersMax, this.sockets, {
      add: (listener, fd) => this.addEvent(fd, EPOLLIN, listener, TAG_LISTENER),
      remove: (fd) => libc.epoll_ctl(this.epoll, EPOLL_CTL_DEL, fd, this.scratch.base),
    });
    this.peers = this.listeners.peers;
    this.wakeFd = options.wakeFd;
    if (this.wakeFd >= 0) this.addEvent(this.wakeFd, EPOLLIN, 0, TAG_WAKE);
  }

  accept(listener: ListenerSlot, seq: number, fd: Fd, max: number): void {
    const result = this.listeners.submit(listener, seq, fd, max);
    if (result < 0) this.filling.push(OP_ACCEPT, listener, seq, result, 0, 0);
  }

  openStream(kind: number, options: StreamOptions): number {
    return this.sockets.openStream(kind, options);
  }

  connect(side: SideSlot, seq: number, fd: Fd, endpoints: Uint8Array, offset: number): void {
    assert((this.sides.parked[side] & PARKED_CONNECT) === 0, 'one connect at a time per side');
    const length = encodeSockaddr(endpoints, offset, this.scratchBytes, ADDRESS_AT);
    const result = length === 0 ? -EAFNOSUPPORT : this.libc.connect(fd, this.scratch.base + ADDRESS_AT, length);
    if (result === -EAGAIN) {
      // A unix listener whose backlog is full: the kernel will not tell when there is room again.
      this.parkConnect(side, seq);
      this.retries.add(side, fd, this.scratchBytes.slice(ADDRESS_AT, ADDRESS_AT + length), nowUs());
    } else if (result === -EINPROGRESS || result === -EINTR) {
      this.parkConnect(side, seq);
      const added = this.register(side, fd);
      if (added < 0) this.completeConnect(side, added);
    } else {
      this.filling.push(OP_CONNECT, side, seq, result, 0, 0);
    }
  }

  recv(side: SideSlot, seq: number, fd: Fd): void {
    this.submitRecv(side, seq, fd, 0, 0);
  }

  recvInto(side: SideSlot, seq: number, fd: Fd, offset: ArenaOffset, length: number): void {
    assert(length > 0, 'a receive names at least one byte');
    this.submitRecv(side, seq, fd, offset, length);
  }

  send(side: SideSlot, seq: number, fd: Fd, offset: ArenaOffset, length: number): void {
    const { sides } = this;
    assert((sides.parked[side] & PARKED_SEND) === 0, 'one send at a time per side');
    const result = this.sendSome(fd, offset, length);
    if (result === length) {
      this.filling.push(OP_SEND, side, seq, length, 0, 0);
      return;
    }
    sides.sendSeq[side] = seq;
    sides.sendOffset[side] = offset;
    sides.sendLength[side] = length;
    sides.sendDone[side] = 0;
    const added = this.register(side, fd);
    this.sendAdvance(side, result >= 0 || result === -EAGAIN ? (added < 0 ? added : result) : result);
  }

  watch(side: SideSlot, seq: number, fd: Fd): void {
    const { sides } = this;
    assert((sides.parked[side] & PARKED_WATCH) === 0, 'one watch at a time per side');
    const added = this.register(side, fd);
    if (added < 0 || (sides.hints[side] & HINT_ERROR) !== 0) {
      this.filling.push(OP_WATCH, side, seq, added < 0 ? added : -(sides.error[side] || ECONNRESET), 0, 0);
      return;
    }
    sides.watchSeq[side] = seq;
    sides.parked[side] |= PARKED_WATCH;
  }

  cancel(op: number, slot: number, seq: number): void {
    const { sides } = this;
    if (op === OP_ACCEPT) {
      if (this.listeners.cancel(slot, seq)) this.filling.push(OP_ACCEPT, slot, seq, -ECANCELED, 0, 0);
      return;
    }
    const parked = sides.parked[slot];
    if (op === OP_RECV && (parked & PARKED_RECV) !== 0 && sides.recvSeq[slot] === seq) {
      sides.parked[slot] = parked & ~(PARKED_RECV | PARKED_STARVED);
    } else if (op === OP_SEND && (parked & PARKED_SEND) !== 0 && sides.sendSeq[slot] === seq) {
      sides.parked[slot] = parked & ~PARKED_SEND;
    } else if (op === OP_WATCH && (parked & PARKED_WATCH) !== 0 && sides.watchSeq[slot] === seq) {
      sides.parked[slot] = parked & ~PARKED_WATCH;
    } else if (op === OP_CONNECT && (parked & PARKED_CONNECT) !== 0 && sides.connectSeq[slot] === seq) {
      sides.parked[slot] = parked & ~PARKED_CONNECT;
      this.retries.remove(slot);
    } else {
      return;
    }
    this.filling.push(op, slot, seq, -ECANCELED, 0, 0);
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

  run(turn: Turn): void {
    let now = nowUs();
    // What an earlier run left behind belongs to the second turn; the first one's batch is empty.
    this.delivered.count = 0;
    let due = turn(now, this.delivered);
    while (due !== STOP) {
      this.gather(due, now);
      const batch = this.filling;
      this.filling = this.delivered;
      this.filling.count = 0;
      this.delivered = batch;
      this.counters.turns++;
      now = nowUs();
      due = turn(now, batch);
    }
  }

  destroy(): void {
    this.sockets.closeFd(this.epoll as Fd);
    this.sockets.destroy();
    this.ffi.unmap(this.scratch);
    this.ffi.unmap(this.memory);
  }

  /** Waits until there is something to deliver or it is time: for the deadline, or for the sign of life. */
  private gather(due: Us, turnedAt: Us): void {
    this.listeners.dropIdle();
    if (this.sides.hasStarved()) this.feedStarved();
    if (this.filling.count > 0 && this.turnsWithoutPoll < TURNS_WITHOUT_POLL_MAX) {
      this.turnsWithoutPoll++;
      return;
    }
    this.turnsWithoutPoll = 0;
    this.listeners.peersUsed = 0;
    const wakeAt = Math.min(due, turnedAt + WAIT_MAX_US);
    let now: number = turnedAt;
    do {
      const until = Math.min(wakeAt, this.retries.dueAt);
      // Rounded up, so that a deadline has passed when the wait ends instead of being awaited again and again.
      const timeoutMs = this.filling.count > 0 || until <= now ? 0 : Math.ceil((until - now) / 1000);
      this.poll(timeoutMs);
      now = nowUs();
      if (now >= this.retries.dueAt) this.retryConnects(now);
    } while (this.filling.count === 0 && now < wakeAt);
  }

  private poll(timeoutMs: number): void {
    const { events, sides, counters } = this;
    // A negative result is EINTR: nothing has come, which is what the caller sees.
    const count = this.libc.epoll_wait(this.epoll, this.scratch.base, EVENTS_MAX, timeoutMs);
    counters.waits++;
    for (let i = 0, at = 0; i < count; i++, at += EVENT_WORDS) {
      const id = events[at + EVENT_DATA];
      const generation = events[at + EVENT_DATA + 1];
      if (generation > 0) {
        const side = sides.find(id, generation);
        if (side >= 0) this.onSide(side, id, events[at]);
        else counters.stale++;
      } else if (generation === TAG_LISTENER) {
        this.listeners.onReadable(id, this.filling);
      } else {
        this.libc.read(this.wakeFd, this.base, 8);
        this.filling.push(OP_WAKE, 0, 0, 0, 0, 0);
      }
    }
    if (count > 0) counters.events += count;
  }

  private onSide(side: number, fd: number, events: number): void {
    const { sides } = this;
    if ((events & READ_EVENTS) !== 0) {
      let hints = sides.hints[side] | HINT_READABLE;
      if ((events & ENDING_EVENTS) !== 0) hints |= HINT_ENDING;
      if ((events & EPOLLERR) !== 0) hints |= HINT_ERROR;
      sides.hints[side] = hints;
    }
    const parked = sides.parked[side];
    if (parked === 0) return;
    if ((parked & PARKED_CONNECT) !== 0 && (events & SEND_EVENTS) !== 0) this.onConnected(side, fd, events);
    // Receive before send: if the peer aborted, the receive shall be told, and the error is given out once.
    if ((parked & (PARKED_RECV | PARKED_STARVED)) === PARKED_RECV && (events & READ_EVENTS) !== 0) {
      this.receive(side, fd);
    }
    if ((parked & PARKED_SEND) !== 0 && (events & SEND_EVENTS) !== 0) {
      const done = sides.sendDone[side];
      this.sendAdvance(side, this.sendSome(fd, sides.sendOffset[side] + done, sides.sendLength[side] - done));
    }
    if ((parked & PARKED_WATCH) !== 0 && (events & EPOLLERR) !== 0) {
      sides.parked[side] &= ~PARKED_WATCH;
      this.filling.push(OP_WATCH, side, sides.watchSeq[side], -(sides.error[side] || ECONNRESET), 0, 0);
    }
  }

  private submitRecv(side: number, seq: number, fd: number, offset: number, length: number): void {
    const { sides } = this;
    assert((sides.parked[side] & PARKED_RECV) === 0, 'one receive at a time per side');
    sides.recvSeq[side] = seq;
    sides.recvOffset[side] = offset;
    sides.recvLength[side] = length;
    sides.parked[side] |= PARKED_RECV;
    if (sides.fd[side] !== fd) {
      // A fresh registration reports what is already there, so nothing is tried now.
      const added = this.register(side, fd);
      if (added < 0) this.completeRecv(side, added, 0);
    } else if ((sides.hints[side] & HINT_READABLE) !== 0) {
      this.receive(side, fd);
    }
  }

  /** Tries the parked receive once. */
  private receive(side: number, fd: number): void {
    const { sides, counters } = this;
    let offset = sides.recvOffset[side];
    let length = sides.recvLength[side];
    const isSmall = length === 0;
    if (isSmall) {
      offset = this.buffers.take();
      length = SMALL_SIZE;
      if (offset === 0) {
        counters.starved++;
        sides.starve(side);
        return;
      }
    }
    let result: number;
    do {
      result = this.libc.recv(fd, this.base + offset, length, 0);
    } while (result === -EINTR);
    counters.recvs++;
    if (result > 0) {
      if (result < length && (sides.hints[side] & HINT_ENDING) === 0) sides.hints[side] &= ~HINT_READABLE;
      this.completeRecv(side, result, offset);
      return;
    }
    if (isSmall) this.buffers.give(offset);
    if (result === -EAGAIN) {
      counters.recvsEmpty++;
      sides.hints[side] &= ~HINT_READABLE;
    } else if (result === 0) {
      this.completeRecv(side, -sides.error[side], 0);
    } else {
      sides.error[side] = -result;
      this.completeRecv(side, result, 0);
    }
  }

  private completeRecv(side: number, result: number, offset: number): void {
    const { sides } = this;
    sides.parked[side] &= ~(PARKED_RECV | PARKED_STARVED);
    this.filling.push(OP_RECV, side, sides.recvSeq[side], result, 0, offset);
  }

  /** Serves receives that waited for a small buffer, in the order in which they began to wait. */
  private feedStarved(): void {
    const { sides } = this;
    while (this.buffers.hasFree()) {
      const side = sides.unstarve();
      if (side < 0) return;
      if ((sides.parked[side] & PARKED_STARVED) === 0) continue;
      sides.parked[side] &= ~PARKED_STARVED;
      this.receive(side, sides.fd[side]);
    }
  }

  private sendSome(fd: number, offset: number, length: number): number {
    let result: number;
    do {
      result = this.libc.send(fd, this.base + offset, length, MSG_NOSIGNAL);
    } while (result === -EINTR);
    this.counters.sends++;
    return result;
  }

  /** Notes what one send call did: the operation completes, or waits for room. */
  private sendAdvance(side: number, result: number): void {
    const { sides } = this;
    if (result >= 0 || result === -EAGAIN) {
      if (result > 0) sides.sendDone[side] += result;
      const length = sides.sendLength[side];
      if (sides.sendDone[side] < length) {
        // A partial send has met a full socket, so the edge is sure to come.
        if ((sides.parked[side] & PARKED_SEND) === 0) this.counters.sendsParked++;
        sides.parked[side] |= PARKED_SEND;
        return;
      }
      result = length;
    } else if (result !== -EPIPE) {
      // EPIPE leaves the receiving direction as it is; any other error has just been taken from the socket.
      sides.error[side] = -result;
    }
    sides.parked[side] &= ~PARKED_SEND;
    this.filling.push(OP_SEND, side, sides.sendSeq[side], result, 0, 0);
  }

  private parkConnect(side: number, seq: number): void {
    this.sides.connectSeq[side] = seq;
    this.sides.parked[side] |= PARKED_CONNECT;
  }

  private onConnected(side: number, fd: number, events: number): void {
    // Only a failed connect has its error taken here; an established connection keeps its own.
    if ((events & (EPOLLERR | EPOLLHUP)) === 0) this.completeConnect(side, 0);
    else this.completeConnect(side, -Math.abs(this.sockets.takeError(fd as Fd) || ECONNRESET));
  }

  private completeConnect(side: number, result: number): void {
    this.sides.parked[side] &= ~PARKED_CONNECT;
    this.filling.push(OP_CONNECT, side, this.sides.connectSeq[side], result, 0, 0);
  }

  private retryConnects(now: number): void {
    this.retries.each(now, (side, fd, address) => {
      this.scratchBytes.set(address, ADDRESS_AT);
      const result = this.libc.connect(fd, this.scratch.base + ADDRESS_AT, address.length);
      if (result === -EAGAIN) return false;
      this.completeConnect(side, result);
      return true;
    });
  }

  /** Registers the descriptor once. @returns 0 or -errno. */
  private register(side: number, fd: number): number {
    if (this.sides.fd[side] === fd) return 0;
    const result = this.addEvent(fd, SIDE_EVENTS, fd, this.sides.bind(side, fd));
    if (result < 0) this.sides.unbind(fd);
    return result;
  }

  private addEvent(fd: number, events: number, id: number, tag: number): number {
    this.events[EVENT_AT] = events;
    this.events[EVENT_AT + EVENT_DATA] = id;
    this.events[EVENT_AT + EVENT_DATA + 1] = tag;
    return this.libc.epoll_ctl(this.epoll, EPOLL_CTL_ADD, fd, this.scratch.base + EVENT_AT * 4);
  }
}

/** Word of the scratch memory where the event to register is written, and byte of the address to connect to. */
const EVENT_AT = EVENTS_MAX * EVENT_WORDS;
const ADDRESS_AT = (EVENTS_MAX + 1) * EVENT_BYTES;

function newCounters(): EpollCounters {
  return {
    turns: 0,
    waits: 0,
    events: 0,
    stale: 0,
    recvs: 0,
    recvsEmpty: 0,
    sends: 0,
    sendsParked: 0,
    starved: 0,
  };
}
