/** Connecting over epoll. */
import { assert } from '../base/assert.ts';
import type { Fd } from '../base/brand.ts';
import { EAFNOSUPPORT, EAGAIN, ECONNRESET, EINPROGRESS, EINTR } from '../base/errno.ts';
import type { Outbox } from '../base/outbox.ts';
import type { Ffi } from '../ffi/load.ts';
import type { NativeMemory } from '../ffi/memory.ts';
import { OP_CONNECT } from '../loop/loop.ts';
import { EPOLLERR, EPOLLHUP } from './epoll-abi.ts';
import { ConnectRetries } from './connect-retry.ts';
import type { EpollSet } from './epoll-set.ts';
import { PARKED_CONNECT, type Sides } from './epoll-sides.ts';
import { encodeSockaddr, SOCKADDR_SIZE } from './sockaddr.ts';
import type { Sockets } from './sockets.ts';

/**
 * Connects in flight: most wait for their event; unix sockets whose listener's backlog is full wait for the clock,
 * because the kernel does not tell when there is room again.
 *
 * @owner the loop's thread. @cost one or two system calls per connect; only the wait for the clock allocates.
 */
export class Connector {
  private readonly ffi: Ffi;
  private readonly sockets: Sockets;
  private readonly sides: Sides;
  private readonly set: EpollSet;
  private readonly outbox: Outbox;
  private readonly memory: NativeMemory;
  private readonly address: Uint8Array;
  private readonly retries = new ConnectRetries();

  constructor(ffi: Ffi, sockets: Sockets, sides: Sides, set: EpollSet, outbox: Outbox) {
    this.ffi = ffi;
    this.sockets = sockets;
    this.sides = sides;
    this.set = set;
    this.outbox = outbox;
    this.memory = ffi.reserve(SOCKADDR_SIZE);
    this.address = new Uint8Array(this.memory.buffer);
  }

  submit(side: number, seq: number, fd: Fd, endpoints: Uint8Array, offset: number, now: () => number): void {
    const { sides } = this;
    assert((sides.parked[side] & PARKED_CONNECT) === 0, 'one connect at a time per side');
    const length = encodeSockaddr(endpoints, offset, this.address, 0);
    const result = length === 0 ? -EAFNOSUPPORT : this.ffi.libc.connect(fd, this.memory.base, length);
    sides.connectSeq[side] = seq;
    if (result === -EAGAIN) {
      sides.parked[side] |= PARKED_CONNECT;
      this.retries.add(side, fd, this.address.slice(0, length), now());
    } else if (result === -EINPROGRESS || result === -EINTR) {
      sides.parked[side] |= PARKED_CONNECT;
      const added = this.set.addSide(side, fd);
      if (added < 0) this.complete(side, added);
    } else {
      this.complete(side, result);
    }
  }

  /** @returns whether this connect was in flight; the caller completes it. */
  cancel(side: number, seq: number): boolean {
    const { sides } = this;
    if ((sides.parked[side] & PARKED_CONNECT) === 0 || sides.connectSeq[side] !== seq) return false;
    sides.parked[side] &= ~PARKED_CONNECT;
    this.retries.remove(side);
    return true;
  }

  /** The event that a parked connect has waited for. */
  onEvent(side: number, fd: Fd, events: number): void {
    // Only a failed connect has its error taken here; an established connection keeps its own.
    if ((events & (EPOLLERR | EPOLLHUP)) === 0) this.complete(side, 0);
    else this.complete(side, -Math.abs(this.sockets.takeError(fd) || ECONNRESET));
  }

  /** When to call `retry`; Infinity when nobody waits for the clock. */
  get retryAt(): number {
    return this.retries.dueAt;
  }

  /** Tries again what waits for the clock. */
  retry(now: number): void {
    this.retries.each(now, (side, fd, address) => {
      this.address.set(address);
      const result = this.ffi.libc.connect(fd, this.memory.base, address.length);
      if (result !== -EAGAIN) this.complete(side, result);
      return result !== -EAGAIN;
    });
  }

  destroy(): void {
    this.ffi.unmap(this.memory);
  }

  private complete(side: number, result: number): void {
    this.sides.parked[side] &= ~PARKED_CONNECT;
    this.outbox.push(OP_CONNECT, side, this.sides.connectSeq[side], result, 0, 0);
  }
}
