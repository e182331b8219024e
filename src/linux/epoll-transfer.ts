/**
 * Moving bytes over epoll: receives and sends that are tried, and wait when there is nothing or no room.
 *
 * Pitfalls that shape the code:
 * - a socket tells its error once. When a send takes it, a later recv would see an orderly end: it is remembered;
 * - a short read means "drained" (epoll(7), question 9), but not after RDHUP or HUP, whose edge has passed.
 */
import { assert } from '../base/assert.ts';
import { EAGAIN, ECONNRESET, EINTR, EPIPE } from '../base/errno.ts';
import type { Outbox } from '../base/outbox.ts';
import { SMALL_SIZE, type SmallBuffers } from '../base/small-buffers.ts';
import type { Libc } from '../ffi/libc.ts';
import { OP_RECV, OP_SEND } from '../loop/loop.ts';
import type { EpollSet } from './epoll-set.ts';
import {
  HINT_ENDING,
  HINT_READABLE,
  PARKED_RECV,
  PARKED_RECV_PIPE,
  PARKED_SEND,
  PARKED_SEND_PIPE,
  PARKED_STARVED,
  type Sides,
} from './epoll-sides.ts';
import type { Pipes } from './pipes.ts';
import { MSG_NOSIGNAL } from './sockets.ts';

/** Plain numbers, read by tests and benchmarks. */
export interface TransferCounters {
  recvs: number;
  /** Receives that found nothing although bytes were suspected. */
  recvsEmpty: number;
  /** Receives that had to wait for a small buffer. */
  recvsStarved: number;
  sends: number;
  /** Sends that had to wait for the peer at least once. */
  sendsParked: number;
}

/** What transfers share with the rest of the loop. */
export interface TransferParts {
  readonly libc: Libc;
  /** Address of the arena. */
  readonly base: number;
  readonly sides: Sides;
  readonly set: EpollSet;
  readonly buffers: SmallBuffers;
  readonly pipes: Pipes;
  readonly outbox: Outbox;
}

/** @owner the loop's thread. @cost one system call per attempt, no allocation. */
export class Transfers {
  readonly counters: TransferCounters = { recvs: 0, recvsEmpty: 0, recvsStarved: 0, sends: 0, sendsParked: 0 };
  private readonly libc: Libc;
  private readonly base: number;
  private readonly sides: Sides;
  private readonly set: EpollSet;
  private readonly buffers: SmallBuffers;
  private readonly pipes: Pipes;
  private readonly outbox: Outbox;

  constructor(parts: TransferParts) {
    this.libc = parts.libc;
    this.base = parts.base;
    this.sides = parts.sides;
    this.set = parts.set;
    this.buffers = parts.buffers;
    this.pipes = parts.pipes;
    this.outbox = parts.outbox;
  }

  /** @param length 0 for a small buffer of the loop's choice. */
  submitRecv(side: number, seq: number, fd: number, offset: number, length: number): void {
    this.park(side, seq, fd, offset, length, PARKED_RECV);
  }

  recvPipe(side: number, seq: number, fd: number, pipe: number): void {
    this.park(side, seq, fd, pipe, 1, PARKED_RECV | PARKED_RECV_PIPE);
  }

  private park(side: number, seq: number, fd: number, offset: number, length: number, bits: number): void {
    const { sides } = this;
    assert((sides.parked[side] & PARKED_RECV) === 0, 'one receive at a time per side');
    sides.recvSeq[side] = seq;
    sides.recvOffset[side] = offset;
    sides.recvLength[side] = length;
    sides.parked[side] |= bits;
    if (sides.fd[side] !== fd) {
      // A fresh registration reports what is already there, so nothing is tried now.
      const added = this.set.addSide(side, fd);
      if (added < 0) this.completeRecv(side, added, 0);
    } else if ((sides.hints[side] & HINT_READABLE) !== 0) {
      this.receive(side, fd);
    }
  }

  /** Tries the parked receive once. */
  receive(side: number, fd: number): void {
    const { sides, counters } = this;
    let offset = sides.recvOffset[side];
    let length = sides.recvLength[side];
    const isSmall = length === 0;
    if (isSmall) {
      offset = this.buffers.take();
      length = SMALL_SIZE;
      if (offset === 0) {
        counters.recvsStarved++;
        sides.starve(side);
        return;
      }
    }
    const isPipe = (sides.parked[side] & PARKED_RECV_PIPE) !== 0;
    const result = isPipe ? this.pipes.fill(offset, fd) : this.recv(fd, offset, length);
    counters.recvs++;
    if (result > 0) {
      // A pipe may be full of small pieces long before it is full of bytes: its short reads say nothing.
      const isDrained = !isPipe && result < length && (sides.hints[side] & HINT_ENDING) === 0;
      if (isDrained) sides.hints[side] &= ~HINT_READABLE;
      this.completeRecv(side, result, isPipe ? 0 : offset);
      return;
    }
    if (isSmall) this.buffers.give(offset);
    if (result === -EAGAIN) {
      counters.recvsEmpty++;
      sides.hints[side] &= ~HINT_READABLE;
      return;
    }
    if (result < 0) sides.error[side] = -result;
    this.completeRecv(side, -sides.error[side], 0);
  }

  private recv(fd: number, offset: number, length: number): number {
    let result: number;
    do {
      result = this.libc.recv(fd, this.base + offset, length, 0);
    } while (result === -EINTR);
    return result;
  }

  /** Serves receives that waited for a small buffer, in the order in which they began to wait. */
  feedStarved(): void {
    const { sides } = this;
    while (this.buffers.hasFree()) {
      const side = sides.unstarve();
      if (side < 0) return;
      if ((sides.parked[side] & PARKED_STARVED) === 0) continue;
      sides.parked[side] &= ~PARKED_STARVED;
      this.receive(side, sides.fd[side]);
    }
  }

  submitSend(side: number, seq: number, fd: number, offset: number, length: number): void {
    const { sides } = this;
    assert((sides.parked[side] & PARKED_SEND) === 0, 'one send at a time per side');
    const result = this.send(fd, offset, length);
    if (result === length) {
      this.outbox.push(OP_SEND, side, seq, length, 0, 0);
      return;
    }
    sides.sendSeq[side] = seq;
    sides.sendOffset[side] = offset;
    sides.sendLength[side] = length;
    sides.sendDone[side] = 0;
    // Before the result is judged: what is remembered of the socket belongs to its registration.
    const added = this.set.addSide(side, fd);
    const isWaiting = result >= 0 || result === -EAGAIN;
    if (isWaiting && added >= 0) this.counters.sendsParked++;
    this.advance(side, isWaiting && added < 0 ? added : result);
  }

  sendPipe(side: number, seq: number, fd: number, pipe: number, length: number): void {
    const { sides } = this;
    assert((sides.parked[side] & PARKED_SEND) === 0, 'one send at a time per side');
    sides.sendSeq[side] = seq;
    sides.sendOffset[side] = pipe;
    sides.sendLength[side] = length;
    sides.sendDone[side] = 0;
    const added = this.set.addSide(side, fd);
    if (added < 0) this.completeSend(side, added);
    else this.pour(side, fd);
  }

  /** Sends what the socket takes out of a pipe. */
  private pour(side: number, fd: number): void {
    const { sides, pipes } = this;
    const pipe = sides.sendOffset[side];
    this.counters.sends++;
    const result = pipes.drain(pipe, fd);
    sides.sendDone[side] = sides.sendLength[side] - pipes.contentOf(pipe);
    this.advance(side, result);
    if ((sides.parked[side] & PARKED_SEND) !== 0) sides.parked[side] |= PARKED_SEND_PIPE;
  }

  /** Tries the rest of the parked send once. */
  resumeSend(side: number, fd: number): void {
    const { sides } = this;
    if ((sides.parked[side] & PARKED_SEND_PIPE) !== 0) {
      this.pour(side, fd);
      return;
    }
    const done = sides.sendDone[side];
    this.advance(side, this.send(fd, sides.sendOffset[side] + done, sides.sendLength[side] - done));
  }

  private send(fd: number, offset: number, length: number): number {
    let result: number;
    do {
      result = this.libc.send(fd, this.base + offset, length, MSG_NOSIGNAL);
    } while (result === -EINTR);
    this.counters.sends++;
    return result;
  }

  /** Notes what one call did: the send completes, or waits for room. */
  private advance(side: number, result: number): void {
    const { sides } = this;
    if (result >= 0 || result === -EAGAIN) {
      if (result > 0) sides.sendDone[side] += result;
      if (sides.sendDone[side] < sides.sendLength[side]) {
        // A partial send has met a full socket, so the edge is sure to come.
        sides.parked[side] |= PARKED_SEND;
        return;
      }
      this.completeSend(side, sides.sendLength[side]);
      return;
    }
    // EPIPE leaves the receiving direction as it is; any other error has just been taken from the socket, or by a
    // receive before: then both shall tell the same.
    if (result !== -EPIPE) sides.error[side] = -result;
    this.completeSend(side, result);
  }

  private completeSend(side: number, result: number): void {
    this.sides.parked[side] &= ~(PARKED_SEND | PARKED_SEND_PIPE);
    this.outbox.push(OP_SEND, side, this.sides.sendSeq[side], result, 0, 0);
  }

  private completeRecv(side: number, result: number, offset: number): void {
    const { sides } = this;
    sides.parked[side] &= ~(PARKED_RECV | PARKED_STARVED | PARKED_RECV_PIPE);
    this.outbox.push(OP_RECV, side, sides.recvSeq[side], result, 0, offset);
  }
}

/** What a watch reports: the error that an operation has already taken from the socket, else the usual one. */
export function abortError(sides: Sides, side: number): number {
  return -(sides.error[side] || ECONNRESET);
}
