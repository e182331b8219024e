/**
 * A ring of fixed-size rows of numbers from one thread to one other, without locks: what workers have to say (log
 * lines, events) on its way to main.
 *
 * A row is `rowWords` words of 8 bytes. Write it in place: `at = ring.claim()`, fill `ring.f64[at..]` (or the same
 * bytes as `ring.u32[at * 2..]`, `ring.u8[at * 8..]`), `ring.commit()`. A full ring drops the row and counts it,
 * because a worker never waits for main.
 */
import { assert } from '../base/assert.ts';

/* Int32 words of the header, each group with cache lines of its own. */
const ROWS = 0;
const ROW_WORDS = 1;
/** Rows ever committed, written by the producer; rows ever taken, written by the consumer. Both wrap. */
const HEAD = 32;
const TAIL = 64;
/** The producer's count of rows dropped: one f64 in the producer's other lines. */
const DROPPED_BYTE = 384;
const DATA_BYTE = 512;
const HEADER_WORDS = DROPPED_BYTE / 4;

/**
 * Reserves a ring.
 *
 * @param rows a power of two. @param rowWords words of 8 bytes per row.
 * @owner any thread; the ring itself belongs to one producer and one consumer, who each open it.
 */
export function createRing(rows: number, rowWords: number): SharedArrayBuffer {
  assert(rows >= 1 && rows <= 2 ** 30 && (rows & (rows - 1)) === 0, 'the rows of a ring are a power of two');
  assert(rowWords >= 1, 'a row of a ring has a word');
  const memory = new SharedArrayBuffer(DATA_BYTE + rows * rowWords * 8);
  const header = new Int32Array(memory, 0, HEADER_WORDS);
  header[ROWS] = rows;
  header[ROW_WORDS] = rowWords;
  return memory;
}

/** Opens a ring that `createRing` made in this or another thread. */
export function openRing(memory: SharedArrayBuffer): Ring {
  const header = new Int32Array(memory, 0, HEADER_WORDS);
  const words = header[ROWS] * header[ROW_WORDS];
  const f64 = new Float64Array(memory, DATA_BYTE, words);
  return new Ring(header, new Float64Array(memory, DROPPED_BYTE, 1), f64);
}

/** One end of a ring: `claim`, `commit`, `push` are the producer's, `drain` is the consumer's. */
export class Ring {
  readonly rowWords: number;
  /** The rows, as numbers; and the same memory in smaller pieces. */
  readonly f64: Float64Array;
  readonly u32: Uint32Array;
  readonly u8: Uint8Array;
  private readonly header: Int32Array;
  private readonly droppedCount: Float64Array;
  private readonly rows: number;

  constructor(header: Int32Array, droppedCount: Float64Array, f64: Float64Array) {
    this.header = header;
    this.droppedCount = droppedCount;
    this.rows = header[ROWS];
    this.rowWords = header[ROW_WORDS];
    this.f64 = f64;
    this.u32 = new Uint32Array(f64.buffer, f64.byteOffset, f64.length * 2);
    this.u8 = new Uint8Array(f64.buffer, f64.byteOffset, f64.length * 8);
  }

  /**
   * The next free row, to be filled and committed.
   *
   * @returns index of its first word in `f64`; -1 when the ring is full, which is counted.
   * @owner the producer.
   */
  claim(): number {
    const head = Atomics.load(this.header, HEAD);
    if (((head - Atomics.load(this.header, TAIL)) | 0) >= this.rows) {
      this.droppedCount[0] += 1;
      return -1;
    }
    return (head & (this.rows - 1)) * this.rowWords;
  }

  /** Counts a row that could not be written for another reason. @owner the producer. */
  miss(): void {
    this.droppedCount[0] += 1;
  }

  /**
   * Hands the claimed row to the consumer.
   *
   * @returns true when the consumer had taken everything before it, and so may be asleep: wake it. Both sides write
   * their own position before they read the other's, so a row is never left behind with the consumer asleep.
   * @owner the producer.
   */
  commit(): boolean {
    const head = Atomics.load(this.header, HEAD);
    Atomics.store(this.header, HEAD, head + 1);
    return Atomics.load(this.header, TAIL) === head;
  }

  /** Copies a row in; false when the ring was full, which is counted. @owner the producer. */
  push(row: ArrayLike<number>): boolean {
    const at = this.claim();
    if (at < 0) return false;
    for (let word = 0; word < this.rowWords; word++) this.f64[at + word] = row[word];
    this.commit();
    return true;
  }

  /**
   * Hands rows to `take` in the order they were committed, at most `max`.
   *
   * @param take gets the index of the row's first word in `f64`; the row is the producer's again afterwards.
   * @returns how many; fewer than `max` means that the ring was empty, and that the next commit asks for a wake-up.
   * @owner the consumer.
   */
  drain(take: (at: number) => void, max: number): number {
    let tail = Atomics.load(this.header, TAIL);
    for (let taken = 0; ; taken++) {
      if (taken >= max || tail === Atomics.load(this.header, HEAD)) return taken;
      take((tail & (this.rows - 1)) * this.rowWords);
      tail = (tail + 1) | 0;
      Atomics.store(this.header, TAIL, tail);
    }
  }

  /** Rows that found the ring full, or were missed. @owner any thread; a little late for others than the producer. */
  dropped(): number {
    return this.droppedCount[0];
  }
}
