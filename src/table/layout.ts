/**
 * Where every column lies in the one block of memory that all threads share.
 *
 * The places follow from the schema alone, so every thread that runs the same code computes the same ones; a
 * fingerprint in the header catches a thread that does not.
 */
import { assert } from '../base/assert.ts';
import { LANE_STRIDE, type Column, type Kind } from './columns.ts';
import { LOCKS_MAX } from './limits.ts';
import { schema } from './schema.ts';

/** Two cache lines: x86 prefetches lines in pairs, so neighbours at 64 bytes would still pull at each other. */
export const COLUMN_ALIGN = 128;
/** The memory is a multiple of this, and begins at one, see `createTables`: a page of WebAssembly. */
export const MEMORY_UNIT = 0x1_0000;
const WORDS_ALIGN = COLUMN_ALIGN / 4;

type AnyColumn = Column<Kind, unknown>;
interface AnyTable {
  readonly name: string;
  readonly rows: number;
  readonly columns: Readonly<Record<string, AnyColumn>>;
}

export const tableList: readonly AnyTable[] = Object.values(schema);

/** Index in `tableList` of a table, which is also its index among the row counts of the header. */
export function tableIndex(name: string): number {
  const index = tableList.findIndex((table) => table.name === name);
  assert(index >= 0, 'a table is in the schema');
  return index;
}

/* Words of the header, an Int32Array at the start of the memory. Each group has cache lines of its own. */

/** Fingerprint of the layout. */
export const HEADER_FINGERPRINT = 0;
/** Key of the hashes over addresses, two words; written once, before any thread but main opens the tables. */
export const HEADER_KEY = 1;
/** Version of the configuration (u32); its lowest bit is the bank that is live. */
export const HEADER_VERSION = WORDS_ALIGN;
/** 1 while control fills the idle bank. Control's own, like the row counts: [bank][table]. */
export const HEADER_PUBLISHING = 2 * WORDS_ALIGN;
export const HEADER_ROWS = HEADER_PUBLISHING + 1;
/** Lock words, one to a pair of cache lines. */
export const HEADER_LOCKS = 4 * WORDS_ALIGN;
export const LOCK_STRIDE = WORDS_ALIGN;
export const HEADER_WORDS = HEADER_LOCKS + LOCKS_MAX * LOCK_STRIDE;

assert(HEADER_ROWS + 2 * tableList.length <= HEADER_LOCKS, 'the row counts fit before the locks');

/** One view to open. Lanes overlap one another: each begins at its column and strides over the others. */
export interface Place {
  readonly table: string;
  readonly column: string;
  readonly spec: AnyColumn;
  /** Byte offset; of bank 0 and bank 1 for config columns, twice the same for all others. */
  readonly offsets: readonly [number, number];
  /** Elements of the view. */
  readonly length: number;
}

export interface Layout {
  readonly places: readonly Place[];
  /** Size of the whole memory. */
  readonly byteCount: number;
  /** Differs, very likely, whenever the schema does. */
  readonly fingerprint: number;
}

export const layout: Layout = computeLayout();

function computeLayout(): Layout {
  const places: Place[] = [];
  let end = HEADER_WORDS * 4;
  const reserve = (byteCount: number): number => {
    const offset = Math.ceil(end / COLUMN_ALIGN) * COLUMN_ALIGN;
    end = offset + byteCount;
    return offset;
  };
  for (const { name: table, rows, columns } of tableList) {
    for (const [column, spec] of Object.entries(columns)) {
      if (spec.type.isLanes) continue;
      const length = rows * spec.type.perRow;
      const first = reserve(length * spec.type.size);
      const second = spec.kind === 'config' ? reserve(length * spec.type.size) : first;
      places.push({ table, column, spec, offsets: [first, second], length });
    }
    const laneColumns = Object.entries(columns).filter(([, spec]) => spec.type.isLanes);
    placeLanes(table, rows, laneColumns, reserve, places);
  }
  return { places, byteCount: Math.ceil(end / MEMORY_UNIT) * MEMORY_UNIT, fingerprint: fingerprintOf(places) };
}

/** Blocks of LANE_STRIDE counters, in each block worker after worker. */
function placeLanes(
  table: string,
  rows: number,
  columns: readonly (readonly [string, AnyColumn])[],
  reserve: (byteCount: number) => number,
  places: Place[],
): void {
  let block = 0;
  columns.forEach(([column, spec], index) => {
    assert(rows === 1 && spec.kind === 'owned', 'lanes are owned columns of a table with one row');
    const { size, perRow } = spec.type;
    const within = index % LANE_STRIDE;
    if (within === 0) block = reserve(LANE_STRIDE * perRow * size);
    const offset = block + within * size;
    places.push({ table, column, spec, offsets: [offset, offset], length: (perRow - 1) * LANE_STRIDE + 1 });
  });
}

/** FNV-1a over names, types and places. */
function fingerprintOf(places: readonly Place[]): number {
  let hash = 0x811c9dc5;
  for (const { table, column, spec, offsets } of places) {
    for (const char of `${table}.${column}:${spec.kind} ${spec.type.name}@${offsets.join()};`) {
      hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193);
    }
  }
  return hash | 0;
}
