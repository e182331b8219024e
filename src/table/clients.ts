/**
 * The clients that farms remember: which server each was sent to, when it last came, what it has sent and received.
 *
 * All farms share one arena of rows; each farm knows exactly in which order its clients last came (`order.ts`), because
 * who came longest ago makes room. Each function is one critical section under LOCK_CLIENTS, so limits and order are
 * exact over all workers.
 *
 * A row goes to another client only after it was evicted, and then its generation has risen: whoever remembers row
 * and generation (columns `connections.client`, `clientGeneration`) can never name the wrong client.
 */
import { PEER_SIZE } from '../base/endpoint.ts';
import {
  ROW_KEY,
  addRow,
  farmOfRow,
  findRow,
  hashKey,
  isRowLive,
  removeRow,
  rowsUsed,
  setKey,
  writePeer,
} from './addresses.ts';
import { RECORD_NUMBERS, RECORD_WORDS } from './columns.ts';
import { FARMS_MAX } from './limits.ts';
import { leavePlace, newestRow, oldestRow, takePlace } from './order.ts';
import { LOCK_CLIENTS, lock, unlock } from './shared.ts';
import type { ConfigBank, Tables } from './tables.ts';

/* A record, beyond what `addresses.ts` says. */
/** Upper half of ROW_KEY: index within the farm, plus one, of the server last attempted; 0 none. */
const SERVER_SHIFT = 16;
const SERVER_MASK = 0xffff << SERVER_SHIFT;
/** Word: connections started. u32, wraps. */
const ROW_CONNECTS = 5;
/** Number (words 6 and 7): when the last connection started, ms. */
const ROW_LAST = 3;
/** Numbers: bytes sent to the client, and received from it. */
const ROW_SENT = 4;
const ROW_RECEIVED = 5;
/** Word: rises when the row is evicted. */
const ROW_GENERATION = 12;
/** Word: where the client is in its farm's order, see `order.ts`. */
export const ROW_PLACE = 13;

/** Clients evicted at most by one that comes, so that a limit that shrank is followed in steps. */
const EVICTIONS_MAX = 2;

/** What `touchClient` found. One per worker, used again and again. */
export class ClientVisit {
  /** Row of `clients`; 0 when the farm remembers nobody. */
  row = 0;
  generation = 0;
  /** Index within the farm, plus one, of the server last attempted; 0 none. */
  server = 0;
  /** True when the client was not known, or came too long ago to count as known. */
  isNew = false;
}

/**
 * A connection of the peer starts: finds the farm's client or makes it, and notes that it came.
 *
 * A client whose last connection started more than `farms.trackingMs` ago (and that is not 0) starts anew: without
 * server, counters at 0. When the farm remembers `farms.clientsMax` others, the one that came longest ago makes room;
 * when no row is left at all, that of the farm with most clients does. With `clientsMax` 0 nobody is remembered.
 *
 * @param config what the worker works with in this turn.
 * @param worker who asks, for the lock.
 * @param peers records of PEER_SIZE bytes; `at` where the peer's begins.
 * @param nowMs the turn's time, ms.
 * @param visit is filled.
 * @owner any worker.
 * @cost  one hash and one lock; in tables of millions two cache misses for a client that is known, of bucket and record. Allocates nothing.
 */
export function touchClient(
  tables: Tables,
  config: ConfigBank,
  worker: number,
  farm: number,
  peers: Uint8Array,
  at: number,
  nowMs: number,
  visit: ClientVisit,
): void {
  const { clientPrefix, clientsMax, trackingMs } = config.farms;
  const limit = clientsMax[farm];
  setKey(peers, at, clientPrefix[farm], farm);
  const hash = hashKey(tables);
  lock(tables, LOCK_CLIENTS, worker);
  let row = limit === 0 ? 0 : findRow(tables.clients, hash);
  visit.isNew = row === 0 || isExpired(tables, row, nowMs, trackingMs[farm]);
  if (row !== 0) {
    moveToNewest(tables, farm, row);
    trim(tables, farm, limit);
  } else if (limit !== 0) {
    trim(tables, farm, limit - 1);
    row = admit(tables, farm, hash);
  }
  record(tables, row, nowMs, visit);
  unlock(tables, LOCK_CLIENTS, worker);
}

/**
 * Notes the server that the client's connection is sent to; nothing when the row is another client's by now.
 *
 * @param server index within the farm, plus one; 0 forgets.
 * @owner any worker. @cost one lock and one cache miss.
 */
export function rememberServer(tables: Tables, worker: number, row: number, generation: number, server: number): void {
  const { words } = tables.clients.row;
  const at = row * RECORD_WORDS;
  lock(tables, LOCK_CLIENTS, worker);
  if (isStill(tables, row, generation)) {
    words[at + ROW_KEY] = (words[at + ROW_KEY] & ~SERVER_MASK) | (server << SERVER_SHIFT);
  }
  unlock(tables, LOCK_CLIENTS, worker);
}

/**
 * Adds bytes to the client's account; nothing when the row is another client's by now.
 *
 * @owner any worker, or main on behalf of one that is gone. @cost one lock and one cache miss.
 */
export function creditClient(
  tables: Tables,
  worker: number,
  row: number,
  generation: number,
  toClient: number,
  fromClient: number,
): void {
  const { numbers } = tables.clients.row;
  const at = row * RECORD_NUMBERS;
  lock(tables, LOCK_CLIENTS, worker);
  if (isStill(tables, row, generation)) {
    numbers[at + ROW_SENT] += toClient;
    numbers[at + ROW_RECEIVED] += fromClient;
  }
  unlock(tables, LOCK_CLIENTS, worker);
}

/**
 * Forgets up to `most` of the farm's clients, those that came longest ago first; for a farm that is gone.
 *
 * @returns how many are left.
 * @owner control; in pieces, because the lock is held meanwhile.
 */
export function forgetClients(tables: Tables, worker: number, farm: number, most: number): number {
  const { clientCount } = tables.farms;
  lock(tables, LOCK_CLIENTS, worker);
  for (let i = 0; i < most && clientCount[farm] > 0; i++) evictOldest(tables, farm);
  const left = clientCount[farm];
  unlock(tables, LOCK_CLIENTS, worker);
  return left;
}

/** Clients the farm remembers. @owner any thread; a little late. */
export function clientsOf(tables: Tables, farm: number): number {
  return tables.farms.clientCount[farm];
}

/**
 * The server that the farm's client who came last was sent to: index within the farm, plus one; 0 none.
 *
 * @owner any thread. @cost the lock.
 */
export function lastServer(tables: Tables, worker: number, farm: number): number {
  lock(tables, LOCK_CLIENTS, worker);
  const row = newestRow(tables, farm);
  const server = row === 0 ? 0 : tables.clients.row.words[row * RECORD_WORDS + ROW_KEY] >>> SERVER_SHIFT;
  unlock(tables, LOCK_CLIENTS, worker);
  return server;
}

/** Some clients of a farm, as `readClients` copies them: entry i of each array. */
export class ClientPage {
  /** Entries filled. */
  count = 0;
  readonly rows: Uint32Array;
  /** Address of entry i as a record at `i * PEER_SIZE`, for `ipText`. */
  readonly peers: Uint8Array;
  /** Index within the farm, plus one; 0 none. */
  readonly servers: Uint16Array;
  readonly connects: Uint32Array;
  readonly lastMs: Float64Array;
  readonly sent: Float64Array;
  readonly received: Float64Array;

  constructor(size: number) {
    this.rows = new Uint32Array(size);
    this.peers = new Uint8Array(size * PEER_SIZE);
    this.servers = new Uint16Array(size);
    this.connects = new Uint32Array(size);
    this.lastMs = new Float64Array(size);
    this.sent = new Float64Array(size);
    this.received = new Float64Array(size);
  }
}

/** Rows looked at under one lock by `readClients`. */
const READ_ROWS = 1024;

/**
 * Copies the next clients of a farm, by row. A client that stays during the whole walk is met exactly once.
 *
 * @param from the row to begin with: 1 first, then what the last call returned.
 * @returns where to go on; 0 when all rows were looked at.
 * @owner control.
 * @cost  the lock, held for at most READ_ROWS rows or one page; call again in a later turn of the event loop.
 */
export function readClients(tables: Tables, worker: number, farm: number, from: number, page: ClientPage): number {
  const { clients } = tables;
  page.count = 0;
  lock(tables, LOCK_CLIENTS, worker);
  const used = rowsUsed(clients);
  const end = Math.min(used + 1, from + READ_ROWS);
  let row = from;
  for (; row < end && page.count < page.rows.length; row++) {
    if (isRowLive(clients, row) && farmOfRow(clients, row) === farm) copyRow(tables, row, page);
  }
  const isDone = row > used;
  unlock(tables, LOCK_CLIENTS, worker);
  return isDone ? 0 : row;
}

function copyRow(tables: Tables, row: number, page: ClientPage): void {
  const { clients } = tables;
  const { words, numbers } = clients.row;
  const at = row * RECORD_WORDS;
  const i = page.count++;
  page.rows[i] = row;
  writePeer(clients, row, page.peers, i * PEER_SIZE);
  page.servers[i] = words[at + ROW_KEY] >>> SERVER_SHIFT;
  page.connects[i] = words[at + ROW_CONNECTS];
  page.lastMs[i] = numbers[row * RECORD_NUMBERS + ROW_LAST];
  page.sent[i] = numbers[row * RECORD_NUMBERS + ROW_SENT];
  page.received[i] = numbers[row * RECORD_NUMBERS + ROW_RECEIVED];
}

/* ---- under the lock ---- */

function isStill(tables: Tables, row: number, generation: number): boolean {
  return row !== 0 && tables.clients.row.words[row * RECORD_WORDS + ROW_GENERATION] === (generation | 0);
}

function isExpired(tables: Tables, row: number, nowMs: number, trackingMs: number): boolean {
  return trackingMs > 0 && nowMs - tables.clients.row.numbers[row * RECORD_NUMBERS + ROW_LAST] > trackingMs;
}

/** Counts the connect, from 0 for a new client, and fills the visit. */
function record(tables: Tables, row: number, nowMs: number, visit: ClientVisit): void {
  visit.row = row;
  visit.generation = 0;
  visit.server = 0;
  if (row === 0) return;
  const { words, numbers } = tables.clients.row;
  const at = row * RECORD_WORDS;
  if (visit.isNew) {
    words[at + ROW_KEY] &= ~SERVER_MASK;
    words[at + ROW_CONNECTS] = 0;
    numbers[row * RECORD_NUMBERS + ROW_SENT] = 0;
    numbers[row * RECORD_NUMBERS + ROW_RECEIVED] = 0;
  }
  words[at + ROW_CONNECTS]++;
  numbers[row * RECORD_NUMBERS + ROW_LAST] = nowMs;
  visit.generation = words[at + ROW_GENERATION] >>> 0;
  visit.server = words[at + ROW_KEY] >>> SERVER_SHIFT;
}

/** A new row, the newest of the farm. */
function admit(tables: Tables, farm: number, hash: number): number {
  let row = addRow(tables, tables.clients, hash);
  if (row === 0) {
    evictOldest(tables, fullestFarm(tables));
    row = addRow(tables, tables.clients, hash);
  }
  tables.clients.row.words[row * RECORD_WORDS + ROW_PLACE] = takePlace(tables, farm, row);
  tables.farms.clientCount[farm]++;
  return row;
}

function fullestFarm(tables: Tables): number {
  const { clientCount } = tables.farms;
  let fullest = 0;
  for (let farm = 1; farm < FARMS_MAX; farm++) if (clientCount[farm] > clientCount[fullest]) fullest = farm;
  return fullest;
}

/** Evicts until the farm has no more than `keep` clients, but only a few. */
function trim(tables: Tables, farm: number, keep: number): void {
  const { clientCount } = tables.farms;
  for (let i = 0; i < EVICTIONS_MAX && clientCount[farm] > keep; i++) evictOldest(tables, farm);
}

function evictOldest(tables: Tables, farm: number): void {
  const { clients } = tables;
  const { words } = clients.row;
  const row = oldestRow(tables, farm);
  const at = row * RECORD_WORDS;
  leavePlace(tables, farm, words[at + ROW_PLACE]);
  tables.farms.clientCount[farm]--;
  words[at + ROW_GENERATION]++;
  removeRow(tables, clients, row);
}

function moveToNewest(tables: Tables, farm: number, row: number): void {
  const { words } = tables.clients.row;
  const at = row * RECORD_WORDS + ROW_PLACE;
  const place = words[at];
  if (place === tables.farms.clientNewest[farm]) return;
  words[at] = takePlace(tables, farm, row);
  leavePlace(tables, farm, place);
}
