/** Turns completions of the ring into completions of the contract, and submits again what has to stay inside. */
import { EAGAIN, ECANCELED, ECONNRESET, EINTR, ENOBUFS, ENOENT, EPIPE } from '../../base/errno.ts';
import { ENDPOINT_KIND, PEER_SIZE } from '../../base/endpoint.ts';
import type { Fd } from '../../base/brand.ts';
import { FLAG_MORE, OP_ACCEPT, OP_CONNECT, OP_RECV, OP_SEND, OP_WAKE, OP_WATCH, SEQ_MASK } from '../../loop/loop.ts';
import type { Batch } from './batch.ts';
import { CQE_BUFFER, CQE_BUFFER_SHIFT, CQE_MORE, CQE_SOCKET_NOT_EMPTY, CQE_WORDS, POLLERR, POLLIN } from './kernel.ts';
import {
  RECV_PIPE,
  SEND_PIPE,
  SIDE_FD,
  SIDE_FLAGS,
  SIDE_RECV_OFFSET,
  SIDE_SEND_DONE,
  SIDE_SEND_LENGTH,
  SIDE_SEND_OFFSET,
  SIDE_WORDS,
  type FdErrors,
  type Sides,
} from './operations.ts';
import { GOES_ON, type Plumber } from './plumber.ts';
import type { ProvidedBuffers } from './provided-buffers.ts';
import type { Parts } from './parts.ts';
import type { StandingReceives } from './standing.ts';
import type { StreamErrors } from './stream-errors.ts';
import { CANCEL_OF, OP_STANDING, type Submitter } from './submitter.ts';

export class Reaper {
  private readonly parts: Parts;
  private readonly batch: Batch;
  private readonly sides: Sides;
  private readonly words: Int32Array;
  private readonly buffers: ProvidedBuffers;
  private readonly submitter: Submitter;
  private readonly errors: FdErrors;
  private readonly acceptedFds: Int32Array;
  private readonly plumber: Plumber;
  private readonly standing: StandingReceives;
  private readonly streamErrors: StreamErrors;
  private isWakeArmed = false;

  constructor(parts: Parts, plumber: Plumber, standing: StandingReceives, streamErrors: StreamErrors) {
    this.plumber = plumber;
    this.standing = standing;
    this.streamErrors = streamErrors;
    this.parts = parts;
    this.batch = parts.batch;
    this.sides = parts.sides;
    this.words = parts.sides.words;
    this.buffers = parts.buffers;
    this.submitter = parts.submitter;
    this.errors = parts.errors;
    this.acceptedFds = new Int32Array(parts.batch.capacity + 1);
  }

  /** Sees to it that the wake-up is waited for. No-op when it is, or when there is none. */
  armWake(): void {
    if (this.isWakeArmed || this.parts.wakeFd < 0) return;
    this.isWakeArmed = true;
    this.submitter.poll(OP_WAKE, 0, 0, this.parts.wakeFd, POLLIN);
  }

  /** Fills the batch anew. What does not fit stays in the ring for the next round. */
  reap(): void {
    const { batch } = this;
    const { ring } = this.parts;
    batch.count = 0;
    this.parts.local.drain(batch);
    const { words, cqes, cqMask } = ring;
    const tail = ring.completionTail();
    let head = ring.completionHead();
    // Two entries are the least that an accept needs.
    while (head !== tail && batch.room() >= 2) {
      const at = cqes + (head & cqMask) * CQE_WORDS;
      this.dispatch(words[at], words[at + 1], words[at + 2], words[at + 3]);
      head = (head + 1) | 0;
    }
    ring.consume(head);
  }

  private dispatch(slot: number, high: number, result: number, flags: number): void {
    const seq = high & SEQ_MASK;
    switch (high >>> 24) {
      case OP_RECV:
        this.recvComplete(slot, seq, result, flags);
        return;
      case OP_STANDING:
        // In place of slot and seq: descriptor and generation.
        this.standing.complete(slot, seq, result, flags);
        return;
      case OP_SEND:
        this.sendComplete(slot, seq, result);
        return;
      case OP_CONNECT:
        this.sides.end(OP_CONNECT, slot * SIDE_WORDS);
        this.batch.add(OP_CONNECT, slot, seq, result, 0, 0);
        return;
      case OP_ACCEPT:
        this.acceptComplete(slot, seq, result);
        return;
      case OP_WATCH:
        this.watchComplete(slot, seq, result, flags);
        return;
      case OP_WAKE:
        this.wakeComplete();
        return;
      case CANCEL_OF | OP_SEND:
        this.cancelFailed(slot, seq, result);
        return;
      default:
        // A cancel that came too late, or a close of a bad descriptor: nobody waits for it.
        return;
    }
  }

  /**
   * A send found its socket ready as it began to wait, and is to be tried again: for that long the kernel cannot find it,
   * and it may wait again afterwards, for a peer that never reads. So whoever is still there is asked again. Other
   * operations end when they are tried.
   * @source io_queue_async and io_arm_poll_handler of io_uring (IO_APOLL_READY), io_async_cancel
   */
  private cancelFailed(slot: number, seq: number, result: number): void {
    if (result === -ENOENT && this.sides.find(OP_SEND, slot, seq) >= 0) this.submitter.cancel(OP_SEND, slot, seq);
  }

  private recvComplete(slot: number, seq: number, result: number, flags: number): void {
    const at = slot * SIDE_WORDS;
    if ((this.words[at + SIDE_FLAGS] & RECV_PIPE) !== 0) {
      const received = this.plumber.recvReady(slot, seq, at, result);
      if (received !== GOES_ON) this.recvEnded(slot, seq, at, received, 0);
      return;
    }
    let offset = this.words[at + SIDE_RECV_OFFSET] >>> 0;
    if ((flags & CQE_BUFFER) !== 0) {
      offset = this.buffers.take(flags >>> CQE_BUFFER_SHIFT);
      if (result <= 0) this.buffers.release(offset);
    }
    if (result > 0) {
      this.standing.heard(this.words[at + SIDE_FD], (flags & CQE_SOCKET_NOT_EMPTY) === 0);
      this.recvEnded(slot, seq, at, result, offset);
      return;
    }
    this.standing.heard(this.words[at + SIDE_FD], false);
    if (isRetry(result) || (result === -ENOBUFS && offset === 0)) {
      if (!this.sides.isCancelAsked(OP_RECV, at)) {
        this.recvAgain(slot, seq, at, result);
        return;
      }
      result = -ECANCELED;
    }
    this.recvEnded(slot, seq, at, result, 0);
  }

  private recvEnded(slot: number, seq: number, at: number, received: number, offset: number): void {
    // An abort must not look like an orderly end only because a send was told of it first.
    const result = received === 0 ? this.streamErrors.endOfStream(at) : received;
    this.sides.end(OP_RECV, at);
    this.batch.add(OP_RECV, slot, seq, result, 0, offset);
    if (result < 0) this.streamErrors.note(slot, at, result);
  }

  private recvAgain(slot: number, seq: number, at: number, result: number): void {
    if (result === -ENOBUFS) {
      this.parts.counters.starved++;
      this.parts.starved.add(slot);
    } else {
      this.submitter.recvAgain(slot, seq, this.words, at, true);
    }
  }

  /** A send can end early (a signal, a cancel, an error after a part was taken): the rest goes in again. */
  private sendComplete(slot: number, seq: number, result: number): void {
    const at = slot * SIDE_WORDS;
    const length = this.words[at + SIDE_SEND_LENGTH] >>> 0;
    if ((this.words[at + SIDE_FLAGS] & SEND_PIPE) !== 0) {
      const sent = this.plumber.sendReady(slot, seq, at, result);
      if (sent !== GOES_ON) this.sendEnded(slot, seq, at, sent);
      return;
    }
    const before = this.words[at + SIDE_SEND_DONE] >>> 0;
    const done = before + Math.max(result, 0);
    if (done < length && (result > 0 || isRetry(result))) {
      if (!this.sides.isCancelAsked(OP_SEND, at)) {
        this.words[at + SIDE_SEND_DONE] = done;
        const offset = (this.words[at + SIDE_SEND_OFFSET] >>> 0) + done;
        this.submitter.send(slot, seq, this.words[at + SIDE_FD], offset, length - done);
        return;
      }
      result = -ECANCELED;
    } else if (done < length && result === 0) {
      result = -EPIPE;
    }
    this.sendEnded(slot, seq, at, result < 0 ? result : length);
  }

  private sendEnded(slot: number, seq: number, at: number, result: number): void {
    this.sides.end(OP_SEND, at);
    this.batch.add(OP_SEND, slot, seq, result, 0, 0);
    // EPIPE alone: the peer had ended its stream in order before it reset, and what it sent is still worth its end.
    // After a part was taken it may stand for an abort that the part has swallowed.
    const isPartTaken = this.words[at + SIDE_SEND_DONE] !== 0;
    if (result < 0 && (result !== -EPIPE || isPartTaken)) this.streamErrors.note(slot, at, result);
  }

  private acceptComplete(slot: number, seq: number, result: number): void {
    const { listeners, sockets, peers } = this.parts;
    let final = result;
    if (result >= 0) {
      const { batch, acceptedFds } = this;
      const max = Math.min(listeners.max[slot], batch.room() - 1);
      const count = sockets.acceptBurst(listeners.fd[slot] as Fd, max, acceptedFds, peers, batch.count * PEER_SIZE);
      for (let i = 0; i < count; i++) {
        const peer = batch.count * PEER_SIZE;
        this.standing.begin(acceptedFds[i], peers[peer + ENDPOINT_KIND]);
        batch.add(OP_ACCEPT, slot, seq, acceptedFds[i], FLAG_MORE, peer);
      }
      // Once somebody was accepted, an error can wait: the next accept meets it again.
      final = count > 0 ? 0 : acceptedFds[count];
    }
    if (isRetry(final)) {
      // Somebody else was faster, or the client is gone.
      if (!listeners.isCancelAsked(slot)) {
        this.submitter.poll(OP_ACCEPT, slot, seq, listeners.fd[slot], POLLIN);
        return;
      }
      final = -ECANCELED;
    }
    listeners.end(slot);
    this.batch.add(OP_ACCEPT, slot, seq, final, 0, 0);
  }

  /**
   * The watch is a poll that reports changes until it is cancelled.
   *
   * POLLERR: an abort; its cause stays in the socket, where the next receive finds it (SO_ERROR would remove it).
   * POLLRDHUP, POLLHUP: one direction or both have ended in order; both are always reported, and go on.
   * @source tcp_poll and tcp_reset of net/ipv4, unix_poll of net/unix, io_poll_check_events of io_uring
   */
  private watchComplete(slot: number, seq: number, result: number, flags: number): void {
    const at = this.sides.find(OP_WATCH, slot, seq);
    // What is left of a watch whose completion was given already.
    if (at < 0) return;
    const isLast = (flags & CQE_MORE) === 0;
    if (result >= 0 || isRetry(result)) {
      const error = (result & POLLERR) !== 0 && result >= 0 ? -ECONNRESET : this.errors.get(this.words[at + SIDE_FD]);
      if (error !== 0) {
        if (!isLast) this.submitter.cancel(OP_WATCH, slot, seq);
        result = error;
      } else {
        if (!isLast) return;
        if (!this.sides.isCancelAsked(OP_WATCH, at)) {
          this.submitter.watch(slot, seq, this.words[at + SIDE_FD]);
          return;
        }
        result = -ECANCELED;
      }
    }
    this.sides.end(OP_WATCH, at);
    this.batch.add(OP_WATCH, slot, seq, result, 0, 0);
  }

  private wakeComplete(): void {
    this.isWakeArmed = false;
    this.parts.ffi.libc.read(this.parts.wakeFd, this.parts.wakeAddress, 8);
    this.batch.add(OP_WAKE, 0, 0, 0, 0, 0);
  }
}

function isRetry(result: number): boolean {
  return result === -EAGAIN || result === -EINTR;
}
