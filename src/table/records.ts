/**
 * A ring of records of different lengths, from one thread to one other, without locks: lines of logs on their way from a
 * worker to main. `ring.ts` is the one for rows of one length.
 *
 * A record is whole words of 8 bytes, the first half of the first one is their number, and it never wraps: what is left
 * at the end of the memory is skipped. The producer writes as many as it likes and publishes them at once, which is one
 * atomic store for all records of a turn. A full ring drops the record and counts it: a worker never waits.
 */
import { assert } from '../base/assert.ts';

/* Int32 words of the header, each group with cache lines of its own. */
const WORDS = 0;
/** Words ever published, written by the producer; words ever taken, written by the consumer. Both wrap. */
const HEAD = 32;
const TAIL = 64;
/** The producer's count of records dropped: one f64 in the producer's other lines. */
const DROPPED_BYTE = 384;
const DATA_BYTE = 512;
const HEADER_WORDS = DROPPED_BYTE / 4;

/**
 * Reserves a ring.
 *
 * @param words of 8 bytes, a power of two; a record has at most half of them.
 * @owner any thread; the ring itself belongs to one producer and one consumer, who each open it.
 */
export function createRecordRing(words: number): SharedArrayBuffer {
  assert(words >= 2 && words <= 2 ** 28 && (words & (words - 1)) === 0, 'the words of a ring are a power of two');
  const memory = new SharedArrayBuffer(DATA_BYTE + words * 8);
  new Int32Array(memory, 0, HEADER_WORDS)[WORDS] = words;
  return memory;
}

/** Opens a ring that `createRecordRing` made in this or another thread. */
export function openRecordRing(memory: SharedArrayBuffer): RecordRing {
  return new RecordRing(memory);
}

/** One end of a ring: `claim`, `commit`, `publish` and `miss` are the producer's, `drain` and `bell` the consumer's. */
export class RecordRing {
  /** The records, as words; and the same memory in smaller pieces. */
  readonly f64: Float64Array;
  readonly u32: Uint32Array;
  readonly u8: Uint8Array;
  private readonly header: Int32Array;
  private readonly droppedCount: Float64Array;
  private readonly words: number;
  /** The producer's own: words committed, of those published, and words that it knows to be taken. */
  private head: number;
  private published: number;
  private taken: number;

  constructor(memory: SharedArrayBuffer) {
    this.header = new Int32Array(memory, 0, HEADER_WORDS);
    this.droppedCount = new Float64Array(memory, DROPPED_BYTE, 1);
    this.words = this.header[WORDS];
    this.f64 = new Float64Array(memory, DATA_BYTE, this.words);
    this.u32 = new Uint32Array(memory, DATA_BYTE, this.words * 2);
    this.u8 = new Uint8Array(memory, DATA_BYTE, this.words * 8);
    // A worker that takes the place of another one goes on where that one has published last.
    this.head = this.published = Atomics.load(this.header, HEAD);
    this.taken = Atomics.load(this.header, TAIL);
  }

  /**
   * Room for a record, to be filled and committed. The first half of its first word is the ring's.
   *
   * @returns index of its first word in `f64`; -1 when there is none, which is counted.
   * @owner the producer.
   */
  claim(words: number): number {
    assert(words > 0 && words <= this.words / 2, 'a record fits into half of its ring');
    const at = this.head & (this.words - 1);
    const left = this.words - at;
    const skipped = left < words ? left : 0;
    if (!this.hasRoom(skipped + words)) {
      this.droppedCount[0] += 1;
      return -1;
    }
    if (skipped === 0) return at;
    this.u32[at * 2] = 0;
    this.head = (this.head + skipped) | 0;
    return 0;
  }

  private hasRoom(words: number): boolean {
    if (((this.head + words - this.taken) | 0) <= this.words) return true;
    this.taken = Atomics.load(this.header, TAIL);
    return ((this.head + words - this.taken) | 0) <= this.words;
  }

  /** The claimed record is complete; the consumer sees it once it is published. @owner the producer. */
  commit(words: number): void {
    this.u32[(this.head & (this.words - 1)) * 2] = words;
    this.head = (this.head + words) | 0;
  }

  /** Hands all committed records to the consumer, and wakes it if it waits. @owner the producer, once a turn. */
  publish(): void {
    if (this.head === this.published) return;
    const before = this.published;
    this.published = this.head;
    Atomics.store(this.header, HEAD, this.head);
    // Both sides write their own position before they read the other's, so nothing is left behind with the consumer asleep.
    if (Atomics.load(this.header, TAIL) === before) Atomics.notify(this.header, HEAD);
  }

  /** Counts a record that could not be written for another reason. @owner the producer. */
  miss(): void {
    this.droppedCount[0] += 1;
  }

  /**
   * Hands records to `take` in the order they were committed, until it wants no more.
   *
   * @param take gets the index of the record's first word in `f64`; false leaves it, and all after it, for later.
   * @returns whether everything published was taken.
   * @owner the consumer.
   */
  drain(take: (at: number) => boolean): boolean {
    const head = Atomics.load(this.header, HEAD);
    let tail = Atomics.load(this.header, TAIL);
    let isTaken = true;
    while (tail !== head) {
      const at = tail & (this.words - 1);
      const words = this.u32[at * 2];
      if (words !== 0) isTaken = take(at);
      if (!isTaken) break;
      tail = (tail + (words === 0 ? this.words - at : words)) | 0;
    }
    Atomics.store(this.header, TAIL, tail);
    return isTaken;
  }

  /** What changes, and is notified of, when there is something to take: a word, and its value until then. @owner the consumer. */
  bell(): { readonly words: Int32Array; readonly at: number; readonly value: number } {
    return { words: this.header, at: HEAD, value: Atomics.load(this.header, TAIL) };
  }

  /** Records that found no room, or were missed. @owner any thread; a little late for others than the producer. */
  dropped(): number {
    return this.droppedCount[0];
  }
}
