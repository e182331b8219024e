/** Starts connects: over the ring, or at once for unix sockets. */
import { ENDPOINT_KIND, KIND_UNIX } from '../../base/endpoint.ts';
import { EAFNOSUPPORT, EAGAIN } from '../../base/errno.ts';
import { OP_CONNECT } from '../../loop/loop.ts';
import { nowUs } from '../clock.ts';
import { ConnectRetries } from '../connect-retry.ts';
import { encodeSockaddr, SOCKADDR_SIZE } from '../sockaddr.ts';
import { QUEUED, SIDE_FLAGS, SIDE_WORDS } from './operations.ts';
import type { Parts } from './parts.ts';

export class Connector {
  private readonly parts: Parts;
  /** Unix sockets whose server's backlog is full. */
  private readonly retries = new ConnectRetries();

  constructor(parts: Parts) {
    this.parts = parts;
  }

  connect(side: number, seq: number, fd: number, endpoints: Uint8Array, offset: number): void {
    const { arena, local, ring, sides, sockaddrOffset, submitter } = this.parts;
    const at = sides.begin(OP_CONNECT, side, seq, fd);
    const address = sockaddrOffset + ring.nextIndex() * SOCKADDR_SIZE;
    const length = encodeSockaddr(endpoints, offset, arena, address);
    if (length === 0) {
      sides.end(OP_CONNECT, at);
      local.add(OP_CONNECT, side, seq, -EAFNOSUPPORT, 0);
    } else if (endpoints[offset + ENDPOINT_KIND] !== KIND_UNIX) {
      submitter.connect(side, seq, fd, address, length);
    } else if (!this.attempt(side, fd, address, length)) {
      sides.words[at + SIDE_FLAGS] |= QUEUED;
      this.retries.add(side, fd, arena.slice(address, address + length), nowUs());
    }
  }

  /** Gives up a connect that is QUEUED. */
  remove(side: number): void {
    this.parts.sides.words[side * SIDE_WORDS + SIDE_FLAGS] &= ~QUEUED;
    this.retries.remove(side);
  }

  /** When `retryDue` has something to do; Infinity for never. */
  dueAt(): number {
    return this.retries.dueAt;
  }

  /** Tries again those that wait, when it is time. */
  retryDue(): void {
    if (this.retries.dueAt === Number.POSITIVE_INFINITY) return;
    const now = nowUs();
    if (now >= this.retries.dueAt) this.retry(now);
  }

  private retry(now: number): void {
    const { arena, ring, sockaddrOffset } = this.parts;
    this.retries.each(now, (side, fd, bytes) => {
      const address = sockaddrOffset + ring.nextIndex() * SOCKADDR_SIZE;
      arena.set(bytes, address);
      return this.attempt(side, fd, address, bytes.length);
    });
  }

  /**
   * A unix socket connects at once or not at all; the ring would leave it to a kernel thread that waits for room.
   * @returns false when the backlog is full.
   */
  private attempt(side: number, fd: number, address: number, length: number): boolean {
    const { ffi, local, memory, sides } = this.parts;
    const result = ffi.libc.connect(fd, memory.base + address, length);
    if (result === -EAGAIN) return false;
    const at = side * SIDE_WORDS;
    sides.words[at + SIDE_FLAGS] &= ~QUEUED;
    local.add(OP_CONNECT, side, sides.seqOf(OP_CONNECT, at), result, 0);
    sides.end(OP_CONNECT, at);
    return true;
  }
}
