/**
 * The words the data sheet (`schema.ts`) is written in: kinds of column, types of value, tables.
 *
 * Nothing here touches memory except the lane helpers at the end; `layout.ts` places columns, `tables.ts` opens them.
 */

/** Who may write a column, and by which protocol; see the head of `schema.ts`. */
export type Kind = 'config' | 'owned' | 'shared' | 'locked';

/** Any view a column of single values opens to. */
export type NumberArray = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

declare const lanesBrand: unique symbol;

/**
 * A counter or gauge with one lane per worker. Not indexable on purpose: lanes lie LANE_STRIDE apart, and a plain
 * index would quietly hit another column. Use `addTo`, `setLane`, `raiseLane` (owner) and `lane`, `sumLanes`, `maxLane` (any).
 */
export interface Lanes {
  readonly [lanesBrand]: true;
}

/** What one row of a column holds, and the view that reads it. */
export interface ValueType<View> {
  readonly name: string;
  /** Bytes of one value, and values of one row. */
  readonly size: number;
  readonly perRow: number;
  /** True for lanes, which are placed worker by worker instead of column by column. */
  readonly isLanes: boolean;
  readonly open: (memory: SharedArrayBuffer, offset: number, length: number) => View;
}

export interface Column<K extends Kind, View> {
  readonly kind: K;
  readonly type: ValueType<View>;
}

export interface Table<Name extends string, Columns> {
  readonly name: Name;
  readonly rows: number;
  readonly columns: Columns;
}

export const u8: ValueType<Uint8Array> = {
  name: 'u8',
  size: 1,
  perRow: 1,
  isLanes: false,
  open: (memory, offset, length) => new Uint8Array(memory, offset, length),
};
export const u16: ValueType<Uint16Array> = {
  name: 'u16',
  size: 2,
  perRow: 1,
  isLanes: false,
  open: (memory, offset, length) => new Uint16Array(memory, offset, length),
};
export const u32: ValueType<Uint32Array> = {
  name: 'u32',
  size: 4,
  perRow: 1,
  isLanes: false,
  open: (memory, offset, length) => new Uint32Array(memory, offset, length),
};
export const i32: ValueType<Int32Array> = {
  name: 'i32',
  size: 4,
  perRow: 1,
  isLanes: false,
  open: (memory, offset, length) => new Int32Array(memory, offset, length),
};
export const f64: ValueType<Float64Array> = {
  name: 'f64',
  size: 8,
  perRow: 1,
  isLanes: false,
  open: (memory, offset, length) => new Float64Array(memory, offset, length),
};

/** `count` bytes per row; row r begins at byte `r * count`. */
export function bytes(count: number): ValueType<Uint8Array> {
  return { ...u8, name: `bytes(${count})`, perRow: count };
}

/** `count` 32-bit words per row; row r begins at word `r * count`. */
export function words(count: number): ValueType<Int32Array> {
  return { ...i32, name: `words(${count})`, perRow: count };
}

/** Bytes of a record: one cache line, so that all of a row costs one miss. */
export const RECORD_SIZE = 64;
export const RECORD_WORDS = RECORD_SIZE / 4;
export const RECORD_NUMBERS = RECORD_SIZE / 8;

/** Two views of the same rows: row r begins at word `r * RECORD_WORDS`, at number `r * RECORD_NUMBERS`. */
export interface Records {
  readonly words: Int32Array;
  readonly numbers: Float64Array;
}

/**
 * A row of words and f64 numbers that lie together; who uses it says which word is what.
 *
 * For tables whose rows are visited at random and as a whole: as columns, each value would be a cache miss of its own.
 */
export const record: ValueType<Records> = {
  name: 'record',
  size: RECORD_SIZE,
  perRow: 1,
  isLanes: false,
  open: (memory, offset, length) => ({
    words: new Int32Array(memory, offset, length * RECORD_WORDS),
    numbers: new Float64Array(memory, offset, length * RECORD_NUMBERS),
  }),
};

/**
 * One f64 per worker, for tables of one row.
 *
 * All lanes of a table are placed worker by worker, so that what one worker counts lies together (a few cache
 * lines, not one per counter) and never beside what another worker counts.
 */
export function lanes(workers: number): ValueType<Lanes> {
  return {
    name: `lanes(${workers})`,
    size: 8,
    perRow: workers,
    isLanes: true,
    open: (memory, offset, length) => new Float64Array(memory, offset, length) as unknown as Lanes,
  };
}

export function config<View>(type: ValueType<View>): Column<'config', View> {
  return { kind: 'config', type };
}

export function owned<View>(type: ValueType<View>): Column<'owned', View> {
  return { kind: 'owned', type };
}

export function locked<View>(type: ValueType<View>): Column<'locked', View> {
  return { kind: 'locked', type };
}

/** Always Int32, because that is what Atomics waits on and adds to. */
export const shared: Column<'shared', Int32Array> = { kind: 'shared', type: i32 };

export function table<Name extends string, Columns extends Readonly<Record<string, Column<Kind, unknown>>>>(
  name: Name,
  rows: number,
  columns: Columns,
): Table<Name, Columns> {
  return { name, rows, columns };
}

/** Values from one worker's lane to the next: 256 bytes, so that not even neighbouring cache lines are shared. */
export const LANE_STRIDE = 32;

/**
 * Adds `n` to the worker's lane of a counter or gauge.
 *
 * @owner the worker `worker` only; it needs no atomic because nobody else writes the lane.
 * @cost  one load and one store.
 */
export function addTo(column: Lanes, worker: number, n: number): void {
  (column as unknown as Float64Array)[worker * LANE_STRIDE] += n;
}

/** Sets the worker's lane. @owner the worker only. */
export function setLane(column: Lanes, worker: number, n: number): void {
  (column as unknown as Float64Array)[worker * LANE_STRIDE] = n;
}

/** Raises the worker's lane to `n` if it is less. @owner the worker only. */
export function raiseLane(column: Lanes, worker: number, n: number): void {
  const values = column as unknown as Float64Array;
  if (n > values[worker * LANE_STRIDE]) values[worker * LANE_STRIDE] = n;
}

/** The worker's lane; exact for the worker itself, a little late for others. */
export function lane(column: Lanes, worker: number): number {
  return (column as unknown as Float64Array)[worker * LANE_STRIDE];
}

/** Sum over all workers, a little late. @owner any thread. @cost one read per lane (WORKERS_MAX). */
export function sumLanes(column: Lanes): number {
  const values = column as unknown as Float64Array;
  let sum = 0;
  for (let at = 0; at < values.length; at += LANE_STRIDE) sum += values[at];
  return sum;
}

/** Greatest lane of all workers, a little late. @owner any thread. @cost one read per lane (WORKERS_MAX). */
export function maxLane(column: Lanes): number {
  const values = column as unknown as Float64Array;
  let most = values[0];
  for (let at = LANE_STRIDE; at < values.length; at += LANE_STRIDE) most = Math.max(most, values[at]);
  return most;
}
