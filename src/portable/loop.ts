/**
 * The loop over Node's own `net`: for systems without our door to the kernel, where it costs more and can less.
 *
 * It takes turns with Node: a turn is run by `setImmediate` when there is something to deliver, by one timer when it is
 * time. Descriptors are numbers of this loop. Three things the contract wants are beyond libuv: it does not tell what
 * of our bytes the peer has taken (`progress` moves when our kernel takes bytes, `unsent` gives the peer a moment), it
 * hides a lack of descriptors when it accepts, and an abort is noticed late where nothing can be read ahead.
 */
import { assert } from '../base/assert.ts';
import type { ArenaOffset, Fd, ListenerSlot, SideSlot, Us } from '../base/brand.ts';
import { KIND_IPV4, KIND_IPV6, KIND_UNIX, PEER_SIZE } from '../base/endpoint.ts';
import { EAFNOSUPPORT, EBADF, ECANCELED } from '../base/errno.ts';
import { Outbox } from '../base/outbox.ts';
import { SMALL_FIRST, SMALL_SIZE, SmallBuffers } from '../base/small-buffers.ts';
import type { ListenOptions, Tuning } from '../loop/host.ts';
import {
  CLOSE_ABORT,
  CLOSE_ORDERLY,
  FLAG_MORE,
  type Loop,
  type LoopOptions,
  OP_ACCEPT,
  OP_WAKE,
  type StreamOptions,
  type Turn,
} from '../loop/loop.ts';
import { netAddress, writePeer } from './addresses.ts';
import { obeyHost } from './host-port.ts';
import { Listener, type Where } from './listener.ts';
import { Numbers } from './numbers.ts';
import { Pace } from './pace.ts';
import { Stream, type StreamParts } from './stream.ts';

/** Connections accepted between two turns, over all listeners. */
const PEERS_MAX = 1024;
/** How often watched streams that cannot be read are asked whether they still stand. */
const PROBE_MS = 250;
/** Accepted sockets have theirs from the listener. */
const AS_ACCEPTED: StreamOptions = { noDelay: false, keepAlive: false };

export class NodeLoop implements Loop {
  readonly kind = 'node';
  readonly arena: Uint8Array;
  readonly smallSize = SMALL_SIZE;
  readonly bigOffset: ArenaOffset;
  readonly bigLength: number;
  readonly peers = new Uint8Array(PEERS_MAX * PEER_SIZE);

  private readonly outbox = new Outbox();
  private readonly buffers: SmallBuffers;
  private readonly numbers = new Numbers<Stream | Listener>();
  private readonly parts: StreamParts;
  private readonly pace: Pace;
  /** What a side or a listener slot stands for at present: for cancels. */
  private readonly sides: (Stream | undefined)[] = [];
  private readonly listeners: (Listener | undefined)[] = [];
  private probing: NodeJS.Timeout | undefined;
  private isWoken = false;
  private readonly leaveHost: () => void;

  private readonly onTurnedAway: () => void;

  /**
   * @param clock monotonic microseconds.
   * @param onTurnedAway called for each client that is reset because too many wait.
   */
  constructor(options: LoopOptions, clock: () => Us, onTurnedAway: () => void = () => undefined) {
    this.onTurnedAway = onTurnedAway;
    const bigOffset = SMALL_FIRST + options.smallCount * SMALL_SIZE;
    assert(bigOffset + options.bigLength < 2 ** 32, 'arena offsets fit into 32 bits');
    this.arena = new Uint8Array(bigOffset + options.bigLength);
    this.bigOffset = bigOffset as ArenaOffset;
    this.bigLength = options.bigLength;
    this.buffers = new SmallBuffers(options.smallCount);
    this.pace = new Pace(clock, {
      hasNews: () => this.hasNews(),
      collect: () => this.collect(),
      first: () => this.outbox.empty(),
      settle: () => this.settle(),
      abandon: () => this.abandon(),
    });
    this.parts = {
      arena: this.arena,
      buffers: this.buffers,
      starved: new Set(),
      watched: new Set(),
      clock,
      complete: (op, side, seq, result, buffer) => this.complete(op, side, seq, result, 0, buffer),
    };
    this.leaveHost = options.wakeFd < 0 ? () => undefined : obeyHost(this, options.wakeFd);
  }

  /** Opens a listener. @returns its number at once; it stands when `listening` has settled. */
  listen(where: Where, isUnix: boolean, options: ListenOptions): { readonly fd: Fd; readonly listener: Listener } {
    const listener = new Listener(where, isUnix, options, {
      onClient: () => this.pace.hurry(),
      onTurnedAway: this.onTurnedAway,
    });
    return { fd: this.numbers.add(listener) as Fd, listener };
  }

  /** For clients that come from now on. No-op where nothing listens. */
  tuneListening(fd: number, tuning: Tuning): void {
    const listener = this.numbers.get(fd);
    if (listener instanceof Listener) listener.tune(tuning);
  }

  /** Nobody new comes to a listener, those who wait stay. No-op where nothing listens. */
  holdNewcomers(fd: number): void {
    const listener = this.numbers.get(fd);
    if (listener instanceof Listener) listener.holdNewcomers();
  }

  hasWaiting(fd: number): boolean {
    const listener = this.numbers.get(fd);
    return listener instanceof Listener && listener.hasWaiting;
  }

  /** Somebody calls: the next turn is told. */
  wake(): void {
    this.isWoken = true;
    this.pace.hurry();
  }

  accept(slot: ListenerSlot, seq: number, fd: Fd, max: number): void {
    assert(max >= 1, 'an accept asks for at least one connection');
    const listener = this.numbers.get(fd);
    if (!(listener instanceof Listener)) {
      this.complete(OP_ACCEPT, slot, seq, -EBADF, 0, 0);
      return;
    }
    assert(listener.wanted === 0, 'one accept at a time per listener');
    Object.assign(listener, { slot, seq, wanted: max });
    this.listeners[slot] = listener;
  }

  openStream(kind: number, options: StreamOptions): number {
    if (kind !== KIND_IPV4 && kind !== KIND_IPV6 && kind !== KIND_UNIX) return -EAFNOSUPPORT;
    return this.numbers.add(new Stream(this.parts, kind, options));
  }

  connect(side: SideSlot, seq: number, fd: Fd, endpoints: Uint8Array, offset: number): void {
    this.bind(side, fd).connect(side, seq, netAddress(endpoints, offset));
  }

  recv(side: SideSlot, seq: number, fd: Fd): void {
    this.bind(side, fd).recv(side, seq, 0, 0);
  }

  recvInto(side: SideSlot, seq: number, fd: Fd, offset: ArenaOffset, length: number): void {
    assert(length > 0, 'a receive names at least one byte');
    this.bind(side, fd).recv(side, seq, offset, length);
  }

  send(side: SideSlot, seq: number, fd: Fd, offset: ArenaOffset, length: number): void {
    this.bind(side, fd).send(side, seq, offset, length);
  }

  watch(side: SideSlot, seq: number, fd: Fd): void {
    this.bind(side, fd).watch(side, seq);
    this.probing ??= setInterval(() => this.probe(), PROBE_MS);
  }

  cancel(op: number, slot: number, seq: number): void {
    if (op !== OP_ACCEPT) {
      this.sides[slot]?.cancel(op, seq);
      return;
    }
    const listener = this.listeners[slot];
    if (listener === undefined || listener.wanted === 0 || listener.seq !== seq) return;
    this.finishAccept(listener, -ECANCELED);
  }

  /** None: bytes go through Node's memory. */
  takePipe = (): number => 0;
  pipeDescriptors = (): number => 0;
  trimPipes = (): void => undefined;

  givePipe(): void {
    assert(false, 'a pipe was lent');
  }

  recvPipe(): void {
    assert(false, 'a pipe was lent');
  }

  sendPipe(): void {
    assert(false, 'a pipe was lent');
  }

  release(buffer: ArenaOffset): void {
    this.buffers.give(buffer);
  }

  shutdown(fd: Fd): number {
    return this.streamOf(fd)?.shutdown() ?? -EBADF;
  }

  close(fd: Fd, how: number): void {
    this.numbers.get(fd)?.close(how);
    this.numbers.remove(fd);
  }

  progress(fd: Fd): number {
    return this.streamOf(fd)?.progress() ?? -EBADF;
  }

  unsent(fd: Fd): number {
    return this.streamOf(fd)?.unsent() ?? -EBADF;
  }

  /** Nothing: the memory is Node's. */
  trim(): void {}

  buffersHeld(): number {
    return this.buffers.held();
  }

  run(turn: Turn, over: () => void): void {
    this.pace.run(turn, over);
  }

  destroy(): void {
    this.leaveHost();
    clearInterval(this.probing);
    for (const item of this.numbers) item.close(CLOSE_ORDERLY);
  }

  private bind(side: SideSlot, fd: Fd): Stream {
    const stream = this.streamOf(fd);
    assert(stream !== undefined, 'the descriptor is that of a stream');
    this.sides[side] = stream;
    return stream;
  }

  private streamOf(fd: Fd): Stream | undefined {
    const stream = this.numbers.get(fd);
    return stream instanceof Stream ? stream : undefined;
  }

  private complete(op: number, slot: number, seq: number, result: number, flags: number, buffer: number): void {
    this.outbox.push(op, slot, seq, result, flags, buffer);
    this.pace.hurry();
  }

  /** Before each turn: what waits to be delivered, with clients that are wanted. */
  private collect(): ReturnType<Outbox['swap']> {
    if (this.isWoken) this.outbox.push(OP_WAKE, 0, 0, 0, 0, 0);
    this.isWoken = false;
    let row = 0;
    for (const listener of this.listeners) {
      if (listener?.isWaitedFor === true) row = this.acceptFrom(listener, row);
    }
    return this.outbox.swap();
  }

  /** @param row first free row of `peers`. @returns the next one. */
  private acceptFrom(listener: Listener, row: number): number {
    const { slot, seq, isUnix } = listener;
    const end = Math.min(row + listener.wanted, PEERS_MAX);
    let next = row;
    while (next < end) {
      const socket = listener.next();
      if (socket === undefined) break;
      const offset = next * PEER_SIZE;
      if (!writePeer(socket, isUnix, this.peers, offset)) {
        socket.destroy();
        continue;
      }
      const fd = this.numbers.add(new Stream(this.parts, isUnix ? KIND_UNIX : KIND_IPV4, AS_ACCEPTED, socket));
      this.outbox.push(OP_ACCEPT, slot, seq, fd, FLAG_MORE, offset);
      next++;
    }
    if (next > row) this.finishAccept(listener, 0);
    return next;
  }

  private finishAccept(listener: Listener, result: number): void {
    listener.wanted = 0;
    this.complete(OP_ACCEPT, listener.slot, listener.seq, result, 0, 0);
  }

  private hasNews(): boolean {
    return this.outbox.count > 0 || this.isWoken || this.listeners.some((one) => one?.isWaitedFor);
  }

  /** After each turn: serves receives that waited for a small buffer. */
  private settle(): void {
    const { starved } = this.parts;
    for (const stream of starved) {
      if (!this.buffers.hasFree()) return;
      starved.delete(stream);
      stream.feed();
    }
  }

  private probe(): void {
    for (const stream of this.parts.watched) stream.probe();
    if (this.parts.watched.size > 0) return;
    clearInterval(this.probing);
    this.probing = undefined;
  }

  /** A turn has thrown, and nobody will end the connections: they are reset, so that none looks complete. */
  private abandon(): void {
    this.leaveHost();
    clearInterval(this.probing);
    for (const item of this.numbers) item.close(CLOSE_ABORT);
  }
}
