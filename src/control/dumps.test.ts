/** Dumps: their text, and how main gets them from the workers to whoever reads them. */
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DEFAULT_SETTINGS } from '../config/model.ts';
import { DUMP_ROWS, writeDump } from '../table/dumps.ts';
import { beginPublish, commitPublish, currentVersion, noteVersion, registerWorker } from '../table/publish.ts';
import { openRing } from '../table/ring.ts';
import { createTables, openTables } from '../table/tables.ts';
import { Dumps, dumpText } from './dumps.ts';

const ON = { ...DEFAULT_SETTINGS, debug: 3 };
const OFF = { ...DEFAULT_SETTINGS, debug: 2 };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function stage(workers = 1) {
  const tables = openTables(createTables(1));
  const taken: string[] = [];
  const said: string[] = [];
  const reader = { isThere: true, hasRoom: (): boolean => reader.isThere };
  const write = (about: string, bytes?: string): boolean => {
    const isThere = reader.hasRoom();
    if (isThere) (bytes === undefined ? said : taken).push(bytes === undefined ? about : `${about}: ${bytes}`);
    return isThere;
  };
  const dumps = new Dumps(tables, workers, write);
  const rings = dumps.memory.map(openRing);
  const put = (worker: number, side: number, text: string): void =>
    writeDump(rings[worker]!, side, Buffer.from(text), 0, text.length);
  return { tables, dumps, taken, said, reader, put };
}

test('numbers are two digits and a blank each, characters are themselves, and all else is a dot', () => {
  const bytes = Buffer.from('a\t ~\n\r\v\f\0\x1b\x7f\x85\xff', 'latin1');
  expect(dumpText(bytes, false)).toBe('13: 61 09 20 7e 0a 0d 0b 0c 00 1b 7f 85 ff ');
  expect(dumpText(bytes, true)).toBe('13: a\t ~.........');
});

test('no bytes break a line or move a cursor', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1024 }), fc.boolean(), (bytes, isAscii) => {
      const text = dumpText(bytes, isAscii);
      expect(text).toMatch(/^\d+: [\t\x20-\x7e]*$/);
      expect(text.length).toBe(`${bytes.length}: `.length + bytes.length * (isAscii ? 1 : 3));
    }),
  );
});

test('what all workers dump is written, with whose it is', () => {
  const { dumps, taken, put } = stage(2);
  dumps.follow(ON);
  put(0, 6, 'hello');
  put(1, 2049, 'yes');
  vi.advanceTimersByTime(20);
  expect(taken).toEqual([
    'connection 3, from the client: 5: 68 65 6c 6c 6f ',
    'connection 1024, from the server: 3: 79 65 73 ',
  ]);
  dumps.follow({ ...ON, ascii: true });
  put(0, 7, 'bye');
  vi.advanceTimersByTime(20);
  expect(taken.at(-1)).toBe('connection 3, from the server: 3: bye');
});

test('there is no timer but while there is something to dump', () => {
  const { tables, dumps, taken, put } = stage();
  dumps.follow(OFF);
  expect(vi.getTimerCount()).toBe(0);
  dumps.follow(ON);
  vi.advanceTimersByTime(200);
  expect(vi.getTimerCount()).toBe(1);
  registerWorker(tables, 0);
  beginPublish(tables);
  commitPublish(tables);
  dumps.follow(OFF);
  vi.advanceTimersByTime(200);
  put(0, 1, 'late');
  vi.advanceTimersByTime(200);
  expect([taken.length, vi.getTimerCount()], 'a worker still dumps').toEqual([1, 1]);
  noteVersion(tables, 0, currentVersion(tables));
  put(0, 1, 'last');
  vi.advanceTimersByTime(20);
  expect([taken.length, vi.getTimerCount()]).toEqual([2, 0]);
});

test('a reader that stands still stops nobody: what finds no room is counted and told, the rest arrives later', () => {
  const { dumps, taken, said, reader, put } = stage();
  dumps.follow(ON);
  reader.isThere = false;
  put(0, 0, 'first');
  vi.advanceTimersByTime(100);
  for (let i = 0; i < DUMP_ROWS + 7; i++) put(0, 0, String(i));
  vi.advanceTimersByTime(1000);
  expect([taken, said]).toEqual([[], []]);
  reader.isThere = true;
  vi.advanceTimersByTime(100);
  // The first one left the ring before it was known that nobody takes it.
  expect(taken.length).toBe(DUMP_ROWS + 1);
  expect(said).toEqual(['pieces that were not dumped, for want of room: 7']);
  vi.advanceTimersByTime(100);
  expect(said.length).toBe(1);
});

test('a count that nobody takes is told later', () => {
  const { dumps, taken, said, reader, put } = stage();
  dumps.follow(ON);
  for (let i = 0; i < DUMP_ROWS + 7; i++) put(0, 0, String(i));
  // The reader goes just when the last piece has been written.
  const { push } = taken;
  taken.push = (...texts) => {
    const count = push.apply(taken, texts);
    reader.isThere = count < DUMP_ROWS;
    return count;
  };
  vi.advanceTimersByTime(100);
  expect([taken.length, said]).toEqual([DUMP_ROWS, []]);
  reader.isThere = true;
  vi.advanceTimersByTime(100);
  expect(said).toEqual(['pieces that were not dumped, for want of room: 7']);
});

test.each([
  { fate: 'go on', settings: ON },
  { fate: 'are turned off', settings: OFF },
])(
  'a reader that has room for a few at a time is told the count after all of them, when dumps $fate',
  ({ settings }) => {
    const { dumps, taken, said, reader, put } = stage();
    dumps.follow(ON);
    for (let i = 0; i < DUMP_ROWS + 7; i++) put(0, 0, String(i));
    dumps.follow(settings);
    // It has some again as soon as it was seen to have none.
    let [asked, takenBefore] = [0, 0];
    reader.hasRoom = () => {
      if (said.length === 0) takenBefore = taken.length;
      return ++asked % 3 !== 0;
    };
    vi.advanceTimersByTime(20 * DUMP_ROWS);
    expect([taken.length, said]).toEqual([DUMP_ROWS, ['pieces that were not dumped, for want of room: 7']]);
    expect(takenBefore).toBe(DUMP_ROWS);
  },
);

test('what nobody took before dumps were turned off is not what is dumped when they are turned on again', () => {
  const { dumps, taken, said, reader, put } = stage();
  dumps.follow(ON);
  reader.isThere = false;
  put(0, 0, 'old');
  put(0, 0, 'older');
  vi.advanceTimersByTime(100);
  dumps.follow(OFF);
  vi.advanceTimersByTime(9000);
  expect(vi.getTimerCount(), 'it may still be taken').toBe(1);
  vi.advanceTimersByTime(2000);
  expect(vi.getTimerCount()).toBe(0);
  reader.isThere = true;
  dumps.follow(ON);
  put(0, 0, 'new');
  vi.advanceTimersByTime(100);
  expect(taken).toEqual(['connection 0, from the client: 3: 6e 65 77 ']);
  expect(said, 'they are counted').toEqual(['pieces that were not dumped, for want of room: 2']);
});

test('the last pieces are written at the end', () => {
  const { dumps, taken, put } = stage();
  dumps.follow(ON);
  put(0, 0, 'x');
  dumps.stop();
  expect([taken.length, vi.getTimerCount()]).toEqual([1, 0]);
});
