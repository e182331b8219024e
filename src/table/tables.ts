/**
 * The tables: all state that more than one thread sees, as columns over one block of shared memory.
 *
 * The public face of this room:
 * ```
 * tables.ts   createTables(): SharedArrayBuffer             main, once
 *             openTables(memory): Tables                    every thread, once
 *             tables.connections.state[slot]                owned, shared, locked columns: plain typed arrays
 *             tables.config[bank].servers.weight[row]       config columns of a bank (0, 1): a ConfigBank
 * columns.ts  addTo(tables.counters.accepted, worker, n)    counters and gauges: setLane, raiseLane (owner),
 *             sumLanes(column), maxLane(column)             lane(column, worker), sumLanes, maxLane (any thread)
 * publish.ts  worker, each turn:
 *               version = currentVersion(tables); noteVersion(tables, worker, version);
 *               config = configAt(tables, version)          valid until the next turn
 *             registerWorker(tables, worker)                before its first turn; unregisterWorker after its last
 *             control:
 *               draft = beginPublish(tables, { servers: 12 })    undefined: not yet, try again later
 *               draft.servers.weight[3] = 7; commitPublish(tables)
 *               allWorkersPast(tables, version)             nobody works with `version` or an older one any more
 *               rowsUsed(tables, 'servers')
 * shared.ts   takeInFlight, giveInFlight, reservePlaces, returnPlaces, takeConnection, giveConnection, takeParked,
 *             giveParked, noteAccepting, meanLoad, whoShouldAccept, noteWanting, placesWanted, readCursor, moveCursor,
 *             blacklist, clearBlacklist, shun, blacklistedUntil, countConnect, countFailure, connectsOf, failuresOf,
 *             forgetServer, requestStop, stopping, requestClose, takeCloseRequest, lock, unlock, lockHolder
 * members.ts  writeMembers (control), memberAt (any thread)
 * clients.ts  touchClient, rememberServer, creditClient, forgetClients, readClients
 * sources.ts  takeSource, promoteSource, giveSource, leaveSource
 * traffic.ts  addTraffic (owner), trafficUp, trafficDown (any thread), forgetTraffic (control)
 * ring.ts     createRing, openRing: rows of numbers from one thread to one other
 * ```
 */
import { assert } from '../base/assert.ts';
import type { Column, Kind, NumberArray, Table } from './columns.ts';
import { HEADER_FINGERPRINT, HEADER_KEY, HEADER_WORDS, MEMORY_UNIT, layout, tableIndex } from './layout.ts';
import type { schema } from './schema.ts';

type Schema = typeof schema;
type ColumnsOf<T> = T extends Table<string, infer Columns> ? Columns : never;
type ViewOf<C> = C extends Column<Kind, infer View> ? View : never;
type IsConfig<C> = C extends Column<'config', unknown> ? true : false;
type ConfigViews<C> = { readonly [K in keyof C as IsConfig<C[K]> extends true ? K : never]: ViewOf<C[K]> };
type OtherViews<C> = { readonly [K in keyof C as IsConfig<C[K]> extends true ? never : K]: ViewOf<C[K]> };

/** Names of the tables that have config columns. */
export type ConfigTable = {
  [T in keyof Schema]: keyof ConfigViews<ColumnsOf<Schema[T]>> extends never ? never : T;
}[keyof Schema];

/** The config columns of one bank: `bank.servers.weight[row]`. Workers only read. */
export type ConfigBank = { readonly [T in ConfigTable]: ConfigViews<ColumnsOf<Schema[T]>> };

/** The columns of all other kinds: `rows.connections.state[slot]`. */
type Rows = { readonly [T in keyof Schema]: OtherViews<ColumnsOf<Schema[T]>> };

/** A config column in both banks, for code that treats all of them alike. */
export interface BankedColumn {
  readonly table: string;
  readonly column: string;
  readonly tableIndex: number;
  readonly perRow: number;
  readonly banks: readonly [NumberArray, NumberArray];
}

/** Views of one thread on the shared memory. */
export interface Tables extends Rows {
  /** Both banks; which one is live says the version, see `configAt` in `publish.ts`. */
  readonly config: readonly [ConfigBank, ConfigBank];
  /** For `publish.ts` and `shared.ts` only: words HEADER_* of `layout.ts`. */
  readonly header: Int32Array;
  /** For `publish.ts` only. */
  readonly banked: readonly BankedColumn[];
  /** What other threads open. */
  readonly memory: SharedArrayBuffer;
}

/** As much of the standard as is needed here; the types of Node do not have it. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number; readonly maximum: number; readonly shared: true }) => {
    readonly buffer: SharedArrayBuffer;
  };
};

/**
 * Reserves the memory of all tables at their hard limits, every value 0.
 *
 * @param seed an integer below 2^53 that nobody outside can know, or addresses could be chosen to share a hash;
 * tests and the simulator may do without.
 * @owner  main thread, once in the life of the process: tables never grow and never move.
 * @cost   address space (`layout.byteCount`); pages cost memory only once they are written.
 * @errors RangeError of the platform when the address space is not to be had.
 */
export function createTables(seed = 0): SharedArrayBuffer {
  const memory = reserve(layout.byteCount);
  const header = new Int32Array(memory, 0, HEADER_WORDS);
  header[HEADER_FINGERPRINT] = layout.fingerprint;
  header[HEADER_KEY] = seed | 0;
  header[HEADER_KEY + 1] = Math.floor(seed / 2 ** 32);
  return memory;
}

/**
 * Memory of a WebAssembly program that never is: it begins with a page of the machine, hence with a cache line, and
 * Linux does not hold what is only reserved against the memory there is. With it comes address space that guards it,
 * some GB; where that is not to be had (`ulimit -v`), or no WebAssembly, an ordinary block must do.
 */
function reserve(byteCount: number): SharedArrayBuffer {
  const pages = byteCount / MEMORY_UNIT;
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer;
  } catch {
    return new SharedArrayBuffer(byteCount);
  }
}

/**
 * Opens the tables in `memory`, which `createTables` made in this or another thread.
 *
 * @owner  any thread; the result belongs to the thread that opened it.
 * @cost   one view per column and bank; touches one page.
 * @errors asserts that the memory was laid out by the same schema.
 */
export function openTables(memory: SharedArrayBuffer): Tables {
  assert(memory.byteLength === layout.byteCount, 'tables have the size of this schema');
  const header = new Int32Array(memory, 0, HEADER_WORDS);
  assert(header[HEADER_FINGERPRINT] === layout.fingerprint, 'tables were laid out by this schema');
  const rows: Record<string, object> = {};
  const config: readonly [Record<string, object>, Record<string, object>] = [{}, {}];
  const banked: BankedColumn[] = [];
  for (const { table, column, spec, offsets, length } of layout.places) {
    rows[table] ??= {};
    const first = spec.type.open(memory, offsets[0], length);
    if (spec.kind !== 'config') {
      setView(rows[table], column, first);
      continue;
    }
    const second = spec.type.open(memory, offsets[1], length);
    setView((config[0][table] ??= {}), column, first);
    setView((config[1][table] ??= {}), column, second);
    const banks = [first, second] as readonly [NumberArray, NumberArray];
    banked.push({ table, column, tableIndex: tableIndex(table), perRow: spec.type.perRow, banks });
  }
  return { ...(rows as unknown as Rows), config: config as unknown as Tables['config'], header, banked, memory };
}

/** All memory of clients and their orders, for whoever says what pages it shall have. @owner main. */
export function clientMemory({ memory }: Tables): Uint8Array {
  const places = layout.places.filter(({ table }) => table === 'clients' || table === 'clientBlocks');
  const first = Math.min(...places.map(({ offsets }) => offsets[0]));
  const end = Math.max(...places.map(({ spec, offsets, length }) => offsets[1] + length * spec.type.size));
  return new Uint8Array(memory, first, end - first);
}

/** Defined, not assigned: V8 turns objects that grow by many computed assignments into slow dictionaries. */
function setView(target: object, name: string, view: unknown): void {
  Object.defineProperty(target, name, { value: view, enumerable: true });
}
