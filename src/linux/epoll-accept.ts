/** Accepting over epoll: which listeners are awaited, and taking at most what was asked for. */
import { assert } from '../base/assert.ts';
import type { Fd } from '../base/brand.ts';
import { PEER_SIZE } from '../base/endpoint.ts';
import { EAGAIN, ENOENT } from '../base/errno.ts';
import type { Outbox } from '../base/outbox.ts';
import { FLAG_MORE, OP_ACCEPT } from '../loop/loop.ts';
import { NO_FD } from './epoll-abi.ts';
import type { Sockets } from './sockets.ts';

/** Connections accepted between two turns, over all listeners; the rest waits in the backlog for the next round. */
const PEERS_MAX = 1024;

/** How listeners get into and out of the epoll set: 0 or -errno. */
export interface Registration {
  add(listener: number, fd: number): number;
  /** -ENOENT when the descriptor is not, or no longer, in the set. */
  modify(listener: number, fd: number): number;
  remove(fd: number): void;
}

/**
 * Listeners that have an accept in flight are registered, level-triggered; others are not, so that clients wait in
 * the kernel without waking us.
 *
 * A listener is removed before the loop waits, not when its accept completes, because most are asked for again within
 * the same turn. It is not registered exclusively (EPOLLEXCLUSIVE), because a worker that is woken and then accepts no
 * more would keep the wake-up from all others. Listeners are closed by another thread, so a number may stand for
 * something else at any time: nothing here trusts it to be what it was.
 *
 * @owner the loop's thread. @cost one system call per submission and one per connection accepted.
 */
export class Listeners {
  readonly peers = new Uint8Array(PEERS_MAX * PEER_SIZE);
  /** Places of `peers` in use by completions that have not been delivered. */
  peersUsed = 0;

  private readonly sockets: Sockets;
  private readonly registration: Registration;
  /** The registered descriptor, NO_FD for none. */
  private readonly fd: Int32Array;
  private readonly seq: Uint32Array;
  /** Connections asked for; 0 when no accept is in flight. */
  private readonly max: Uint32Array;
  /** Registered listeners without an accept in flight. */
  private idle: number[] = [];

  constructor(count: number, sockets: Sockets, registration: Registration) {
    this.sockets = sockets;
    this.registration = registration;
    this.fd = new Int32Array(count).fill(NO_FD);
    this.seq = new Uint32Array(count);
    this.max = new Uint32Array(count);
  }

  /** Starts to accept. @returns 0, or -errno when the descriptor cannot be awaited (then nothing is in flight). */
  submit(listener: number, seq: number, fd: Fd, max: number): number {
    assert(this.max[listener] === 0, 'one accept at a time per listener');
    assert(max >= 1, 'an accept asks for at least one connection');
    const entered = this.enter(listener, fd);
    if (entered < 0) return entered;
    this.seq[listener] = seq;
    this.max[listener] = max;
    return 0;
  }

  /** @returns whether this accept was in flight; the caller completes it. */
  cancel(listener: number, seq: number): boolean {
    if (this.max[listener] === 0 || this.seq[listener] !== seq) return false;
    this.end(listener);
    return true;
  }

  /** Takes what waits, up to what was asked for, and queues the completions. */
  onReadable(listener: number, completions: Outbox): void {
    const room = Math.min(this.max[listener], PEERS_MAX - this.peersUsed);
    const seq = this.seq[listener];
    for (let count = 0; count < room; count++) {
      const offset = this.peersUsed * PEER_SIZE;
      const result = this.sockets.acceptOne(this.fd[listener] as Fd, this.peers, offset);
      if (result >= 0) {
        this.peersUsed++;
        completions.push(OP_ACCEPT, listener, seq, result, FLAG_MORE, offset);
        continue;
      }
      // Another worker was faster: go on waiting.
      if (count === 0 && result === -EAGAIN) return;
      // An error that follows connections is met again by the next accept.
      this.finish(listener, seq, count > 0 ? 0 : result, completions);
      return;
    }
    if (room > 0) this.finish(listener, seq, 0, completions);
  }

  /** Forgets the listeners that nobody asked for again. Called before the loop waits. */
  dropIdle(): void {
    for (let listener = this.idle.pop(); listener !== undefined; listener = this.idle.pop()) {
      if (this.max[listener] > 0 || this.fd[listener] === NO_FD) continue;
      this.leave(listener);
    }
  }

  private enter(listener: number, fd: Fd): number {
    if (this.fd[listener] === fd) {
      // Asks, because the descriptor may be another listener's by now: it would never be heard of.
      const modified = this.registration.modify(listener, fd);
      if (modified !== -ENOENT) return modified;
    } else if (this.fd[listener] !== NO_FD) {
      this.leave(listener);
    }
    // A listener that stood for the same number has been closed, else the kernel would not have given it again.
    const former = this.fd.indexOf(fd);
    if (former >= 0) this.fd[former] = NO_FD;
    const added = this.registration.add(listener, fd);
    this.fd[listener] = added < 0 ? NO_FD : fd;
    return added;
  }

  private leave(listener: number): void {
    this.registration.remove(this.fd[listener]);
    this.fd[listener] = NO_FD;
  }

  private finish(listener: number, seq: number, result: number, completions: Outbox): void {
    this.end(listener);
    completions.push(OP_ACCEPT, listener, seq, result, 0, 0);
  }

  private end(listener: number): void {
    this.max[listener] = 0;
    this.idle.push(listener);
  }
}
