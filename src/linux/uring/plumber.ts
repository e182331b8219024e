/**
 * Receives into and sends out of pipes: the ring tells when a socket is ready, splice(2) does the rest.
 *
 * The ring's own splice operation always goes to a kernel thread, which costs more than the call.
 */
import { EAGAIN, ECANCELED, EINTR } from '../../base/errno.ts';
import { OP_RECV, OP_SEND } from '../../loop/loop.ts';
import { POLLIN, POLLOUT } from './kernel.ts';
import {
  RECV_PIPE,
  SEND_PIPE,
  SIDE_FD,
  SIDE_FLAGS,
  SIDE_RECV_OFFSET,
  SIDE_SEND_DONE,
  SIDE_SEND_LENGTH,
  SIDE_SEND_OFFSET,
} from './operations.ts';
import type { Parts } from './parts.ts';

/** In place of a result: the operation goes on, nothing is to be told. */
export const GOES_ON = -EAGAIN;

export class Plumber {
  private readonly parts: Parts;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  /** Notes a receive into a pipe, which is still to be submitted. @returns the side's row. */
  beginRecv(side: number, seq: number, fd: number, pipe: number): number {
    const { sides } = this.parts;
    const at = sides.begin(OP_RECV, side, seq, fd);
    sides.words[at + SIDE_RECV_OFFSET] = pipe;
    sides.words[at + SIDE_FLAGS] |= RECV_PIPE;
    return at;
  }

  send(side: number, seq: number, fd: number, pipe: number, length: number): void {
    const { sides, submitter } = this.parts;
    const at = sides.begin(OP_SEND, side, seq, fd);
    sides.words[at + SIDE_SEND_OFFSET] = pipe;
    sides.words[at + SIDE_SEND_LENGTH] = length;
    sides.words[at + SIDE_SEND_DONE] = 0;
    sides.words[at + SIDE_FLAGS] |= SEND_PIPE;
    submitter.poll(OP_SEND, side, seq, fd, POLLOUT);
  }

  /** The poll of a receive has ended with `polled`. @returns the receive's result, or GOES_ON. */
  recvReady(slot: number, seq: number, at: number, polled: number): number {
    const { pipes, sides, submitter } = this.parts;
    const { words } = sides;
    const isOver = polled < 0 && !isRetry(polled);
    const result = isOver ? polled : pipes.fill(words[at + SIDE_RECV_OFFSET], words[at + SIDE_FD]);
    if (result === -EAGAIN && !sides.isCancelAsked(OP_RECV, at)) {
      submitter.poll(OP_RECV, slot, seq, words[at + SIDE_FD], POLLIN);
      return GOES_ON;
    }
    words[at + SIDE_FLAGS] &= ~RECV_PIPE;
    return result === -EAGAIN ? -ECANCELED : result;
  }

  /** The poll of a send has ended with `polled`. @returns the send's result, or GOES_ON. */
  sendReady(slot: number, seq: number, at: number, polled: number): number {
    const { pipes, sides, submitter } = this.parts;
    const { words } = sides;
    const pipe = words[at + SIDE_SEND_OFFSET];
    const isOver = polled < 0 && !isRetry(polled);
    const result = isOver ? polled : pipes.drain(pipe, words[at + SIDE_FD]);
    words[at + SIDE_SEND_DONE] = words[at + SIDE_SEND_LENGTH] - pipes.contentOf(pipe);
    if (result === -EAGAIN && !sides.isCancelAsked(OP_SEND, at)) {
      submitter.poll(OP_SEND, slot, seq, words[at + SIDE_FD], POLLOUT);
      return GOES_ON;
    }
    words[at + SIDE_FLAGS] &= ~SEND_PIPE;
    if (result === 0) return words[at + SIDE_SEND_LENGTH];
    return result === -EAGAIN ? -ECANCELED : result;
  }
}

function isRetry(result: number): boolean {
  return result === -EAGAIN || result === -EINTR;
}
