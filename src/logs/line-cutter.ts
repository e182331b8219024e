/** Cuts a stream of bytes into lines of a bounded size. */

const LINE_FEED = 10;

/** @cost copies each byte that is kept once. */
export class LineCutter {
  /** Lines of which not all was kept. */
  cutCount = 0;
  private readonly max: number;
  private readonly take: (line: Uint8Array) => void;
  /** The line that has begun; its bytes are `held`, `length` of them. */
  private readonly held: Uint8Array;
  private length = 0;
  private isCut = false;

  /**
   * @param max bytes of a line with its end; what is beyond is left out.
   * @param take gets each line with its end. The bytes are its own.
   */
  constructor(max: number, take: (line: Uint8Array) => void) {
    this.max = max;
    this.take = take;
    this.held = new Uint8Array(max);
  }

  /** Whether a line has begun and not ended. */
  get isInside(): boolean {
    return this.length > 0 || this.isCut;
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const end = bytes.indexOf(LINE_FEED, at);
      this.hold(bytes.subarray(at, end < 0 ? bytes.length : end));
      if (end < 0) return;
      this.finish(true);
      at = end + 1;
    }
  }

  /** The stream has ended; a line that has begun is one, without an end. */
  end(): void {
    if (this.isInside) this.finish(false);
  }

  private hold(bytes: Uint8Array): void {
    const room = this.max - 1 - this.length;
    this.held.set(bytes.subarray(0, room), this.length);
    this.length += Math.min(room, bytes.length);
    this.isCut ||= bytes.length > room;
  }

  private finish(hasEnd: boolean): void {
    if (hasEnd || this.isCut) this.held[this.length++] = LINE_FEED;
    if (this.isCut) this.cutCount++;
    this.take(this.held.slice(0, this.length));
    this.length = 0;
    this.isCut = false;
  }
}
