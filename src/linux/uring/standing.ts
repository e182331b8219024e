/**
 * Receives that stay armed: one submission brings message after message until it is told to stop, so that a message
 * costs neither a submission nor a poll of its own.
 *
 * The engine asks for every message; here asking and coming meet. What comes while nobody asks is parked. When it is
 * still there at the end of the turn, the receive is taken back: a reader that stands still costs one buffer more, not
 * all there are. It is taken back too from a socket that holds more than a buffer, which is no place for messages.
 *
 * Rows are by descriptor, because closing it is what makes them new; completions of a receive that outlived its
 * descriptor are told by their generation.
 * @source io_uring_prep_recv_multishot(3). A bundle with a length is what keeps one run from emptying the socket into
 * many buffers: measured on 6.18, where older kernels answer EINVAL.
 */
import { EAGAIN, ECANCELED, EINTR, ENOBUFS } from '../../base/errno.ts';
import type { Us } from '../../base/brand.ts';
import { KIND_UNIX } from '../../base/endpoint.ts';
import { OP_RECV, SEQ_MASK } from '../../loop/loop.ts';
import { FdList, grown } from './fd-list.ts';
import type { HiddenEnds } from './hidden-ends.ts';
import { CQE_BUFFER, CQE_BUFFER_SHIFT, CQE_MORE, CQE_SOCKET_NOT_EMPTY, CQE_WORDS } from './kernel.ts';
import {
  ACTIVE,
  RECV_PIPE,
  SIDE_FD,
  SIDE_FLAGS,
  SIDE_RECV_LENGTH,
  SIDE_RECV_OFFSET,
  SIDE_WORDS,
} from './operations.ts';
import type { Parts } from './parts.ts';
import type { StreamErrors } from './stream-errors.ts';
import { OP_STANDING } from './submitter.ts';

/** Words of a row. All zero but the generation: nothing of this descriptor is here. */
const ROW = 8;
const STATE = 0;
const SIDE = 1;
const GENERATION = 2;
/** Entries of Parked, 0 for none. */
const FIRST = 3;
const LAST = 4;
/** With ENDED: what ended the stream, 0 or -errno. */
const RESULT = 5;
/** What its receives were like. */
const HABIT = 6;
/** 1: see HiddenEnds. */
const IS_SUSPECT = 7;

/** Bits of HABIT. Receives of this socket never stay armed; the last one emptied it; so did the one before that. */
const EXEMPT = 1;
const DRAINED = 2;
const CONVERSES = 4;

/** Bits of STATE. The kernel has the receive; it was told to give it back. */
const ARMED = 1;
const LEAVING = 2;
/** Something is parked; the stream has ended after it. */
const PARKED = 4;
const ENDED = 8;
/** The socket had more than a buffer holds. */
const IS_BULK = 16;
/** Bytes of it are in the ring, in completions that no batch had room for yet. */
const COMING = 32;

export class StandingReceives {
  private readonly parts: Parts;
  private readonly errors: StreamErrors;
  private readonly sideWords: Int32Array;
  private rows = new Int32Array(1024 * ROW);
  /** Completions of the ring that were looked at for such bytes: from where to where. */
  private seenHead = 0;
  private seenTail = 0;
  /** Descriptors whose receive has to be looked at when the turn is over. */
  private readonly doubtful = new FdList();
  private readonly hidden: HiddenEnds;
  private readonly isSuspect = (fd: number): boolean => this.acquit(fd);
  private readonly onHidden = (fd: number): void => this.takeBack(fd * ROW);

  constructor(parts: Parts, errors: StreamErrors) {
    this.parts = parts;
    this.errors = errors;
    this.sideWords = parts.sides.words;
    this.hidden = parts.hiddenEnds;
  }

  /** Nothing of this descriptor is here: a receive goes to the kernel by itself. */
  isClear(fd: number): boolean {
    return this.rows[fd * ROW + STATE] === 0;
  }

  /**
   * A descriptor is new. A unix socket is exempt: that something was left unread its kernel tells the peer by what is in
   * the socket alone, and we cannot tell it in its place.
   */
  begin(fd: number, kind: number): void {
    const row = fd * ROW;
    if (row >= this.rows.length) this.rows = grown(this.rows, row + ROW);
    this.rows[row + HABIT] = kind === KIND_UNIX || !this.parts.isStanding ? EXEMPT : 0;
  }

  /** A receive has brought something: all there was, or not. */
  heard(fd: number, isDrained: boolean): void {
    const at = fd * ROW + HABIT;
    const habit = this.rows[at];
    if (!isDrained) this.rows[at] = habit & EXEMPT;
    else this.rows[at] = (habit & (EXEMPT | DRAINED)) === DRAINED ? habit | CONVERSES : habit | DRAINED;
  }

  /** The last receive emptied the socket: the next one had better wait for readiness first. */
  isDrained(fd: number): boolean {
    return (this.rows[fd * ROW + HABIT] & DRAINED) !== 0;
  }

  /**
   * Whether a receive of this descriptor should stay armed. Two messages in a row were all there was: such a peer is
   * likely to wait for an answer, and to go on in the same way. One could be the tail of a longer one.
   */
  isConversation(fd: number): boolean {
    return (this.rows[fd * ROW + HABIT] & CONVERSES) !== 0;
  }

  /** Arms one, for the receive that this side has just begun. The descriptor must be clear. */
  arm(side: number, fd: number): void {
    const row = fd * ROW;
    this.rows[row + STATE] = ARMED;
    this.rows[row + SIDE] = side;
    this.parts.submitter.recvStanding(fd, this.rows[row + GENERATION]);
  }

  /** A receive has begun on a descriptor that is not clear. */
  ask(slot: number, at: number): void {
    const row = this.sideWords[at + SIDE_FD] * ROW;
    const state = this.rows[row + STATE];
    if ((state & PARKED) !== 0) this.handParked(slot, at, row);
    else if ((state & ENDED) !== 0) this.finish(slot, at, this.takeEnd(at, row), 0);
    // One that brings its own memory has to have the socket for itself.
    else if (!this.isForMessages(at)) this.takeBack(row);
  }

  /** Ends the receive of this side if it waits here. @returns whether it did. */
  cancel(slot: number, at: number): boolean {
    if (this.isClear(this.sideWords[at + SIDE_FD])) return false;
    this.finish(slot, at, -ECANCELED, 0);
    return true;
  }

  /** The descriptor is about to be closed. @returns whether bytes have come that nobody asked for. */
  forget(fd: number): boolean {
    if (this.isClear(fd)) return false;
    const { rows } = this;
    const row = fd * ROW;
    this.lookAhead();
    this.takeBack(row);
    const isUnread = (rows[row + STATE] & (PARKED | COMING)) !== 0;
    while ((rows[row + STATE] & PARKED) !== 0) this.parts.buffers.release(this.unpark(row));
    rows[row + STATE] = 0;
    rows[row + GENERATION] = (rows[row + GENERATION] + 1) & SEQ_MASK;
    return isUnread;
  }

  /**
   * Notes which receives have bytes among the completions that wait in the ring because a batch was full. Those that wait
   * outside of a full ring cannot be seen.
   * @cost nothing when there are none; else each of them once a turn.
   */
  private lookAhead(): void {
    const { ring } = this.parts;
    const head = ring.completionHead();
    const tail = ring.completionTail();
    const { words, cqes, cqMask } = ring;
    for (let at = head === this.seenHead ? this.seenTail : head; at !== tail; at = (at + 1) | 0) {
      const entry = cqes + (at & cqMask) * CQE_WORDS;
      const high = words[entry + 1];
      if (high >>> 24 !== OP_STANDING || words[entry + 2] <= 0) continue;
      const row = words[entry] * ROW;
      if (this.rows[row + GENERATION] === (high & SEQ_MASK)) this.rows[row + STATE] |= COMING;
    }
    this.seenHead = head;
    this.seenTail = tail;
  }

  /** The kernel tells of the receive of a descriptor. */
  complete(fd: number, generation: number, result: number, flags: number): void {
    const { rows, sideWords, parts } = this;
    const row = fd * ROW;
    const buffer = (flags & CQE_BUFFER) === 0 ? 0 : parts.buffers.take(flags >>> CQE_BUFFER_SHIFT);
    const isCurrent = rows[row + GENERATION] === generation;
    if (buffer !== 0 && (result <= 0 || !isCurrent)) parts.buffers.release(buffer);
    // It goes on though it was told to leave: that had come too early, or not in time.
    const isDeaf = !isCurrent || (rows[row + STATE] & LEAVING) !== 0;
    if (isDeaf && (flags & CQE_MORE) !== 0) parts.submitter.recvLeave(fd, generation);
    if (!isCurrent) return;
    rows[row + STATE] &= (flags & CQE_MORE) === 0 ? ~(ARMED | LEAVING | IS_BULK | COMING) : ~COMING;
    const slot = rows[row + SIDE];
    const at = slot * SIDE_WORDS;
    const isAsked = (sideWords[at + SIDE_FLAGS] & (ACTIVE << OP_RECV)) !== 0 && sideWords[at + SIDE_FD] === fd;
    if (result > 0) this.come(slot, at, row, isAsked, buffer, result, (flags & CQE_SOCKET_NOT_EMPTY) === 0);
    else if (!isRetry(result)) this.over(slot, at, row, isAsked, result);
    else if (isAsked) this.goOn(slot, at, result);
  }

  /** A turn is over that began at `now`: receives that bring what nobody asks for, or hide an end, are taken back. */
  settle(now: Us): void {
    const { doubtful, hidden } = this;
    for (let i = 0; i < doubtful.count; i++) {
      const row = doubtful.at(i) * ROW;
      if ((this.rows[row + STATE] & (PARKED | IS_BULK)) !== 0) this.takeBack(row);
    }
    doubtful.clear();
    if (hidden.isDue(now)) hidden.look(this.isSuspect, this.onHidden);
  }

  private come(
    slot: number,
    at: number,
    row: number,
    isAsked: boolean,
    buffer: number,
    length: number,
    isDrained: boolean,
  ): void {
    const isTold = isAsked && this.isForMessages(at);
    // What was parked is no sign of a peer that waits for its answer.
    this.heard(row / ROW, isDrained && isTold);
    if (!isDrained && (this.rows[row + STATE] & ARMED) !== 0) this.rows[row + STATE] |= IS_BULK;
    if (!isDrained || !isTold) this.doubtful.add(row / ROW);
    this.suspect(row);
    if (isTold) {
      this.parts.sides.end(OP_RECV, at);
      this.parts.batch.add(OP_RECV, slot, this.parts.sides.seqOf(OP_RECV, at), length, 0, buffer);
      return;
    }
    this.park(row, buffer, length);
    if (isAsked) this.handParked(slot, at, row);
  }

  private over(slot: number, at: number, row: number, isAsked: boolean, result: number): void {
    this.rows[row + STATE] |= ENDED;
    this.rows[row + RESULT] = result;
    let told = result;
    if (isAsked) {
      told = this.takeEnd(at, row);
      this.endAsked(at);
      this.parts.batch.add(OP_RECV, slot, this.parts.sides.seqOf(OP_RECV, at), told, 0, 0);
    }
    if (told < 0) this.errors.note(slot, at, told);
  }

  /** What was asked for has to go to the kernel by itself. */
  private goOn(slot: number, at: number, result: number): void {
    const { counters, starved, submitter, sides } = this.parts;
    if (result === -ENOBUFS && this.isForMessages(at)) {
      counters.starved++;
      starved.add(slot);
    } else {
      submitter.recvAgain(slot, sides.seqOf(OP_RECV, at), this.sideWords, at, false);
    }
  }

  private isForMessages(at: number): boolean {
    return (this.sideWords[at + SIDE_FLAGS] & RECV_PIPE) === 0 && this.sideWords[at + SIDE_RECV_OFFSET] === 0;
  }

  private takeEnd(at: number, row: number): number {
    this.rows[row + STATE] &= ~ENDED;
    const result = this.rows[row + RESULT];
    return result === 0 ? this.errors.endOfStream(at) : result;
  }

  private takeBack(row: number): void {
    if ((this.rows[row + STATE] & (ARMED | LEAVING)) !== ARMED) return;
    this.rows[row + STATE] |= LEAVING;
    this.parts.submitter.recvLeave(row / ROW, this.rows[row + GENERATION]);
  }

  /** It has brought something, and may hide what came right behind it. */
  private suspect(row: number): void {
    if (this.rows[row + IS_SUSPECT] !== 0) return;
    this.rows[row + IS_SUSPECT] = 1;
    this.hidden.suspect(row / ROW);
  }

  /** It is no longer suspected. @returns whether its receive is armed. */
  private acquit(fd: number): boolean {
    this.rows[fd * ROW + IS_SUSPECT] = 0;
    return (this.rows[fd * ROW + STATE] & (ARMED | LEAVING)) === ARMED;
  }

  private park(row: number, buffer: number, length: number): void {
    const { rows } = this;
    const isFirst = (rows[row + STATE] & PARKED) === 0;
    const entry = this.parts.parked.add(isFirst ? 0 : rows[row + LAST], buffer, length);
    if (isFirst) rows[row + FIRST] = entry;
    rows[row + LAST] = entry;
    rows[row + STATE] |= PARKED;
  }

  /** Takes the first parked message out of the list. @returns its buffer. */
  private unpark(row: number): number {
    const { parked } = this.parts;
    const first = this.rows[row + FIRST];
    this.rows[row + FIRST] = parked.nextOf(first);
    if (this.rows[row + FIRST] === 0) this.rows[row + STATE] &= ~PARKED;
    return parked.bufferOf(first);
  }

  /** Gives the first parked message to the receive that asks, in the memory that it wants. */
  private handParked(slot: number, at: number, row: number): void {
    const { arena, buffers, parked, memory, pipes } = this.parts;
    const entry = this.rows[row + FIRST];
    const [from, left] = [parked.fromOf(entry), parked.leftOf(entry)];
    const offset = this.sideWords[at + SIDE_RECV_OFFSET];
    if (this.isForMessages(at)) {
      const buffer = this.unpark(row);
      if (from !== buffer) arena.copyWithin(buffer, from, from + left);
      this.finish(slot, at, left, buffer);
      return;
    }
    let length: number;
    if ((this.sideWords[at + SIDE_FLAGS] & RECV_PIPE) !== 0) {
      // It asserts that the pipe is empty, which no peer can change: what is in it is what we moved in and out, and the
      // engine receives into it when all of it was sent, or has given it back.
      length = pipes.write(offset, memory.base + from, left);
    } else {
      length = Math.min(left, this.sideWords[at + SIDE_RECV_LENGTH]);
      arena.copyWithin(offset >>> 0, from, from + length);
    }
    if (length > 0 && !parked.cut(entry, length)) buffers.release(this.unpark(row));
    this.finish(slot, at, length, offset >>> 0);
  }

  private endAsked(at: number): void {
    this.sideWords[at + SIDE_FLAGS] &= ~RECV_PIPE;
    this.parts.sides.end(OP_RECV, at);
  }

  /** Completes the receive of a side without the kernel. */
  private finish(slot: number, at: number, result: number, buffer: number): void {
    this.endAsked(at);
    this.parts.local.add(OP_RECV, slot, this.parts.sides.seqOf(OP_RECV, at), result, buffer);
  }
}

/** Not the stream's end, but the receive's. */
function isRetry(result: number): boolean {
  return result === -ECANCELED || result === -ENOBUFS || result === -EAGAIN || result === -EINTR;
}
