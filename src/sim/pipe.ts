/**
 * One direction of a stream: a ring of bytes cut in two by `arrived`.
 *
 * ```
 * head ............ arrived ............ tail
 *   receiver's queue   sender's queue + in flight
 * ```
 * The positions count bytes since the stream began; the receiver's part is bounded by the window, the sender's by
 * the send buffer.
 */
export class Pipe {
  head = 0;
  arrived = 0;
  tail = 0;
  window = 0;
  sendBuffer = 0;
  private readonly ring: Buffer;
  private readonly mask: number;

  /** @param size bytes of the ring, a power of two >= window + sendBuffer. */
  constructor(size: number) {
    this.ring = Buffer.alloc(size);
    this.mask = size - 1;
  }

  /** Begins a new stream. */
  reset(window: number, sendBuffer: number): void {
    this.head = 0;
    this.arrived = 0;
    this.tail = 0;
    this.window = window;
    this.sendBuffer = sendBuffer;
  }

  /** Bytes that can be read now. */
  get readable(): number {
    return this.arrived - this.head;
  }

  /** Bytes sent that the receiver's kernel has not yet taken. */
  get unsent(): number {
    return this.tail - this.arrived;
  }

  /** Bytes that can be written now. */
  get room(): number {
    return this.sendBuffer - (this.tail - this.arrived);
  }

  /** Writes `length` (<= room) bytes. */
  write(source: Uint8Array, offset: number, length: number): void {
    const at = this.tail & this.mask;
    const first = Math.min(length, this.mask + 1 - at);
    copy(source, offset, this.ring, at, first);
    if (first < length) copy(source, offset + first, this.ring, 0, length - first);
    this.tail += length;
  }

  /** Reads `length` (<= readable) bytes. */
  read(target: Uint8Array, offset: number, length: number): void {
    const at = this.head & this.mask;
    const first = Math.min(length, this.mask + 1 - at);
    copy(this.ring, at, target, offset, first);
    if (first < length) copy(this.ring, 0, target, offset + first, length - first);
    this.head += length;
  }

  /** Whether the next `length` (<= readable) bytes are those of `expected` at `offset`; reads them. */
  matches(expected: Uint8Array, offset: number, length: number): boolean {
    const { ring, mask } = this;
    const at = this.head & mask;
    const first = Math.min(length, mask + 1 - at);
    this.head += length;
    if (ring.compare(expected, offset, offset + first, at, at + first) !== 0) return false;
    return first === length || ring.compare(expected, offset + first, offset + length, 0, length - first) === 0;
  }

  /** Moves what the window has room for to the receiver: how many bytes. */
  arrive(): number {
    const moved = Math.min(this.tail - this.arrived, this.window - (this.arrived - this.head));
    if (moved <= 0) return 0;
    this.arrived += moved;
    return moved;
  }

  /** Forgets what has not arrived. */
  dropUnsent(): number {
    const dropped = this.tail - this.arrived;
    this.tail = this.arrived;
    return dropped;
  }
}

/** Copies bytes; a short run costs less by hand than the view that `set` needs. */
export function copy(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
  if (length > 32) {
    target.set(source.subarray(from, from + length), to);
    return;
  }
  for (let i = 0; i < length; i++) target[to + i] = source[from + i];
}
