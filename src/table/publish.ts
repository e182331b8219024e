/**
 * How a configuration gets from control to the workers: two banks and one version word.
 *
 * The lowest bit of the version says which bank is live. Control fills the idle bank and stores version + 1. A
 * worker loads the version at the start of each turn, notes it in its row, and reads that bank until its turn ends.
 * The idle bank is filled again only when every live worker has noted the current version, because until then one
 * may still be reading it.
 *
 * So no worker ever sees half a configuration, none waits for control, and control waits at most one turn of the
 * slowest worker. Versions are u32 and wrap; at any time those in use are neighbours, so the difference decides.
 */
import { assert } from '../base/assert.ts';
import type { NumberArray } from './columns.ts';
import { HEADER_PUBLISHING, HEADER_ROWS, HEADER_VERSION, tableIndex, tableList } from './layout.ts';
import type { ConfigBank, ConfigTable, Tables } from './tables.ts';

/** How many rows of each table a configuration uses. */
export type RowCounts = { readonly [T in ConfigTable]?: number };

/** The version in force, u32. @owner any thread. @cost one atomic load. */
export function currentVersion(tables: Tables): number {
  return Atomics.load(tables.header, HEADER_VERSION) >>> 0;
}

/** The bank in which `version` lies. Valid as long as the worker's row notes that version. */
export function configAt(tables: Tables, version: number): ConfigBank {
  return (version & 1) === 0 ? tables.config[0] : tables.config[1];
}

/**
 * Notes that the worker works with `version` from now on, and with nothing older.
 *
 * @owner the worker, at the start of a turn, with a version that `currentVersion` gave it in the same turn.
 * @cost  one atomic load of a word nobody else writes; a store when the version is new.
 */
export function noteVersion(tables: Tables, worker: number, version: number): void {
  if (Atomics.load(tables.workers.versionSeen, worker) !== (version | 0)) {
    Atomics.store(tables.workers.versionSeen, worker, version);
  }
}

/**
 * Makes the worker one that control waits for.
 *
 * The version is read again after the row says "live": had control published in between without seeing the row, the
 * worker would otherwise start on a bank that is about to be rewritten.
 *
 * @owner  the worker before its first turn, or control on its behalf before the thread starts.
 * @returns the version noted.
 * @errors asserts that the worker's row was not live.
 */
export function registerWorker(tables: Tables, worker: number): number {
  assert(Atomics.load(tables.workers.live, worker) === 0, 'a worker registers once');
  for (;;) {
    const version = currentVersion(tables);
    Atomics.store(tables.workers.versionSeen, worker, version);
    Atomics.store(tables.workers.live, worker, 1);
    if (currentVersion(tables) === version) return version;
  }
}

/** Control waits for this worker no more. @owner the worker after its last turn, or control once its thread is gone. */
export function unregisterWorker(tables: Tables, worker: number): void {
  Atomics.store(tables.workers.live, worker, 0);
}

/** @owner any thread. */
export function isWorkerLive(tables: Tables, worker: number): boolean {
  return Atomics.load(tables.workers.live, worker) !== 0;
}

/**
 * True when no live worker works with `version` or an older one any more: what only they could see may be reused.
 *
 * A row that a publish took away was last seen by the version before it.
 * @owner control.
 * @cost  up to two atomic loads per possible worker.
 */
export function allWorkersPast(tables: Tables, version: number): boolean {
  const { live, versionSeen } = tables.workers;
  for (let worker = 0; worker < live.length; worker++) {
    if (Atomics.load(live, worker) === 0) continue;
    if (((Atomics.load(versionSeen, worker) - version) | 0) <= 0) return false;
  }
  return true;
}

/**
 * Makes the idle bank a copy of the live one and hands it out to be changed.
 *
 * @param rows rows that the new configuration uses; a table not named keeps its number. Rows beyond those of the
 * live configuration are all 0.
 * @returns columns cut to exactly these rows (writes beyond them are lost), to be written until `commitPublish`;
 * undefined, with nothing changed, while a worker still works with the previous version. A draft that is not
 * committed is dropped by the next call.
 * @owner  control.
 * @cost   one copy of the rows used, one view per config column.
 * @errors asserts that the numbers of rows are within the tables.
 */
export function beginPublish(tables: Tables, rows: RowCounts = {}): ConfigBank | undefined {
  const version = currentVersion(tables);
  if (!allWorkersPast(tables, version - 1)) return undefined;
  const { header } = tables;
  const live = version & 1;
  const idle = live ^ 1;
  const draft: Record<string, Record<string, NumberArray>> = {};
  for (const { table, column, tableIndex, perRow, banks } of tables.banked) {
    const liveRows = header[rowsWord(live, tableIndex)];
    const idleRows = header[rowsWord(idle, tableIndex)];
    const wanted = rows[table as ConfigTable] ?? liveRows;
    assert(wanted >= 0 && wanted <= tableList[tableIndex].rows, 'a configuration fits its tables');
    const kept = Math.min(wanted, liveRows);
    const target = banks[idle];
    target.set(banks[live].subarray(0, kept * perRow));
    target.fill(0, kept * perRow, Math.max(wanted, idleRows) * perRow);
    (draft[table] ??= {})[column] = target.subarray(0, wanted * perRow);
  }
  for (const { table, tableIndex } of tables.banked) {
    header[rowsWord(idle, tableIndex)] = rows[table as ConfigTable] ?? header[rowsWord(live, tableIndex)];
  }
  header[HEADER_PUBLISHING] = 1;
  return draft as unknown as ConfigBank;
}

/**
 * Puts the draft in force: one store, which workers see at the start of their next turn.
 *
 * The draft must not be written afterwards.
 * @returns the new version.
 * @owner  control; waking the workers is the caller's.
 * @errors asserts that there is a draft.
 */
export function commitPublish(tables: Tables): number {
  const { header } = tables;
  assert(header[HEADER_PUBLISHING] === 1, 'a draft was begun before it is committed');
  header[HEADER_PUBLISHING] = 0;
  const version = (currentVersion(tables) + 1) >>> 0;
  Atomics.store(header, HEADER_VERSION, version);
  return version;
}

/** Rows of `table` that the configuration in force uses. @owner control. */
export function rowsUsed(tables: Tables, table: ConfigTable): number {
  return tables.header[rowsWord(currentVersion(tables) & 1, tableIndex(table))];
}

function rowsWord(bank: number, table: number): number {
  return HEADER_ROWS + bank * tableList.length + table;
}
