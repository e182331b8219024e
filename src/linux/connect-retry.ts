/** Connects that have to be tried again by the clock, because no event will come for them; for both loops. */

/** A unix server takes connections off its backlog in micro- to milliseconds; there is no hurry beyond that. */
const RETRY_US = 5000;

/**
 * Unix sockets whose listener's backlog is full. Rare, so it is a plain list and may allocate.
 * @owner the loop's thread. @cost O(waiting).
 */
export class ConnectRetries {
  /** When to call `each`; Infinity when nobody waits. */
  dueAt = Number.POSITIVE_INFINITY;
  private waiting: { readonly side: number; readonly fd: number; readonly address: Uint8Array }[] = [];

  add(side: number, fd: number, address: Uint8Array, now: number): void {
    this.waiting.push({ side, fd, address });
    this.dueAt = Math.min(this.dueAt, now + RETRY_US);
  }

  /** No-op when the side does not wait. */
  remove(side: number): void {
    if (this.waiting.length > 0) this.waiting = this.waiting.filter((entry) => entry.side !== side);
    if (this.waiting.length === 0) this.dueAt = Number.POSITIVE_INFINITY;
  }

  /** @param attempt returns whether the connect is done, well or badly. */
  each(now: number, attempt: (side: number, fd: number, address: Uint8Array) => boolean): void {
    this.waiting = this.waiting.filter((entry) => !attempt(entry.side, entry.fd, entry.address));
    this.dueAt = this.waiting.length > 0 ? now + RETRY_US : Number.POSITIVE_INFINITY;
  }
}
