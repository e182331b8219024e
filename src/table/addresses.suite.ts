/** What the tests of `clients.ts` and `sources.ts` share: peers by their text, and a walk over everything that must hold. */
import ipaddr from 'ipaddr.js';
import { PEER_SIZE, writeEndpoint, ENDPOINT_SIZE, KIND_IPV4, KIND_IPV6 } from '../base/endpoint.ts';
import {
  ARENA_FREE,
  ARENA_MASK,
  ARENA_SPLIT,
  BUCKETS_PER_ROW,
  LINK_NEXT,
  LINK_WORDS,
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
import { LINK_NEWER, LINK_OLDER } from './clients.ts';
import { RECORD_WORDS } from './columns.ts';
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
  const { link } = arena;
  const used = rowsUsed(arena);
  const buckets = link[ARENA_MASK]! + 1 + link[ARENA_SPLIT]!;
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
      check(bucketOf(link, hash) === bucket, 'a row is in the chain of its hash');
      check(((reference ^ hash) & REFERENCE_HASH) === 0, 'a reference has bits of the hash');
      seen[row] = 1;
      live++;
      reference = link[row * LINK_WORDS + LINK_NEXT]!;
    }
    longestChain = Math.max(longestChain, length);
  }
  let free = 0;
  for (let row = link[ARENA_FREE]!; row !== 0; row = link[row * LINK_WORDS + LINK_NEXT]!, free++) {
    check(row > 0 && row <= used && seen[row] === 0, 'a free row is in no chain, and free once');
    check(arena.row.words[row * RECORD_WORDS + ROW_KEY] === 0, 'a free row has no key');
    seen[row] = 1;
  }
  check(live + free === used, 'every row that was used is in a chain or free');
  return { live, free, buckets, longestChain };
}

/** The same for the clients, and the lists of the farms. */
export function checkClients(tables: Tables): Findings {
  const found = checkArena(tables, tables.clients);
  const { link } = tables.clients;
  const { clientOldest, clientNewest, clientCount } = tables.farms;
  let listed = 0;
  for (let farm = 0; farm < clientCount.length; farm++) {
    let count = 0;
    let before = 0;
    for (let row = clientOldest[farm]!; row !== 0; row = link[row * LINK_WORDS + LINK_NEWER]!, count++) {
      check(count < clientCount[farm]!, 'a list is as long as its farm says');
      const isOurs = isRowLive(tables.clients, row) && farmOfRow(tables.clients, row) === farm;
      check(isOurs, 'a list holds live rows of its farm');
      check(link[row * LINK_WORDS + LINK_OLDER] === before, 'a list reads the same in both directions');
      before = row;
    }
    check(clientNewest[farm] === before, 'a list ends with the newest');
    check(count === clientCount[farm], 'a list is as long as its farm says');
    listed += count;
  }
  check(listed === found.live, 'every client is in the list of its farm');
  return found;
}
