/**
 * What travels through the connections of the tests: every stream is a stretch of one random block, begun at a place
 * of its own. A byte that is lost, doubled, moved or taken from another stream does not fit where it arrives.
 */
import { Prng } from '../../src/base/prng.ts';

/** Prime, so that no power of two, and no buffer size, is a period of the stream. */
const PERIOD = 1_048_573;
/** How far past the period the block goes on, so that a piece never wraps: the longest piece. */
export const PIECE_MAX = 1 << 20;
export const PATTERN_BYTES = PERIOD + PIECE_MAX;
const BLOCK_SEED = 7;
/** Distance between the beginnings of neighbouring streams. */
const STREAM_STEP = 40_503;

const block = makeBlock();

function makeBlock(): Buffer {
  const bytes = Buffer.alloc(PATTERN_BYTES);
  const prng = new Prng(BLOCK_SEED);
  for (let i = 0; i < PERIOD; i++) bytes[i] = prng.next() >>> 24;
  bytes.copy(bytes, PERIOD, 0, PIECE_MAX);
  return bytes;
}

/** Copies the block to where the kernel can be given it. */
export function writePattern(target: Buffer): void {
  block.copy(target);
}

/** Where in the block byte `position` of stream `key` stands. */
export function patternOffset(key: number, position: number): number {
  return (key * STREAM_STEP + position) % PERIOD;
}

/** Whether `bytes` are what stream `key` carries from `position` on. */
export function isPattern(bytes: Buffer, key: number, position: number): boolean {
  const offset = patternOffset(key, position);
  return bytes.compare(block, offset, offset + bytes.length) === 0;
}
