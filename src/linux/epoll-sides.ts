/**
 * What the epoll loop knows about each side: operations that wait for readiness, what the kernel said last, and which
 * descriptor stands for it.
 */

/** Operations that wait, as bits of `parked`. */
export const PARKED_RECV = 1;
export const PARKED_SEND = 2;
export const PARKED_CONNECT = 4;
export const PARKED_WATCH = 8;
/** The parked receive waits for a small buffer, not for bytes. */
export const PARKED_STARVED = 16;

/** The parked receive goes into a pipe, the parked send comes out of one; its number stands in place of the offset. */
export const PARKED_RECV_PIPE = 32;
export const PARKED_SEND_PIPE = 64;

/** Bytes or the end may be there: worth a recv. */
export const HINT_READABLE = 1;
/** The end (FIN or RST) has been reported: a short read no longer means that nothing follows. */
export const HINT_ENDING = 2;
/** The peer aborted (EPOLLERR). */
export const HINT_ERROR = 4;

const FD_TABLE_FIRST = 1024;

/* What a side is that was never used: 0, so that it costs no memory. */
/** Never a connection's: Node keeps 0, 1 and 2 open. */
const NO_SIDE_FD = 0;
const NOT_LISTED = 0;
const LAST = -1;

/**
 * Columns by side slot, and the way from a descriptor back to its side.
 *
 * A descriptor number is reused at once by the kernel, so each registration gets a generation which comes back in
 * every event; an event of an earlier one is recognised and dropped.
 *
 * @owner the loop's thread. @cost O(1); the table by descriptor grows with the highest descriptor.
 */
export class Sides {
  readonly parked: Uint8Array;
  readonly hints: Uint8Array;
  /** The registered descriptor, NO_SIDE_FD for none. */
  readonly fd: Int32Array;
  /** errno of the abort, once an operation has taken it from the socket: the kernel tells it only once. */
  readonly error: Uint8Array;
  readonly recvSeq: Uint32Array;
  readonly recvOffset: Uint32Array;
  /** 0: into a small buffer. */
  readonly recvLength: Uint32Array;
  readonly sendSeq: Uint32Array;
  readonly sendOffset: Uint32Array;
  readonly sendLength: Uint32Array;
  readonly sendDone: Uint32Array;
  readonly connectSeq: Uint32Array;
  readonly watchSeq: Uint32Array;
  /** First in, first out list of sides that wait for a small buffer: next side plus one, LAST or NOT_LISTED. */
  private readonly starvedNext: Int32Array;
  private starvedFirst = -1;
  private starvedLast = -1;

  private sideOf = new Int32Array(FD_TABLE_FIRST).fill(-1);
  private generationOf = new Int32Array(FD_TABLE_FIRST);
  private generation = 0;

  constructor(count: number) {
    this.parked = new Uint8Array(count);
    this.hints = new Uint8Array(count);
    this.fd = new Int32Array(count);
    this.error = new Uint8Array(count);
    this.recvSeq = new Uint32Array(count);
    this.recvOffset = new Uint32Array(count);
    this.recvLength = new Uint32Array(count);
    this.sendSeq = new Uint32Array(count);
    this.sendOffset = new Uint32Array(count);
    this.sendLength = new Uint32Array(count);
    this.sendDone = new Uint32Array(count);
    this.connectSeq = new Uint32Array(count);
    this.watchSeq = new Uint32Array(count);
    this.starvedNext = new Int32Array(count);
  }

  /** Notes that `fd` stands for `side` from now on. @returns the generation for its events, > 0. */
  bind(side: number, fd: number): number {
    if (fd >= this.sideOf.length) this.growTable(fd);
    this.generation = this.generation === GENERATION_MAX ? 1 : this.generation + 1;
    this.sideOf[fd] = side;
    this.generationOf[fd] = this.generation;
    this.fd[side] = fd;
    this.hints[side] = 0;
    this.error[side] = 0;
    return this.generation;
  }

  /** Forgets a descriptor that is about to be closed. No-op for one that was never bound. */
  unbind(fd: number): void {
    const side = fd < this.sideOf.length ? this.sideOf[fd] : -1;
    if (side < 0) return;
    this.sideOf[fd] = -1;
    this.generationOf[fd] = 0;
    // The side may already stand for a newer descriptor.
    if (this.fd[side] !== fd) return;
    this.fd[side] = NO_SIDE_FD;
    this.hints[side] = 0;
    this.error[side] = 0;
  }

  /** Whether the descriptor is a side's at present. */
  isBound(fd: number): boolean {
    return fd < this.sideOf.length && this.sideOf[fd] >= 0;
  }

  /** The side of an event, or -1 when the descriptor has been closed since. */
  find(fd: number, generation: number): number {
    return this.generationOf[fd] === generation ? this.sideOf[fd] : -1;
  }

  /** Queues a side for the next small buffer. No-op when it is queued already. */
  starve(side: number): void {
    this.parked[side] |= PARKED_STARVED;
    if (this.starvedNext[side] !== NOT_LISTED) return;
    this.starvedNext[side] = LAST;
    if (this.starvedLast < 0) this.starvedFirst = side;
    else this.starvedNext[this.starvedLast] = side + 1;
    this.starvedLast = side;
  }

  hasStarved(): boolean {
    return this.starvedFirst >= 0;
  }

  /** Takes the longest-waiting side, or -1. It may have been cancelled since: check PARKED_STARVED. */
  unstarve(): number {
    const side = this.starvedFirst;
    if (side < 0) return -1;
    const next = this.starvedNext[side];
    this.starvedFirst = next === LAST ? -1 : next - 1;
    if (this.starvedFirst < 0) this.starvedLast = -1;
    this.starvedNext[side] = NOT_LISTED;
    return side;
  }

  private growTable(fd: number): void {
    let length = this.sideOf.length;
    while (length <= fd) length *= 2;
    const sideOf = new Int32Array(length).fill(-1);
    sideOf.set(this.sideOf);
    const generationOf = new Int32Array(length);
    generationOf.set(this.generationOf);
    this.sideOf = sideOf;
    this.generationOf = generationOf;
  }
}

const GENERATION_MAX = 0x3f_ff_ff_ff;
