/**
 * What a worker has received, on its way to a person who debugs: rows of a ring, a piece of at most DUMP_BYTES each.
 *
 * A row is the side it came from (of all sides, not of the worker's), the number of bytes, and the bytes.
 */
import { createRing, type Ring } from './ring.ts';

/** Most bytes of one row: as text with its head, no more than a pipe takes at once or not at all. */
export const DUMP_BYTES = 1024;
/** Rows of one worker's ring: what it may receive before main looks again. Rows that are never used cost no memory. */
export const DUMP_ROWS = 512;
/** Settings `debug` from which on dumps are written. */
export const DUMP_DEBUG = 3;

const HEAD_WORDS = 1;
const ROW_WORDS = HEAD_WORDS + DUMP_BYTES / 8;

/** Reserves the ring of one worker. @owner any thread. */
export function createDumpRing(): SharedArrayBuffer {
  return createRing(DUMP_ROWS, ROW_WORDS);
}

/**
 * Writes bytes down, as many rows as they need. Rows for which there is no room are counted, and their bytes missing.
 *
 * @owner the producer. @cost a copy of the bytes.
 */
export function writeDump(ring: Ring, side: number, from: Uint8Array, offset: number, length: number): void {
  for (let done = 0; done < length; done += DUMP_BYTES) {
    const at = ring.claim();
    if (at < 0) continue;
    const count = Math.min(DUMP_BYTES, length - done);
    ring.u32[at * 2] = side;
    ring.u32[at * 2 + 1] = count;
    const to = (at + HEAD_WORDS) * 8;
    // A view of the bytes would be an object for each row.
    for (let i = 0; i < count; i++) ring.u8[to + i] = from[offset + done + i];
    ring.commit();
  }
}

/** The side that the row at `at` is about. @owner the consumer, while the row is its own. */
export function dumpSide(ring: Ring, at: number): number {
  return ring.u32[at * 2] ?? 0;
}

/** The bytes of the row at `at`, valid as long as it is the consumer's. @owner the consumer. */
export function dumpBytes(ring: Ring, at: number): Uint8Array {
  const from = (at + HEAD_WORDS) * 8;
  return ring.u8.subarray(from, from + (ring.u32[at * 2 + 1] ?? 0));
}
