/**
 * How many connections each source address has, over all workers and farms: exactly.
 *
 * A connection is either served, and takes one of its source's places, or waits for one (parked). A row lives as long
 * as it has connections of either sort, so there are never more rows than connections. Each function is one critical
 * section under LOCK_SOURCES.
 *
 * Whoever holds a row (column `connections.source`) gives it back exactly once: the worker, or main on behalf of a
 * worker that is gone, by `giveSource` for a served connection and `leaveSource` for a waiting one.
 */
import { fail } from '../base/assert.ts';
import { addRow, findRow, hashKey, isRowLive, removeRow, setKey } from './addresses.ts';
import { RECORD_WORDS } from './columns.ts';
import { LOCK_SOURCES, lock, unlock } from './shared.ts';
import type { Tables } from './tables.ts';

/* Words of a record, beyond those of `addresses.ts`. */
const ROW_SERVED = 5;
const ROW_WAITING = 6;

/**
 * Counts a new connection of the peer: served when fewer than `limit` are, else as one that waits.
 *
 * @param worker who asks, for the lock.
 * @param peers records of PEER_SIZE bytes; `at` where the peer's begins.
 * @param prefix bits of an IPv6 address that tell sources apart, 128 or 64: `clientPrefix` of the farm.
 * @param limit places of one source; 0 no limit.
 * @returns the row when the connection is served, its negative when it waits, both to be kept; 0 when all rows are in
 * use, which cannot be as long as connections are fewer than CONNECTIONS_MAX.
 * @owner any worker.
 * @cost  as `touchClient`.
 */
export function takeSource(
  tables: Tables,
  worker: number,
  peers: Uint8Array,
  at: number,
  prefix: number,
  limit: number,
): number {
  const { sources } = tables;
  const { words } = sources.row;
  setKey(peers, at, prefix, 0);
  const hash = hashKey(tables);
  lock(tables, LOCK_SOURCES, worker);
  const known = findRow(sources, hash);
  const row = known === 0 ? addRow(tables, sources, hash) : known;
  if (row === 0) {
    unlock(tables, LOCK_SOURCES, worker);
    return 0;
  }
  const rowAt = row * RECORD_WORDS;
  if (known === 0) {
    words[rowAt + ROW_SERVED] = 0;
    words[rowAt + ROW_WAITING] = 0;
  }
  const isServed = limit === 0 || words[rowAt + ROW_SERVED] < limit;
  words[rowAt + (isServed ? ROW_SERVED : ROW_WAITING)]++;
  unlock(tables, LOCK_SOURCES, worker);
  return isServed ? row : -row;
}

/**
 * Serves one of the source's waiting connections, if it has a free place now.
 *
 * @returns whether the caller's connection, which waited, is served.
 * @owner  the worker whose connection it is.
 * @errors asserts that one waits.
 */
export function promoteSource(tables: Tables, worker: number, row: number, limit: number): boolean {
  const { words } = tables.sources.row;
  const at = row * RECORD_WORDS;
  lock(tables, LOCK_SOURCES, worker);
  const isThere = isRowLive(tables.sources, row) && words[at + ROW_WAITING] > 0;
  const isServed = isThere && (limit === 0 || words[at + ROW_SERVED] < limit);
  if (isServed) {
    words[at + ROW_WAITING]--;
    words[at + ROW_SERVED]++;
  }
  unlock(tables, LOCK_SOURCES, worker);
  if (!isThere) fail('who is promoted has waited');
  return isServed;
}

/**
 * Ends a served connection of the source.
 *
 * @returns how many of its connections wait, in whichever worker.
 * @owner  the worker whose connection it was, or main on behalf of a worker that is gone.
 * @errors asserts that one is served.
 */
export function giveSource(tables: Tables, worker: number, row: number): number {
  return end(tables, worker, row, ROW_SERVED);
}

/** Ends a connection of the source that waited. @returns, @owner, @errors as `giveSource`. */
export function leaveSource(tables: Tables, worker: number, row: number): number {
  return end(tables, worker, row, ROW_WAITING);
}

/** Connections of the source that are served. @owner any thread; exact for whoever holds one of them. */
export function servedOf(tables: Tables, row: number): number {
  return tables.sources.row.words[row * RECORD_WORDS + ROW_SERVED];
}

/** Connections of the source that wait. @owner as `servedOf`. */
export function waitingOf(tables: Tables, row: number): number {
  return tables.sources.row.words[row * RECORD_WORDS + ROW_WAITING];
}

function end(tables: Tables, worker: number, row: number, word: number): number {
  const { sources } = tables;
  const { words } = sources.row;
  const at = row * RECORD_WORDS;
  lock(tables, LOCK_SOURCES, worker);
  const isThere = row !== 0 && isRowLive(tables.sources, row) && words[at + word] > 0;
  if (isThere) words[at + word]--;
  const waiting = words[at + ROW_WAITING];
  if (isThere && waiting === 0 && words[at + ROW_SERVED] === 0) removeRow(tables, sources, row);
  unlock(tables, LOCK_SOURCES, worker);
  if (!isThere) fail('what is given back was taken');
  return waiting;
}
