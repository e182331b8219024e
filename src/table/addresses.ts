/**
 * Tables whose rows are found by address: an arena of rows with a hash over it, for `clients.ts` and `sources.ts`.
 *
 * In tables of millions a lookup costs what it misses in the caches, so all that belongs to a row is its record, one cache
 * line. What leads to it lies apart and is small: the buckets, and for each row the next of its chain. Both carry bits of
 * the hash that tell the row that is meant from others without a look at their records. Row 0 is nobody's; its record
 * holds the state of the arena. Rows are used from the lowest on, freed ones first, so memory follows the most there
 * ever were.
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
  /** Reference to the first row of each chain; 0 none. */
  readonly bucket: Int32Array;
  /** Of each row, reference to the next of its chain, or the next free row; 0 ends. */
  readonly next: Int32Array;
}

/* Words of a record; 0 to 3 are the address, big-endian: IPv4 as ::ffff:a.b.c.d, unix as 0. The others are the table's. */
/** Lower half: what tells rows of equal addresses apart, and the farm; 0 in a free row. Upper half: the table's own. */
export const ROW_KEY = 4;
const KEY_WORDS = 5;
const KEY_MASK = 0xffff;
/** The lowest eight bits are the farm. */
const KEY_FARM = 0xff;
const KEY_UNIX = 0x100;
/** The address stands for all with the same first 64 bits. */
const KEY_PREFIX = 0x200;
const KEY_LIVE = 0x8000;

/** Buckets and chains refer to a row by its number and, above that, the same bits of its hash. */
export const REFERENCE_ROW = 0x3f_ffff;
export const REFERENCE_HASH = ~REFERENCE_ROW;

/* Words of row 0's record. */
/** First free row; 0 none. */
export const ARENA_FREE = 0;
/** Highest row that was ever used. */
export const ARENA_USED = 1;
/** Buckets in use are `ARENA_MASK + 1 + ARENA_SPLIT`: the buckets below ARENA_SPLIT are split, the others not yet. */
export const ARENA_MASK = 2;
export const ARENA_SPLIT = 3;
export const BUCKETS_PER_ROW = 2;

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
  if (prefix > 64 || isIpv4(key, 0)) return;
  key[2] = 0;
  key[3] = 0;
  key[ROW_KEY] |= KEY_PREFIX;
}

/** Hash of the key that `setKey` made. */
export function hashKey(tables: Tables): number {
  return hashOf(tables, key);
}

/** Row with the key, 0 when there is none. @cost misses of one bucket and then of one record. */
export function findRow(arena: Arena, hash: number): number {
  const { bucket, next } = arena;
  const { words } = arena.row;
  let reference = bucket[bucketOf(words, hash)];
  while (reference !== 0) {
    const row = reference & REFERENCE_ROW;
    if (((reference ^ hash) & REFERENCE_HASH) === 0 && hasKey(words, row * RECORD_WORDS)) return row;
    reference = next[row];
  }
  return 0;
}

/**
 * Adds a row with the key, which is not there yet; 0 when all rows are in use.
 *
 * Beyond key and chain the row is as its last user left it; what is in the upper half of ROW_KEY is 0.
 */
export function addRow(tables: Tables, arena: Arena, hash: number): number {
  const row = takeRow(tables, arena);
  if (row === 0) return 0;
  const { words } = arena.row;
  for (let word = 0; word < KEY_WORDS; word++) words[row * RECORD_WORDS + word] = key[word];
  chain(arena, bucketOf(arena.row.words, hash), row, hash);
  return row;
}

/** Takes the row out of its chain and frees it. The key that `setKey` made stays. */
export function removeRow(tables: Tables, arena: Arena, row: number): void {
  const { bucket, next } = arena;
  const { words } = arena.row;
  const at = bucketOf(words, hashRow(tables, arena, row));
  let before = bucket[at] & REFERENCE_ROW;
  if (before === row) {
    bucket[at] = next[row];
  } else {
    for (;;) {
      const after = next[before] & REFERENCE_ROW;
      if (after === row) break;
      before = after;
    }
    next[before] = next[row];
  }
  words[row * RECORD_WORDS + ROW_KEY] = 0;
  next[row] = words[ARENA_FREE];
  words[ARENA_FREE] = row;
}

/** Highest row that was ever used. */
export function rowsUsed(arena: Arena): number {
  return arena.row.words[ARENA_USED];
}

/** True when the row is somebody's. */
export function isRowLive(arena: Arena, row: number): boolean {
  return (arena.row.words[row * RECORD_WORDS + ROW_KEY] & KEY_LIVE) !== 0;
}

/** Farm of a row that is somebody's. */
export function farmOfRow(arena: Arena, row: number): number {
  return arena.row.words[row * RECORD_WORDS + ROW_KEY] & KEY_FARM;
}

/** Writes the row's address as a peer record (port 0), which `ipText` reads. */
export function writePeer(arena: Arena, row: number, target: Uint8Array, offset: number): void {
  const { words } = arena.row;
  const at = row * RECORD_WORDS;
  const isUnix = (words[at + ROW_KEY] & KEY_UNIX) !== 0;
  target.fill(0, offset, offset + ENDPOINT_IP);
  target[offset + ENDPOINT_KIND] = isUnix ? KIND_UNIX : isIpv4(words, at) ? KIND_IPV4 : KIND_IPV6;
  for (let byte = 0; byte < 16; byte++) {
    target[offset + ENDPOINT_IP + byte] = words[at + (byte >>> 2)] >>> (24 - 8 * (byte & 3));
  }
}

/** Address words of ::ffff:a.b.c.d. */
function isIpv4(words: Int32Array, at: number): boolean {
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0xffff;
}

/** Bucket of a hash: split buckets look at one bit more. */
export function bucketOf(words: Int32Array, hash: number): number {
  const mask = words[ARENA_MASK];
  const bucket = hash & mask;
  return bucket < words[ARENA_SPLIT] ? hash & (mask * 2 + 1) : bucket;
}

/** Hash of a row's own key. */
export function hashRow(tables: Tables, arena: Arena, row: number): number {
  for (let word = 0; word < KEY_WORDS; word++) other[word] = arena.row.words[row * RECORD_WORDS + word];
  other[ROW_KEY] &= KEY_MASK;
  return hashOf(tables, other);
}

/** Of IPv4 addresses only the last word and the key's: the others are the same in all, and cost half as much again. */
function hashOf(tables: Tables, words: Int32Array): number {
  const from = isIpv4(words, 0) ? 3 : 0;
  return halfSipHash(words, from, KEY_WORDS - from, tables.header[HEADER_KEY], tables.header[HEADER_KEY + 1]);
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

/** Puts the row first in a chain. */
function chain(arena: Arena, bucket: number, row: number, hash: number): void {
  arena.next[row] = arena.bucket[bucket];
  arena.bucket[bucket] = row | (hash & REFERENCE_HASH);
}

function takeRow(tables: Tables, arena: Arena): number {
  const { next } = arena;
  const { words } = arena.row;
  const free = words[ARENA_FREE];
  if (free !== 0) {
    words[ARENA_FREE] = next[free];
    return free;
  }
  const row = words[ARENA_USED] + 1;
  if (row >= next.length) return 0;
  words[ARENA_USED] = row;
  for (let added = 0; added < BUCKETS_PER_ROW; added++) addBucket(tables, arena);
  return row;
}

/** Splits the next bucket in two: its rows stay or go to the new last one, as one more bit of their hash says. */
function addBucket(tables: Tables, arena: Arena): void {
  const { words } = arena.row;
  const mask = words[ARENA_MASK];
  const from = words[ARENA_SPLIT];
  let row = arena.bucket[from] & REFERENCE_ROW;
  arena.bucket[from] = 0;
  const isRoundDone = from === mask;
  words[ARENA_MASK] = isRoundDone ? mask * 2 + 1 : mask;
  words[ARENA_SPLIT] = isRoundDone ? 0 : from + 1;
  while (row !== 0) {
    const after = arena.next[row] & REFERENCE_ROW;
    const hash = hashRow(tables, arena, row);
    chain(arena, bucketOf(words, hash), row, hash);
    row = after;
  }
}
