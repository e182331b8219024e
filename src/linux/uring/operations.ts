/**
 * What the loop must remember of operations in flight, to submit them again inside (short sends, no buffer, nothing
 * to accept) and to cancel exactly the one that is meant.
 *
 * One row of 16 words per side, one cache line, so that an event touches a single line of ours.
 */
import { assert } from '../../base/assert.ts';
import { OP_CONNECT, OP_RECV, OP_SEND, OP_WATCH } from '../../loop/loop.ts';

export const SIDE_WORDS = 16;
export const SIDE_FLAGS = 0;
export const SIDE_FD = 1;
/** Arena offset and length of a recvInto; offset 0 for a receive into a small buffer. */
export const SIDE_RECV_OFFSET = 2;
export const SIDE_RECV_LENGTH = 3;
export const SIDE_SEND_OFFSET = 4;
export const SIDE_SEND_LENGTH = 5;
export const SIDE_SEND_DONE = 6;
/** The seq of operation `op` (2..5) is at SIDE_SEQ + op. */
export const SIDE_SEQ = 8;
/** Neighbours in the list of starved sides, as slot + 1; 0 none. */
const SIDE_NEXT = 14;
const SIDE_PREVIOUS = 15;

/** Per operation `op` (2..5): in flight; its end was asked for. */
export const ACTIVE = 1;
export const CANCEL_ASKED = 1 << 8;
/** The receive waits in the loop for a buffer. */
export const STARVED = 1 << 16;
/** The connect waits in the loop for room in its server's backlog. */
export const QUEUED = 1 << 17;

/** The receive or send in flight is one into or out of a pipe, whose number stands in place of the offset. */
export const RECV_PIPE = 1 << 19;
export const SEND_PIPE = 1 << 20;

const OPERATIONS_ALL = (1 << OP_CONNECT) | (1 << OP_RECV) | (1 << OP_SEND) | (1 << OP_WATCH);

export class Sides {
  readonly words: Int32Array;

  constructor(count: number) {
    this.words = new Int32Array(count * SIDE_WORDS);
  }

  /** Notes an operation as in flight. @errors asserts that this (op, slot) was not. @returns the row's first word. */
  begin(op: number, slot: number, seq: number, fd: number): number {
    const at = slot * SIDE_WORDS;
    const words = this.words;
    assert(at < words.length, 'the side is one of ours');
    const flags = words[at + SIDE_FLAGS];
    assert((flags & (ACTIVE << op)) === 0, 'one operation per side and kind is in flight');
    words[at + SIDE_FLAGS] = (flags | (ACTIVE << op)) & ~(CANCEL_ASKED << op);
    words[at + SIDE_FD] = fd;
    words[at + SIDE_SEQ + op] = seq;
    return at;
  }

  /** Notes the end of an operation. */
  end(op: number, at: number): void {
    this.words[at + SIDE_FLAGS] &= ~((ACTIVE << op) | (CANCEL_ASKED << op));
  }

  isCancelAsked(op: number, at: number): boolean {
    return (this.words[at + SIDE_FLAGS] & (CANCEL_ASKED << op)) !== 0;
  }

  seqOf(op: number, at: number): number {
    return this.words[at + SIDE_SEQ + op];
  }

  /** Is exactly this submission in flight? Safe for any numbers. @returns its row, or -1. */
  find(op: number, slot: number, seq: number): number {
    const at = slot * SIDE_WORDS;
    if (at >= this.words.length || ((1 << op) & OPERATIONS_ALL) === 0) return -1;
    if ((this.words[at + SIDE_FLAGS] & (ACTIVE << op)) === 0) return -1;
    return this.words[at + SIDE_SEQ + op] === seq ? at : -1;
  }
}

/** Sides whose receive waits for a buffer, first come first served; linked through the rows, so that any can leave. */
export class StarvedList {
  private readonly words: Int32Array;
  private first = 0;
  private last = 0;

  constructor(sides: Sides) {
    this.words = sides.words;
  }

  isEmpty(): boolean {
    return this.first === 0;
  }

  add(slot: number): void {
    const at = slot * SIDE_WORDS;
    this.words[at + SIDE_FLAGS] |= STARVED;
    this.words[at + SIDE_NEXT] = 0;
    this.words[at + SIDE_PREVIOUS] = this.last;
    if (this.last === 0) this.first = slot + 1;
    else this.words[(this.last - 1) * SIDE_WORDS + SIDE_NEXT] = slot + 1;
    this.last = slot + 1;
  }

  remove(slot: number): void {
    const words = this.words;
    const at = slot * SIDE_WORDS;
    const next = words[at + SIDE_NEXT];
    const previous = words[at + SIDE_PREVIOUS];
    words[at + SIDE_FLAGS] &= ~STARVED;
    if (previous === 0) this.first = next;
    else words[(previous - 1) * SIDE_WORDS + SIDE_NEXT] = next;
    if (next === 0) this.last = previous;
    else words[(next - 1) * SIDE_WORDS + SIDE_PREVIOUS] = previous;
  }

  /** Removes the one that waits longest. The list must not be empty. @returns its slot. */
  shift(): number {
    const slot = this.first - 1;
    this.remove(slot);
    return slot;
  }
}

/**
 * Errors that the kernel has told about open descriptors.
 *
 * It tells each once: when a send was told of the abort, a later receive would see an orderly end. By descriptor and
 * not by side, because closing the descriptor is what makes a side new.
 */
export class FdErrors {
  private errors = new Int32Array(1024);

  /** The negative errno that ended an earlier operation on this descriptor, or 0. */
  get(fd: number): number {
    return fd < this.errors.length ? this.errors[fd] : 0;
  }

  set(fd: number, error: number): void {
    if (fd >= this.errors.length) {
      const grown = new Int32Array(2 ** Math.ceil(Math.log2(fd + 1)));
      grown.set(this.errors);
      this.errors = grown;
    }
    if (this.errors[fd] === 0) this.errors[fd] = error;
  }

  /** The number is about to mean another socket. */
  forget(fd: number): void {
    if (fd < this.errors.length) this.errors[fd] = 0;
  }
}

const LISTENER_IDLE = 0;
const LISTENER_ARMED = 1;
const LISTENER_CANCEL_ASKED = 2;

/** Accepts in flight, one row per listener. */
export class Listeners {
  readonly fd: Int32Array;
  /** How many connections the accept may still take. */
  readonly max: Int32Array;
  private readonly state: Uint8Array;
  private readonly seq: Int32Array;

  constructor(count: number) {
    this.fd = new Int32Array(count);
    this.max = new Int32Array(count);
    this.state = new Uint8Array(count);
    this.seq = new Int32Array(count);
  }

  /** @errors asserts that the listener has no accept in flight. */
  begin(slot: number, seq: number, fd: number, max: number): void {
    assert(slot < this.state.length && max >= 1, 'the listener is one of ours and may accept');
    assert(this.state[slot] === LISTENER_IDLE, 'one accept per listener is in flight');
    this.state[slot] = LISTENER_ARMED;
    this.seq[slot] = seq;
    this.fd[slot] = fd;
    this.max[slot] = max;
  }

  end(slot: number): void {
    this.state[slot] = LISTENER_IDLE;
  }

  isCancelAsked(slot: number): boolean {
    return this.state[slot] === LISTENER_CANCEL_ASKED;
  }

  /** Notes that the end of exactly this accept is wanted. @returns whether it is news. */
  cancel(slot: number, seq: number): boolean {
    if (this.state[slot] !== LISTENER_ARMED || this.seq[slot] !== seq) return false;
    this.state[slot] = LISTENER_CANCEL_ASKED;
    return true;
  }
}
