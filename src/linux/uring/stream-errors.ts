/**
 * Errors of streams, told to everybody who has to know.
 *
 * The kernel tells an error once: what one operation was told, the others must still learn.
 */
import { ECANCELED, ECONNRESET, EPIPE } from '../../base/errno.ts';
import { OP_SEND, OP_WATCH } from '../../loop/loop.ts';
import { POLLERR, POLLHUP } from './kernel.ts';
import { ACTIVE, SIDE_FD, SIDE_FLAGS } from './operations.ts';
import type { Parts } from './parts.ts';

export class StreamErrors {
  private readonly parts: Parts;
  private readonly words: Int32Array;

  constructor(parts: Parts) {
    this.parts = parts;
    this.words = parts.sides.words;
  }

  /** An operation of this side has failed with `result`: what comes after it, and a watch, learn the same. */
  note(slot: number, at: number, result: number): void {
    if (result === -ECANCELED) return;
    const { errors, sides, local, submitter } = this.parts;
    // EPIPE is how a send is told that the stream is dead.
    const error = result === -EPIPE ? -ECONNRESET : result;
    errors.set(this.words[at + SIDE_FD], error);
    if ((this.words[at + SIDE_FLAGS] & (ACTIVE << OP_WATCH)) === 0) return;
    const seq = sides.seqOf(OP_WATCH, at);
    sides.end(OP_WATCH, at);
    local.add(OP_WATCH, slot, seq, error, 0);
    submitter.cancel(OP_WATCH, slot, seq);
  }

  /**
   * What an end of stream really is: 0, or the error that another operation was told of.
   *
   * A send that was in flight when the peer aborted may have taken the error and not completed yet. Then the socket
   * is dead in both directions, although we have not ended ours: a send is in flight.
   * @cost a system call when a send is in flight, which is rare at the end of a stream.
   */
  endOfStream(at: number): number {
    const fd = this.words[at + SIDE_FD];
    const known = this.parts.errors.get(fd);
    if (known !== 0 || (this.words[at + SIDE_FLAGS] & (ACTIVE << OP_SEND)) === 0) return known;
    return this.isHungUp(fd) ? -ECONNRESET : 0;
  }

  private isHungUp(fd: number): boolean {
    const { ffi, pollAddress, pollWords } = this.parts;
    pollWords[0] = fd;
    pollWords[1] = 0;
    ffi.libc.poll(pollAddress, 1, 0);
    return ((pollWords[1] >>> 16) & (POLLHUP | POLLERR)) !== 0;
  }
}
