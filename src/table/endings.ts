/**
 * Connections that have ended, on their way to the log of connections: a record for each client's.
 *
 * Words of a record: its length, the server's row, the reason and the farm's row; when it was accepted, when its server stood (0 never),
 * when it ended, ms of the tables' origin; bytes from the client and from the server; the client's address (PEER_SIZE bytes
 * of an endpoint); the connection's number; the port its client came to and the servers tried after the first one.
 */
import { PEER_SIZE } from '../base/endpoint.ts';
import { createRecordRing, type RecordRing } from './records.ts';

/** Words of one worker's ring, 256 KiB. */
const RING_WORDS = 2 ** 15;
const PEER_AT = 6;
const PEER_WORDS = PEER_SIZE / 4;
const NUMBERS_AT = PEER_AT + PEER_SIZE / 8;
const WORDS = NUMBERS_AT + 1;

/** What a record says. */
export interface Ending {
  /** The server's row; 0 none. */
  readonly server: number;
  /** Row of its farm. */
  readonly farm: number;
  /** REASON_* of engine/states.ts. */
  readonly reason: number;
  readonly startedMs: number;
  /** 0: its server never stood. */
  readonly openedMs: number;
  readonly endedMs: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly connection: number;
  readonly failovers: number;
  /** The port its client came to, which some servers have, too; 0 for a unix socket. */
  readonly port: number;
}

/** Reserves the ring of one worker. @owner any thread. */
export function createEndingRing(): SharedArrayBuffer {
  return createRecordRing(RING_WORDS);
}

/**
 * Writes down how a connection was, if there is room.
 *
 * @param peers has the client's address in PEER_WORDS words from `peerAt` on. @owner the producer.
 */
export function writeEnding(ring: RecordRing, ending: Ending, peers: Uint32Array, peerAt: number): void {
  const at = ring.claim(WORDS);
  if (at < 0) return;
  const { u32, f64 } = ring;
  // A byte has room for all farms.
  u32[at * 2 + 1] = (ending.farm << 24) | (ending.reason << 16) | ending.server;
  f64[at + 1] = ending.startedMs;
  f64[at + 2] = ending.openedMs;
  f64[at + 3] = ending.endedMs;
  f64[at + 4] = ending.bytesUp;
  f64[at + 5] = ending.bytesDown;
  for (let word = 0; word < PEER_WORDS; word++) u32[(at + PEER_AT) * 2 + word] = peers[peerAt + word];
  u32[(at + NUMBERS_AT) * 2] = ending.connection;
  u32[(at + NUMBERS_AT) * 2 + 1] = (ending.port << 16) | ending.failovers;
  ring.commit(WORDS);
}

/** Reads the record at `at`. @owner the consumer, while it is its own. */
export function readEnding({ u32, f64 }: RecordRing, at: number): Ending {
  return {
    server: u32[at * 2 + 1] & 0xffff,
    reason: (u32[at * 2 + 1] >>> 16) & 0xff,
    farm: u32[at * 2 + 1] >>> 24,
    startedMs: f64[at + 1],
    openedMs: f64[at + 2],
    endedMs: f64[at + 3],
    bytesUp: f64[at + 4],
    bytesDown: f64[at + 5],
    connection: u32[(at + NUMBERS_AT) * 2],
    failovers: u32[(at + NUMBERS_AT) * 2 + 1] & 0xffff,
    port: u32[(at + NUMBERS_AT) * 2 + 1] >>> 16,
  };
}

/** Where in `u8` the client's address begins. */
export function endingPeerAt(at: number): number {
  return (at + PEER_AT) * 8;
}
