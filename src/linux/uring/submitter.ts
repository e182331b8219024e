/** Writes the submission entries of our operations: the only place that knows how each is encoded. */
import { SMALL_SIZE } from '../../base/small-buffers.ts';
import { MSG_NOSIGNAL, MSG_WAITALL } from '../sockets.ts';
import { RECV_PIPE, SIDE_FD, SIDE_FLAGS, SIDE_RECV_LENGTH, SIDE_RECV_OFFSET } from './operations.ts';
import { BUFFER_GROUP } from './provided-buffers.ts';
import {
  POLL_ADD_MULTI,
  POLLIN,
  RECV_BUNDLE,
  RECV_MULTISHOT,
  RECV_POLL_FIRST,
  SQE_BUFFER_SELECT,
  SQE_SKIP_SUCCESS,
  URING_ASYNC_CANCEL,
  URING_CLOSE,
  URING_CONNECT,
  URING_POLL_ADD,
  URING_RECV,
  URING_SEND,
} from './kernel.ts';
import type { Ring } from './ring.ts';
import { OP_CONNECT, OP_RECV, OP_SEND, OP_WATCH, SEQ_MASK } from '../../loop/loop.ts';

/** In place of an operation: a receive that stays armed; in place of the slot its descriptor, of the seq its generation. */
export const OP_STANDING = 14;
/** In place of an operation: completions that are swallowed (failed cancels and closes). */
export const OP_INTERNAL = 15;
/** With an operation: the cancel of it, of which the kernel tells only when it has failed. */
export const CANCEL_OF = 16;

const HEAD_RECV = URING_RECV;
const HEAD_RECV_SMALL = URING_RECV | (SQE_BUFFER_SELECT << 8);
const HEAD_POLL_FIRST = RECV_POLL_FIRST << 16;
const HEAD_STANDING = HEAD_RECV_SMALL | ((RECV_POLL_FIRST | RECV_MULTISHOT | RECV_BUNDLE) << 16);
const HEAD_CANCEL = URING_ASYNC_CANCEL | (SQE_SKIP_SUCCESS << 8);
const HEAD_CLOSE = URING_CLOSE | (SQE_SKIP_SUCCESS << 8);
// MSG_WAITALL: the kernel itself goes on after a part was taken, without a completion for each part.
const SEND_FLAGS = MSG_WAITALL | MSG_NOSIGNAL;

/** The upper word of user_data; the lower one is the slot. */
function userHigh(op: number, seq: number): number {
  return (op << 24) | (seq & SEQ_MASK);
}

export class Submitter {
  private readonly ring: Ring;
  private readonly base: number;

  /** @param base address of the arena. */
  constructor(ring: Ring, base: number) {
    this.ring = ring;
    this.base = base;
  }

  recvSmall(slot: number, seq: number, fd: number, pollFirst: boolean): void {
    const head = pollFirst ? HEAD_RECV_SMALL | HEAD_POLL_FIRST : HEAD_RECV_SMALL;
    this.ring.push(head, fd, 0, 0, 0, 0, slot, userHigh(OP_RECV, seq), BUFFER_GROUP);
  }

  recvInto(slot: number, seq: number, fd: number, pollFirst: boolean, offset: number, length: number): void {
    const head = pollFirst ? HEAD_RECV | HEAD_POLL_FIRST : HEAD_RECV;
    this.ring.push(head, fd, 0, this.base + offset, length, 0, slot, userHigh(OP_RECV, seq), 0);
  }

  /** A receive into small buffers that stays armed: one buffer a run, because of the length. */
  recvStanding(fd: number, generation: number): void {
    this.ring.push(HEAD_STANDING, fd, 0, 0, SMALL_SIZE, 0, fd, userHigh(OP_STANDING, generation), BUFFER_GROUP);
  }

  /** Asks for the end of that receive. */
  recvLeave(fd: number, generation: number): void {
    this.ring.pushTarget(HEAD_CANCEL, fd, userHigh(OP_STANDING, generation), 0, userHigh(OP_INTERNAL, 0));
  }

  /** Submits the receive that the side's row `at` tells of. */
  recvAgain(slot: number, seq: number, words: Int32Array, at: number, pollFirst: boolean): void {
    const fd = words[at + SIDE_FD];
    const offset = words[at + SIDE_RECV_OFFSET] >>> 0;
    if ((words[at + SIDE_FLAGS] & RECV_PIPE) !== 0) this.poll(OP_RECV, slot, seq, fd, POLLIN);
    else if (offset === 0) this.recvSmall(slot, seq, fd, pollFirst);
    else this.recvInto(slot, seq, fd, pollFirst, offset, words[at + SIDE_RECV_LENGTH]);
  }

  send(slot: number, seq: number, fd: number, offset: number, length: number): void {
    this.ring.push(URING_SEND, fd, 0, this.base + offset, length, SEND_FLAGS, slot, userHigh(OP_SEND, seq), 0);
  }

  /** @param address arena offset of a sockaddr that stays until it is submitted. */
  connect(slot: number, seq: number, fd: number, address: number, length: number): void {
    this.ring.push(URING_CONNECT, fd, length, this.base + address, 0, 0, slot, userHigh(OP_CONNECT, seq), 0);
  }

  /** Reports errors and hang-ups, which need no asking for, until it is cancelled. */
  watch(slot: number, seq: number, fd: number): void {
    this.ring.push(URING_POLL_ADD, fd, 0, 0, POLL_ADD_MULTI, 0, slot, userHigh(OP_WATCH, seq), 0);
  }

  /** One readiness report, also when it is ready already. */
  poll(op: number, slot: number, seq: number, fd: number, events: number): void {
    this.ring.push(URING_POLL_ADD, fd, 0, 0, 0, events, slot, userHigh(op, seq), 0);
  }

  /** Asks for the end of exactly this submission. */
  cancel(op: number, slot: number, seq: number): void {
    this.ring.pushTarget(HEAD_CANCEL, slot, userHigh(op, seq), slot, userHigh(CANCEL_OF | op, seq));
  }

  close(fd: number): void {
    this.ring.push(HEAD_CLOSE, fd, 0, 0, 0, 0, 0, userHigh(OP_INTERNAL, 0), 0);
  }
}
