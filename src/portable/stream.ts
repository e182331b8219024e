/**
 * One stream of the node loop: a `net.Socket` that is asked instead of one that calls back.
 *
 * The socket is read ahead, within bounds, into memory of our own: libuv notices an abort or an end only while it
 * reads, and what it has read would be lost with a socket that fails. What cannot be read ahead is asked, now and then,
 * by a send of no bytes, which fails when the connection has.
 */
import { Socket } from 'node:net';
import { assert } from '../base/assert.ts';
import type { Us } from '../base/brand.ts';
import { KIND_UNIX } from '../base/endpoint.ts';
import { EAFNOSUPPORT, EAGAIN, ECANCELED, ECONNRESET, ENOTCONN, EPIPE } from '../base/errno.ts';
import { SMALL_SIZE, type SmallBuffers } from '../base/small-buffers.ts';
import { CLOSE_ABORT, OP_CONNECT, OP_RECV, OP_SEND, OP_WATCH, type StreamOptions } from '../loop/loop.ts';
import { localAddress, type NetAddress } from './addresses.ts';
import { errnoOf } from './errors.ts';
import { keepWhenEnded, readAgain } from './inside.ts';

/**
 * Bytes read ahead of the engine; one read may bring more, and the socket itself may hold another one. Four times as much
 * is no cheaper by the byte, and a crowd that stands still holds more of it [measured].
 */
const AHEAD_MAX = 16 * 1024;
/**
 * Most bytes given to the socket at once. They are copied, because a write cannot be taken back: after a cancel the
 * memory is the engine's again while the socket still sends.
 */
const PIECE_MAX = 64 * 1024;
/** How long a peer gets to take what its kernel or ours may still hold: nobody tells us whether it has. */
const SETTLE_US = 250_000;
/** A unix server takes connections off its full backlog in micro- to milliseconds. */
const CONNECT_AGAIN_MS = 5;
const NOTHING = new Uint8Array(0);
/** In place of a seq: nothing is in flight. */
const NONE = -1;

/** What all streams of a loop share. */
export interface StreamParts {
  readonly arena: Uint8Array;
  readonly buffers: SmallBuffers;
  /** Streams whose receive waits for a small buffer, in the order in which they began to. */
  readonly starved: Set<Stream>;
  /** Streams that are watched for an abort. */
  readonly watched: Set<Stream>;
  readonly clock: () => Us;
  complete(op: number, side: number, seq: number, result: number, buffer: number): void;
}

/** @owner the loop's thread. */
export class Stream {
  private readonly parts: StreamParts;
  private readonly kind: number;
  private readonly options: StreamOptions;
  private socket: Socket | undefined;
  private side = NONE;
  /** What the connection has failed with, 0 while it has not. */
  private errno = 0;
  /** The peer's end has been read, or what libuv took for it. */
  private isEndDoubted = false;
  /** The peer's end has been read. */
  private isEnded = false;
  private readonly ahead: Uint8Array[] = [];
  private aheadBytes = 0;

  private connectSeq = NONE;
  private connectAgain: NodeJS.Timeout | undefined;
  private recvSeq = NONE;
  private recvOffset = 0;
  /** 0: into a small buffer. */
  private recvLength = 0;
  private watchSeq = NONE;
  private sendSeq = NONE;
  private sendOffset = 0;
  private sendLength = 0;
  private sendDone = 0;
  /** Tells writes of this send from those of one that was cancelled. */
  private sendNumber = 0;
  /** Bytes ever given to the socket. */
  private written = 0;
  private writtenAt = 0;

  /** @param socket an accepted one; without it one is made to connect. */
  constructor(parts: StreamParts, kind: number, options: StreamOptions, socket?: Socket) {
    this.parts = parts;
    this.kind = kind;
    this.options = options;
    if (socket) this.adopt(socket);
  }

  /** @param address undefined when it is none that can be connected to. */
  connect(side: number, seq: number, address: NetAddress | undefined): void {
    assert(this.connectSeq === NONE, 'one connect at a time per side');
    this.side = side;
    this.connectSeq = seq;
    if (address === undefined) this.finishConnect(-EAFNOSUPPORT);
    else this.dial(address);
  }

  /** @param length 0 for a small buffer of the loop's choice. */
  recv(side: number, seq: number, offset: number, length: number): void {
    assert(this.recvSeq === NONE, 'one receive at a time per side');
    this.side = side;
    this.recvSeq = seq;
    this.recvOffset = offset;
    this.recvLength = length;
    this.receive();
  }

  send(side: number, seq: number, offset: number, length: number): void {
    assert(this.sendSeq === NONE, 'one send at a time per side');
    this.side = side;
    this.sendSeq = seq;
    this.sendOffset = offset;
    this.sendLength = length;
    this.sendDone = 0;
    this.sendNumber++;
    if (this.errno !== 0) this.finishSend(-this.errno);
    else this.pour();
  }

  watch(side: number, seq: number): void {
    assert(this.watchSeq === NONE, 'one watch at a time per side');
    this.side = side;
    this.watchSeq = seq;
    if (this.errno !== 0) this.finishWatch(-this.errno);
    else this.parts.watched.add(this);
  }

  /** Ends the operation, if exactly this one is in flight. */
  cancel(op: number, seq: number): void {
    if (op === OP_CONNECT && seq === this.connectSeq) {
      clearTimeout(this.connectAgain);
      this.socket?.destroy();
      this.finishConnect(-ECANCELED);
    } else if (op === OP_RECV && seq === this.recvSeq) {
      this.finishRecv(-ECANCELED, 0);
    } else if (op === OP_SEND && seq === this.sendSeq) {
      this.finishSend(-ECANCELED);
    } else if (op === OP_WATCH && seq === this.watchSeq) {
      this.finishWatch(-ECANCELED);
    }
  }

  /** @returns 0 or -errno. */
  shutdown(): number {
    if (!this.socket || this.socket.destroyed) return -ENOTCONN;
    this.socket.end();
    return 0;
  }

  close(how: number): void {
    const { socket } = this;
    this.socket = undefined;
    // Until the side is used again it is remembered, and that may take a day.
    this.ahead.length = 0;
    this.aheadBytes = 0;
    clearTimeout(this.connectAgain);
    if (!socket || socket.destroyed) return;
    if (how !== CLOSE_ABORT || this.kind === KIND_UNIX || socket.connecting) socket.destroy();
    // All is said, and a reset could only take what the peer's kernel has of it. Whoever sends more is told by ours.
    else if (socket.writableEnded && socket.writableLength === 0) whenFinished(socket, () => socket.destroy());
    else socket.resetAndDestroy();
  }

  /** A number that changes when our kernel takes bytes, which it does as the peer takes them, in large steps. */
  progress(): number {
    return (this.written - (this.socket?.writableLength ?? 0)) & 0x7f_ff_ff_ff;
  }

  /** Bytes that our kernel has not taken; at least 1 for a while after the last, which the peer may not have. */
  unsent(): number {
    if (this.errno !== 0 || !this.socket) return -(this.errno || ENOTCONN);
    const waiting = this.socket.writableLength + (this.sendSeq === NONE ? 0 : this.sendLength - this.sendDone);
    return Math.max(waiting, this.parts.clock() < this.writtenAt + SETTLE_US ? 1 : 0);
  }

  /** Finds out whether the connection still stands, where reading cannot. */
  probe(): void {
    const { socket } = this;
    // A unix socket knows no abort, and takes an orderly end for a failure.
    if (this.kind === KIND_UNIX) return;
    const isRead = !this.isEnded && this.aheadBytes < AHEAD_MAX;
    if (isRead || !socket || socket.destroyed || socket.writableEnded || socket.writableLength > 0) return;
    socket.write(NOTHING);
  }

  /** A small buffer may be free for the receive that waits for one. */
  feed(): void {
    this.receive();
  }

  private dial(address: NetAddress): void {
    this.connectAgain = undefined;
    const { source, ...options } = this.options;
    // Options of a connect reach the socket by `net.connect` only, which is its constructor.
    const socket = new Socket({ allowHalfOpen: true, ...options });
    this.adopt(socket);
    socket.once('connect', () => {
      if (this.socket === socket && this.connectSeq !== NONE) this.finishConnect(0);
    });
    socket.prependListener('error', (error) => {
      if (this.socket !== socket || this.connectSeq === NONE) return;
      const errno = errnoOf(error);
      // No event tells when a full backlog has room again.
      if (errno === EAGAIN) this.connectAgain = setTimeout(() => this.dial(address), CONNECT_AGAIN_MS);
      else this.finishConnect(-errno);
    });
    socket.connect({ ...address, ...(source && localAddress(source)) });
  }

  private adopt(socket: Socket): void {
    this.socket = socket;
    keepWhenEnded(socket);
    socket.on('readable', () => {
      if (this.socket === socket) this.pull(socket);
    });
    socket.on('end', () => this.doubtEnd(socket));
    // Stays when the stream is closed: nobody shall be surprised by an error of a socket that is done with.
    socket.on('error', (error) => {
      if (this.socket === socket && this.connectAgain === undefined) this.fail(socket, errnoOf(error));
    });
  }

  /**
   * libuv reports an abort right behind bytes as an end, because the system says "hang-up" for it. When it reads once
   * more, in the round after this one, it meets the abort or the end itself.
   */
  private doubtEnd(socket: Socket): void {
    const believe = (): void => {
      if (this.socket !== socket || this.errno !== 0) return;
      this.isEnded = true;
      this.receive();
    };
    if (this.kind === KIND_UNIX) {
      believe();
      return;
    }
    this.isEndDoubted = true;
    readAgain(socket);
    setImmediate(() => setImmediate(believe));
  }

  /** Reads ahead as far as there is room. */
  private pull(socket: Socket): void {
    while (this.aheadBytes < AHEAD_MAX && this.take(socket));
    this.receive();
  }

  /** Takes what the socket has read, all at once. @returns whether it was anything. */
  private take(socket: Socket): boolean {
    const chunk = socket.read() as Uint8Array | null;
    if (chunk === null) return false;
    this.ahead.push(chunk);
    this.aheadBytes += chunk.length;
    return true;
  }

  /** Completes the receive in flight, if there is one and something to complete it with. */
  private receive(): void {
    if (this.recvSeq === NONE) return;
    if (this.aheadBytes === 0) {
      if (this.isEnded) this.finishRecv(0, 0);
      // A send that failed has taken the receiving direction along.
      else if (this.errno !== 0) this.finishRecv(this.errno === EPIPE ? -ECONNRESET : -this.errno, 0);
      return;
    }
    const isSmall = this.recvLength === 0;
    const offset = isSmall ? this.parts.buffers.take() : this.recvOffset;
    if (offset === 0) {
      this.parts.starved.add(this);
      return;
    }
    this.finishRecv(this.copyAhead(offset, isSmall ? SMALL_SIZE : this.recvLength), offset);
    if (this.socket) this.pull(this.socket);
  }

  private copyAhead(offset: number, room: number): number {
    let count = 0;
    for (let chunk = this.ahead[0]; chunk !== undefined && count < room; chunk = this.ahead[0]) {
      const part = chunk.subarray(0, room - count);
      this.parts.arena.set(part, offset + count);
      count += part.length;
      if (part.length === chunk.length) this.ahead.shift();
      else this.ahead[0] = chunk.subarray(part.length);
    }
    this.aheadBytes -= count;
    return count;
  }

  /** Gives the socket what it takes of the send in flight. */
  private pour(): void {
    const { socket, sendNumber } = this;
    if (!socket) return;
    while (this.sendDone < this.sendLength) {
      const from = this.sendOffset + this.sendDone;
      const piece = this.parts.arena.slice(from, from + Math.min(PIECE_MAX, this.sendLength - this.sendDone));
      this.sendDone += piece.length;
      this.written += piece.length;
      this.writtenAt = this.parts.clock();
      socket.write(piece, (error) => this.onWritten(sendNumber, error));
      // A failure is told later, with all that follows from it.
      if (socket.writableLength > 0 || socket.errored) return;
    }
    this.finishSend(this.sendLength);
  }

  private onWritten(number: number, error: Error | null | undefined): void {
    if (this.sendSeq === NONE || number !== this.sendNumber || !this.socket) return;
    if (error) this.finishSend(-errnoOf(error));
    else if (this.socket.writableLength === 0) this.pour();
  }

  /** The connection is gone, and with it the socket; what it has read is not. */
  private fail(socket: Socket, errno: number): void {
    // EPIPE: the peer takes nothing more, but what it had to say ended in order before that.
    if (this.errno === 0 && this.isEndDoubted && errno === EPIPE) this.isEnded = true;
    if (this.errno === 0) this.errno = errno;
    while (this.take(socket));
    if (this.sendSeq !== NONE) this.finishSend(-this.errno);
    if (this.watchSeq !== NONE) this.finishWatch(-this.errno);
    this.receive();
  }

  private finishConnect(result: number): void {
    const seq = this.connectSeq;
    this.connectSeq = NONE;
    this.parts.complete(OP_CONNECT, this.side, seq, result, 0);
  }

  private finishRecv(result: number, offset: number): void {
    const seq = this.recvSeq;
    this.recvSeq = NONE;
    this.parts.starved.delete(this);
    this.parts.complete(OP_RECV, this.side, seq, result, offset);
  }

  private finishSend(result: number): void {
    const seq = this.sendSeq;
    this.sendSeq = NONE;
    this.parts.complete(OP_SEND, this.side, seq, result, 0);
  }

  private finishWatch(result: number): void {
    const seq = this.watchSeq;
    this.watchSeq = NONE;
    this.parts.watched.delete(this);
    this.parts.complete(OP_WATCH, this.side, seq, result, 0);
  }
}

/** An end that is on its way goes out before `then`. */
function whenFinished(socket: Socket, then: () => void): void {
  if (socket.writableFinished) then();
  else socket.once('finish', then);
}
