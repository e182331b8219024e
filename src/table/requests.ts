/**
 * What clients have said, on its way to the request log: a record for each receive from a client that is passed on,
 * with the first line of it.
 *
 * Words of a record: its length, the server's row and the text's length; when, ms of the tables' origin; the client's
 * address (PEER_SIZE bytes of an endpoint); the text.
 */
import { PEER_SIZE } from '../base/endpoint.ts';
import { createRecordRing, type RecordRing } from './records.ts';

/** Bytes of a text that a line of a file has; the original keeps no more, and its tools compare no more. */
export const FILE_TEXT_MAX = 100;
/** Most bytes of a text: those that one datagram holds beside two addresses. */
export const REQUEST_TEXT_MAX = 1016;
/** Words of one worker's ring, 512 KiB: some thousand lines, which is what comes until main looks again. */
const RING_WORDS = 2 ** 16;

const PEER_AT = 2 * 8;
const PEER_WORD = PEER_AT / 4;
/** Half words of a client's address. */
export const PEER_WORDS = PEER_SIZE / 4;
const TEXT_AT = PEER_AT + PEER_SIZE;
const LF = 0x0a;
const CR = 0x0d;

/** Reserves the ring of one worker. @owner any thread. */
export function createRequestRing(): SharedArrayBuffer {
  return createRecordRing(RING_WORDS);
}

/**
 * Writes down the first line of what was received, as far as there is room.
 *
 * @param peers has the client's address in PEER_WORDS words from `peerAt` on. @param bytes have `length` that were received, at `from`.
 * @param textMax of them are kept at most.
 * @owner the producer. @cost a copy of the line.
 */
export function writeRequest(
  ring: RecordRing,
  nowMs: number,
  server: number,
  peers: Uint32Array,
  peerAt: number,
  bytes: Uint8Array,
  from: number,
  length: number,
  textMax: number,
): void {
  const most = length < textMax ? length : textMax;
  const at = ring.claim(wordsFor(most));
  if (at < 0) return;
  const { u8, u32 } = ring;
  // A view of the bytes would be an object for each record.
  const to = at * 8 + TEXT_AT;
  let count = 0;
  for (; count < most; count++) {
    const byte = bytes[from + count];
    if (byte === CR || byte === LF) break;
    u8[to + count] = byte;
  }
  u32[at * 2 + 1] = (server << 16) | count;
  ring.f64[at + 1] = nowMs;
  for (let word = 0; word < PEER_WORDS; word++) u32[at * 2 + PEER_WORD + word] = peers[peerAt + word];
  ring.commit(wordsFor(count));
}

/** Words of a record whose text has so many bytes. */
function wordsFor(text: number): number {
  return (TEXT_AT + text + 7) >>> 3;
}

/* What a record says, to the consumer while it is its own; `at` is what `drain` gives. */

/** The server's row. */
export function requestServer({ u32 }: RecordRing, at: number): number {
  return u32[at * 2 + 1] >>> 16;
}

/** When it was received, ms of the tables' origin. */
export function requestMs({ f64 }: RecordRing, at: number): number {
  return f64[at + 1];
}

/** Where in `u8` the client's address begins. */
export function requestPeerAt(at: number): number {
  return at * 8 + PEER_AT;
}

/** Where in `u8` the text begins, and how many bytes it has. */
export function requestTextAt(at: number): number {
  return at * 8 + TEXT_AT;
}

export function requestTextLength({ u32 }: RecordRing, at: number): number {
  return u32[at * 2 + 1] & 0xffff;
}
