/** Pieces through a ring of dumps. */
import { expect, test } from 'vitest';
import { createDumpRing, DUMP_BYTES, DUMP_ROWS, dumpBytes, dumpSide, writeDump } from './dumps.ts';
import { openRing, type Ring } from './ring.ts';

function rowsOf(ring: Ring): { side: number; bytes: number[] }[] {
  const rows: { side: number; bytes: number[] }[] = [];
  ring.drain((at) => rows.push({ side: dumpSide(ring, at), bytes: [...dumpBytes(ring, at)] }), DUMP_ROWS);
  return rows;
}

test('every byte arrives, in order, in pieces of at most DUMP_BYTES', () => {
  const memory = createDumpRing();
  const [worker, main] = [openRing(memory), openRing(memory)];
  const arena = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7) & 0xff);
  for (const length of [1, DUMP_BYTES - 1, DUMP_BYTES, DUMP_BYTES + 1, 3 * DUMP_BYTES]) {
    writeDump(worker, 70_001, arena, 9, length);
    const rows = rowsOf(main);
    expect(rows.map(({ side }) => side)).toEqual(Array(Math.ceil(length / DUMP_BYTES)).fill(70_001));
    expect(rows.every(({ bytes }) => bytes.length <= DUMP_BYTES)).toBe(true);
    expect(rows.flatMap(({ bytes }) => bytes)).toEqual([...arena.subarray(9, 9 + length)]);
  }
  expect(main.dropped()).toBe(0);
});

test('what finds no room is counted, and what stands in the ring stays as it is', () => {
  const memory = createDumpRing();
  const [worker, main] = [openRing(memory), openRing(memory)];
  const arena = new Uint8Array(3 * DUMP_BYTES).fill(1);
  for (let i = 0; i < DUMP_ROWS - 1; i++) writeDump(worker, i, arena, 0, 1);
  writeDump(worker, 5, arena.fill(2), 0, arena.length);
  expect(main.dropped()).toBe(2);
  const rows = rowsOf(main);
  expect(rows.map(({ side }) => side)).toEqual([...Array(DUMP_ROWS - 1).keys(), 5]);
  expect(rows.slice(0, -1).every(({ bytes }) => bytes.join() === '1')).toBe(true);
  worker.miss();
  expect(main.dropped()).toBe(3);
});
