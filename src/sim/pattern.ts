/**
 * What actors write: a stream is an 8-byte head that names its speaker, then bytes of a fixed random table from a
 * place that depends on the speaker. A byte that is lost, repeated, moved or somebody else's does not match.
 */
import { mix, Prng } from '../base/prng.ts';

/** A prime, so that no shift by a buffer size maps the pattern onto itself. */
const PERIOD = 262_139;
/** The longest run that can be read from the table in one piece. */
export const RUN_MAX = 65_536;
export const HEAD_SIZE = 8;

/** The bytes, with the beginning repeated at the end so that runs need not wrap. */
export const patternBytes: Buffer = makePattern();

function makePattern(): Buffer {
  const bytes = Buffer.alloc(PERIOD + RUN_MAX);
  const prng = new Prng(0x5eed);
  for (let i = 0; i < PERIOD; i++) bytes[i] = prng.next() & 255;
  bytes.copy(bytes, PERIOD, 0, RUN_MAX);
  return bytes;
}

/** Where the stream of speaker `id` begins in the table. */
export function patternStart(id: number): number {
  return (mix(id) >>> 0) % PERIOD;
}

/** Where byte `offset` (>= HEAD_SIZE) of a stream is in the table; a run of RUN_MAX bytes can be read there. */
export function patternAt(start: number, offset: number): number {
  return (start + offset) % PERIOD;
}

/** Writes the head of speaker `id`'s stream. */
export function writeHead(target: Buffer, id: number): void {
  target.writeUInt32LE(id >>> 0, 0);
  target.writeUInt32LE(mix(id ^ 0x6865_6164) >>> 0, 4);
}

/** The speaker that a head names, or -1 when it is not a head. */
export function readHead(source: Buffer): number {
  const id = source.readUInt32LE(0);
  return source.readUInt32LE(4) === mix(id ^ 0x6865_6164) >>> 0 ? id : -1;
}
