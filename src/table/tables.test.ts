import fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { ENDPOINT_SIZE } from '../base/endpoint.ts';
import { LANE_STRIDE, addTo, lane, maxLane, raiseLane, setLane, sumLanes, type Lanes } from './columns.ts';
import { COLUMN_ALIGN, HEADER_WORDS, layout } from './layout.ts';
import { CONNECTIONS_MAX, FARMS_MAX, SERVERS_MAX, WORKERS_MAX } from './limits.ts';
import { schema } from './schema.ts';
import { clientMemory, createTables, openTables } from './tables.ts';

describe('layout', () => {
  const spans = layout.places.flatMap(({ table, column, spec, offsets, length }) =>
    [...new Set(offsets)].map((offset) => ({
      name: `${table}.${column}`,
      isLanes: spec.type.isLanes,
      start: offset,
      end: offset + length * spec.type.size,
    })),
  );

  test('columns do not overlap one another or the header, and share no pair of cache lines', () => {
    const solid = spans.filter((span) => !span.isLanes).sort((a, b) => a.start - b.start);
    let end = HEADER_WORDS * 4;
    for (const span of solid) {
      expect(span.start % COLUMN_ALIGN, span.name).toBe(0);
      expect(span.start, span.name).toBeGreaterThanOrEqual(end);
      end = span.end;
    }
    expect(layout.byteCount).toBeGreaterThanOrEqual(Math.max(...spans.map((span) => span.end)));
    for (const lanes of spans.filter((span) => span.isLanes)) {
      const hit = solid.find((span) => span.start < lanes.end && lanes.start < span.end);
      expect(hit, lanes.name).toBeUndefined();
    }
  });

  test('every column of the schema has a place', () => {
    const names = Object.values(schema).flatMap((table) => Object.keys(table.columns).map((c) => `${table.name}.${c}`));
    expect(layout.places.map((place) => `${place.table}.${place.column}`).sort()).toEqual(names.sort());
  });

  test('what one worker counts lies together', () => {
    const starts = layout.places.filter((place) => place.table === 'counters').map((place) => place.offsets[0]);
    expect(Math.max(...starts) - Math.min(...starts)).toBeLessThan(LANE_STRIDE * 8);
  });

  test('no byte belongs to two values, also among lanes', () => {
    const memory = createTables();
    const tables = openTables(memory);
    const views = [...Object.entries(tables.counters), ...Object.entries(tables.gauges)] as [string, Lanes][];
    views.forEach(([, view], index) => {
      for (let worker = 0; worker < WORKERS_MAX; worker++) addTo(view, worker, index * WORKERS_MAX + worker + 1);
    });
    views.forEach(([name, view], index) => {
      for (let worker = 0; worker < WORKERS_MAX; worker++) {
        expect(lane(view, worker), name).toBe(index * WORKERS_MAX + worker + 1);
      }
    });
  });
});

describe('tables', () => {
  const tables = openTables(createTables());

  test('open to typed arrays, known to the compiler', () => {
    expectTypeOf(tables.connections.state).toEqualTypeOf<Uint8Array>();
    expectTypeOf(tables.servers.inFlight).toEqualTypeOf<Int32Array>();
    expectTypeOf(tables.config[0].servers.prio).toEqualTypeOf<Int32Array>();
    expectTypeOf(tables.config[1].farms.blacklistMs).toEqualTypeOf<Float64Array>();
    expectTypeOf(tables.counters.accepted).toEqualTypeOf<Lanes>();
    expectTypeOf(tables.servers).not.toHaveProperty('weight');
    expectTypeOf(tables.config[0]).not.toHaveProperty('connections');
    expectTypeOf(tables.config[0].servers).not.toHaveProperty('inFlight');
    expect(tables.connections.state).toBeInstanceOf(Uint8Array);
    expect(tables.connections.state).toHaveLength(CONNECTIONS_MAX);
    expect(tables.servers.inFlight).toHaveLength(SERVERS_MAX);
    expect(tables.config[0].servers.endpoint).toHaveLength(SERVERS_MAX * ENDPOINT_SIZE);
    expect(tables.config[1].farms.connectTimeoutMs).toHaveLength(FARMS_MAX);
  });

  test('are the same to every thread that opens them', () => {
    const others = openTables(tables.memory);
    tables.connections.generation[7] = 9;
    tables.config[1].servers.weight[3] = 5;
    expect(others.connections.generation[7]).toBe(9);
    expect(others.config[1].servers.weight[3]).toBe(5);
    expect(others.config[0].servers.weight[3]).toBe(0);
  });

  test('refuse memory that was laid out otherwise', () => {
    expect(() => openTables(new SharedArrayBuffer(4096))).toThrow('size of this schema');
    expect(() => openTables(new SharedArrayBuffer(layout.byteCount))).toThrow('laid out by this schema');
  });

  test('have the memory of clients in one piece, and of nobody else', () => {
    const bytes = clientMemory(tables);
    const end = bytes.byteOffset + bytes.length;
    const isInside = (table: string): boolean => table === 'clients' || table === 'clientBlocks';
    for (const { table, spec, offsets, length } of layout.places) {
      const isBefore = offsets[1] + length * spec.type.size <= bytes.byteOffset;
      if (!isInside(table)) expect(isBefore || offsets[0] >= end, table).toBe(true);
    }
    for (const view of [tables.clients.row.words, tables.clients.next, tables.clientBlocks.neighbour]) {
      expect(view.byteOffset).toBeGreaterThanOrEqual(bytes.byteOffset);
      expect(view.byteOffset + view.byteLength).toBeLessThanOrEqual(end);
    }
  });

  test('never grow', () => {
    expect(tables.memory).not.toHaveProperty('growable', true);
  });
});

describe('lanes', () => {
  test('sum, maximum and single lanes agree with a plain array', () => {
    const column = openTables(createTables()).counters.turns;
    const plain = Array.from({ length: WORKERS_MAX }, () => 0);
    const worker = fc.integer({ min: 0, max: WORKERS_MAX - 1 });
    const step = fc.tuple(fc.constantFrom('add', 'set', 'raise'), worker, fc.integer({ min: 0, max: 2 ** 40 }));
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        for (const [what, worker, n] of steps) {
          if (what === 'add') addTo(column, worker, n);
          else if (what === 'set') setLane(column, worker, n);
          else raiseLane(column, worker, n);
          plain[worker] = what === 'add' ? plain[worker]! + n : what === 'set' ? n : Math.max(plain[worker]!, n);
          expect(lane(column, worker)).toBe(plain[worker]);
        }
        expect(sumLanes(column)).toBe(plain.reduce((sum, n) => sum + n, 0));
        expect(maxLane(column)).toBe(Math.max(...plain));
      }),
    );
  });
});
