/** What the tests of `clients.ts` and `sources.ts` share: peers by their text, and a walk over everything that must hold. */
import ipaddr from 'ipaddr.js';
import { PEER_SIZE, writeEndpoint, ENDPOINT_SIZE, KIND_IPV4, KIND_IPV6 } from '../base/endpoint.ts';
import {
  ARENA_FREE,
  ARENA_MASK,
  ARENA_SPLIT,
  BUCKETS_PER_ROW,
  REFERENCE_HASH,
  REFERENCE_ROW,
  ROW_KEY,
  bucketOf,
  farmOfRow,
  hashRow,
  isRowLive,
  rowsUsed,
  type Arena,
} from './addresses.ts';
import { ROW_PLACE } from './clients.ts';
import { RECORD_WORDS } from './columns.ts';
import { BLOCKS_FREE, BLOCKS_USED, BLOCK_PLACES, NEIGHBOUR_NEWER, NEIGHBOUR_OLDER } from './order.ts';
import type { Tables } from './tables.ts';

/** The record of a peer: `unix`, or an address as people write it. */
export function peerOf(text: string): Uint8Array {
  const record = new Uint8Array(ENDPOINT_SIZE);
  if (text === 'unix') {
    writeEndpoint({ kind: 1, path: '' }, record, 0);
  } else {
    const parsed = ipaddr.parse(text);
    const ip = Uint8Array.from(parsed.toByteArray());
    const endpoint =
      parsed.kind() === 'ipv4' ? { kind: KIND_IPV4, ip, port: 1234 } : { kind: KIND_IPV6, ip, port: 1234, scope: 0 };
    writeEndpoint(endpoint as never, record, 0);
  }
  return record.slice(0, PEER_SIZE);
}

export interface Findings {
  readonly live: number;
  readonly free: number;
  readonly buckets: number;
  readonly longestChain: number;
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`the arena is intact: ${what}`);
}

/** Walks chains, free rows and buckets, with nobody else at work. @throws Error that says what is broken. */
export function checkArena(tables: Tables, arena: Arena): Findings {
  const { next } = arena;
  const { words } = arena.row;
  const used = rowsUsed(arena);
  const buckets = words[ARENA_MASK]! + 1 + words[ARENA_SPLIT]!;
  check(buckets === BUCKETS_PER_ROW * used + 1, 'there are two buckets for each row');
  const seen = new Uint8Array(used + 1);
  let live = 0;
  let longestChain = 0;
  for (let bucket = 0; bucket < buckets; bucket++) {
    let length = 0;
    for (let reference = arena.bucket[bucket]!; reference !== 0; length++) {
      const row = reference & REFERENCE_ROW;
      check(row > 0 && row <= used && seen[row] === 0, 'a row is in one chain, once');
      check(isRowLive(arena, row), 'rows in chains live');
      const hash = hashRow(tables, arena, row);
      check(bucketOf(words, hash) === bucket, 'a row is in the chain of its hash');
      check(((reference ^ hash) & REFERENCE_HASH) === 0, 'a reference has bits of the hash');
      seen[row] = 1;
      live++;
      reference = next[row]!;
    }
    longestChain = Math.max(longestChain, length);
  }
  let free = 0;
  for (let row = words[ARENA_FREE]!; row !== 0; row = next[row]!, free++) {
    check(row > 0 && row <= used && seen[row] === 0, 'a free row is in no chain, and free once');
    check(arena.row.words[row * RECORD_WORDS + ROW_KEY] === 0, 'a free row has no key');
    seen[row] = 1;
  }
  check(live + free === used, 'every row that was used is in a chain or free');
  return { live, free, buckets, longestChain };
}

/** Rows of the farm's clients, from the one that came longest ago on. @throws Error when the order is broken. */
export function rowsInOrder(tables: Tables, farm: number): number[] {
  const { place, taken, neighbour } = tables.clientBlocks;
  const { clientOldest, clientNewest } = tables.farms;
  const rows = [];
  let before = 0;
  let newest = 0;
  for (let block = clientOldest[farm]!; block !== 0; block = neighbour[block * 2 + NEIGHBOUR_NEWER]!) {
    check(block <= place[BLOCKS_USED]!, 'a block was used');
    check(neighbour[block * 2 + NEIGHBOUR_OLDER] === before, 'a chain reads the same in both directions');
    check(taken[block] !== 0, 'a block has somebody in it');
    for (let slot = 0; slot < BLOCK_PLACES; slot++) {
      if ((taken[block]! & (1 << slot)) === 0) continue;
      newest = block * BLOCK_PLACES + slot;
      rows.push(place[newest]!);
    }
    before = block;
  }
  check(clientNewest[farm] === newest, 'an order ends with the newest');
  return rows;
}

/** Blocks that are free. */
export function freeBlocks(tables: Tables): number {
  const { place, neighbour } = tables.clientBlocks;
  let free = 0;
  for (let block = place[BLOCKS_FREE]!; block !== 0; block = neighbour[block * 2 + NEIGHBOUR_NEWER]!) {
    check(++free <= place[BLOCKS_USED]!, 'a block is free once');
  }
  return free;
}

/** The same for the clients, and the orders of the farms. */
export function checkClients(tables: Tables): Findings {
  const { clients, clientBlocks, farms } = tables;
  const found = checkArena(tables, clients);
  const blocks = new Set<number>();
  let listed = 0;
  for (let farm = 0; farm < farms.clientCount.length; farm++) {
    const rows = rowsInOrder(tables, farm);
    check(rows.length === farms.clientCount[farm], 'an order is as long as its farm says');
    for (const row of rows) {
      check(isRowLive(clients, row) && farmOfRow(clients, row) === farm, 'an order holds live rows of its farm');
      const place = clients.row.words[row * RECORD_WORDS + ROW_PLACE]!;
      check(clientBlocks.place[place] === row, 'a row knows its place');
      blocks.add(Math.floor(place / BLOCK_PLACES));
    }
    listed += rows.length;
  }
  check(listed === found.live, 'every client is in the order of its farm, once');
  check(blocks.size + freeBlocks(tables) === clientBlocks.place[BLOCKS_USED], 'a block has somebody in it or is free');
  return found;
}
