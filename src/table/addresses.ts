/**
 * Tables whose rows are found by address: an arena of rows with a hash over it, for `clients.ts` and `sources.ts`.
 *
 * A row is one cache line. Its first words are the same in both tables; row 0 is nobody's and holds the state of the
 * arena instead. Rows are used from the lowest on and freed ones first, so memory follows the most there ever were.
 *
 * The hash grows by linear hashing: with each row used for the first time two buckets are added, each by splitting one
 * other. So chains stay short (at most one row for two buckets), no moment comes at which everything moves, and a few
 * thousand rows do not spread over the buckets of millions. The hash is keyed: who does not know the key of the
 * process cannot choose addresses that share a chain.
 *
 * Everything here is called with the table's lock held, except `setKey` and `hashKey`.
 * @source Litwin, "Linear hashing: a new tool for file and table addressing", 1980
 */
import { ENDPOINT_IP, ENDPOINT_KIND, KIND_IPV4, KIND_IPV6, KIND_UNIX } from '../base/endpoint.ts';
import { halfSipHash } from '../base/siphash.ts';
import { RECORD_WORDS, type Records } from './columns.ts';
import { HEADER_KEY } from './layout.ts';
import type { Tables } from './tables.ts';

export interface Arena {
  readonly row: Records;
  readonly bucket: Int32Array;
}

/* Words of a row. */
/** The address as four big-endian words; IPv4 as ::ffff:a.b.c.d, unix as 0. */
export const ROW_ADDRESS = 0;
/** Lower half: KEY_* and the farm, what tells rows of equal addresses apart; 0 in a free row. Upper half: the table's own. */
export const ROW_KEY = 4;
/** Next row of the chain, or of the free rows; 0 ends. */
export const ROW_NEXT = 5;

const KEY_WORDS = 5;
const KEY_MASK = 0xffff;
/** The lowest eight bits are the farm. */
export const KEY_FARM = 0xff;
const KEY_UNIX = 0x100;
/** The address stands for all with the same first 64 bits. */
const KEY_PREFIX = 0x200;
const KEY_LIVE = 0x8000;

/* Words of row 0. */
/** Highest row that was ever used. */
export const ARENA_USED = 0;
/** First free row below that; 0 none. */
export const ARENA_FREE = 1;
/** Buckets in use are `ARENA_MASK + 1 + ARENA_SPLIT`: the buckets below ARENA_SPLIT are split, the others not yet. */
export const ARENA_MASK = 2;
export const ARENA_SPLIT = 3;
const BUCKETS_PER_ROW = 2;

/** The key that is looked for, and that of a row already there; per thread, because every call needs them. */
const key = new Int32Array(KEY_WORDS);
const other = new Int32Array(KEY_WORDS);

/**
 * Makes the address of a peer the key that the next calls look for.
 *
 * All unix peers are one; an IPv4 address is the same in either notation.
 * @param peers records of PEER_SIZE bytes.
 * @param at where the record begins.
 * @param prefix bits of an IPv6 address that count: 128, or 64.
 * @param farm whose row it is; 0 in tables that know no farms.
 */
export function setKey(peers: Uint8Array, at: number, prefix: number, farm: number): void {
  const kind = peers[at + ENDPOINT_KIND];
  if (kind === KIND_UNIX) {
    key.fill(0);
    key[ROW_KEY] = KEY_LIVE | KEY_UNIX | farm;
    return;
  }
  for (let word = 0, from = at + ENDPOINT_IP; word < 4; word++, from += 4) {
    key[word] = (peers[from] << 24) | (peers[from + 1] << 16) | (peers[from + 2] << 8) | peers[from + 3];
  }
  key[ROW_KEY] = KEY_LIVE | farm;
  const isIpv4 = key[0] === 0 && key[1] === 0 && key[2] === 0xffff;
  if (prefix > 64 || isIpv4) return;
  key[2] = 0;
  key[3] = 0;
  key[ROW_KEY] |= KEY_PREFIX;
}

/** Hash of the key that `setKey` made. */
export function hashKey(tables: Tables): number {
  return halfSipHash(key, 0, KEY_WORDS, tables.header[HEADER_KEY], tables.header[HEADER_KEY + 1]);
}

/** Row with the key, 0 when there is none. @cost two cache misses, and one for each further row of the chain. */
export function findRow(arena: Arena, hash: number): number {
  const { words } = arena.row;
  let row = arena.bucket[bucketOf(words, hash)];
  while (row !== 0 && !hasKey(words, row * RECORD_WORDS)) row = words[row * RECORD_WORDS + ROW_NEXT];
  return row;
}

/**
 * Adds a row with the key, which is not there yet; 0 when all rows are in use.
 *
 * Beyond key and chain the row is as its last user left it.
 */
export function addRow(tables: Tables, arena: Arena, hash: number): number {
  const { words } = arena.row;
  const row = takeRow(tables, arena);
  if (row === 0) return 0;
  const at = row * RECORD_WORDS;
  for (let word = 0; word < KEY_WORDS; word++) words[at + word] = key[word];
  const bucket = bucketOf(words, hash);
  words[at + ROW_NEXT] = arena.bucket[bucket];
  arena.bucket[bucket] = row;
  return row;
}

/** Takes the row out of its chain and frees it. The key that `setKey` made stays. */
export function removeRow(tables: Tables, arena: Arena, row: number): void {
  const { words } = arena.row;
  const at = row * RECORD_WORDS;
  const bucket = bucketOf(words, hashRow(tables, words, at));
  const next = words[at + ROW_NEXT];
  let before = arena.bucket[bucket];
  if (before === row) {
    arena.bucket[bucket] = next;
  } else {
    while (words[before * RECORD_WORDS + ROW_NEXT] !== row) before = words[before * RECORD_WORDS + ROW_NEXT];
    words[before * RECORD_WORDS + ROW_NEXT] = next;
  }
  words[at + ROW_KEY] = 0;
  words[at + ROW_NEXT] = words[ARENA_FREE];
  words[ARENA_FREE] = row;
}

/** True when the row is somebody's. */
export function isRowLive(words: Int32Array, at: number): boolean {
  return (words[at + ROW_KEY] & KEY_LIVE) !== 0;
}

/** Writes the row's address as a peer record (port 0), which `ipText` reads. */
export function writePeer(words: Int32Array, at: number, target: Uint8Array, offset: number): void {
  const isUnix = (words[at + ROW_KEY] & KEY_UNIX) !== 0;
  const isIpv4 = words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0xffff;
  target.fill(0, offset, offset + ENDPOINT_IP);
  target[offset + ENDPOINT_KIND] = isUnix ? KIND_UNIX : isIpv4 ? KIND_IPV4 : KIND_IPV6;
  for (let byte = 0; byte < 16; byte++) {
    target[offset + ENDPOINT_IP + byte] = words[at + (byte >>> 2)] >>> (24 - 8 * (byte & 3));
  }
}

/** Bucket of a hash: split buckets look at one bit more. */
export function bucketOf(words: Int32Array, hash: number): number {
  const mask = words[ARENA_MASK];
  const bucket = hash & mask;
  return bucket < words[ARENA_SPLIT] ? hash & (mask * 2 + 1) : bucket;
}

/** Hash of a row's own key. */
export function hashRow(tables: Tables, words: Int32Array, at: number): number {
  for (let word = 0; word < KEY_WORDS; word++) other[word] = words[at + word];
  other[ROW_KEY] &= KEY_MASK;
  return halfSipHash(other, 0, KEY_WORDS, tables.header[HEADER_KEY], tables.header[HEADER_KEY + 1]);
}

function hasKey(words: Int32Array, at: number): boolean {
  return (
    words[at + 3] === key[3] &&
    words[at + 2] === key[2] &&
    words[at + 1] === key[1] &&
    words[at] === key[0] &&
    (words[at + ROW_KEY] & KEY_MASK) === key[ROW_KEY]
  );
}

function takeRow(tables: Tables, arena: Arena): number {
  const { words } = arena.row;
  const free = words[ARENA_FREE];
  if (free !== 0) {
    words[ARENA_FREE] = words[free * RECORD_WORDS + ROW_NEXT];
    return free;
  }
  const row = words[ARENA_USED] + 1;
  if (row * RECORD_WORDS >= words.length) return 0;
  words[ARENA_USED] = row;
  for (let added = 0; added < BUCKETS_PER_ROW; added++) addBucket(tables, arena);
  return row;
}

/** Splits the next bucket in two: its rows stay or go to the new last one, as one more bit of their hash says. */
function addBucket(tables: Tables, arena: Arena): void {
  const { words } = arena.row;
  const mask = words[ARENA_MASK];
  const from = words[ARENA_SPLIT];
  let row = arena.bucket[from];
  let staying = 0;
  let going = 0;
  while (row !== 0) {
    const at = row * RECORD_WORDS;
    const next = words[at + ROW_NEXT];
    if ((hashRow(tables, words, at) & (mask + 1)) === 0) {
      words[at + ROW_NEXT] = staying;
      staying = row;
    } else {
      words[at + ROW_NEXT] = going;
      going = row;
    }
    row = next;
  }
  arena.bucket[from] = staying;
  arena.bucket[from + mask + 1] = going;
  const isRoundDone = from === mask;
  words[ARENA_MASK] = isRoundDone ? mask * 2 + 1 : mask;
  words[ARENA_SPLIT] = isRoundDone ? 0 : from + 1;
}
