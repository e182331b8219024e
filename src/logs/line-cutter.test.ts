import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineCutter } from './line-cutter.ts';

/** Lines of a text that comes in pieces of this size. */
function cut(text: string, pieceBytes: number, max = 10): { lines: string[]; cutCount: number } {
  const lines: string[] = [];
  const cutter = new LineCutter(max, (line) => lines.push(Buffer.from(line).toString('latin1')));
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += pieceBytes) cutter.push(bytes.subarray(at, at + pieceBytes));
  cutter.end();
  expect(cutter.isInside).toBe(false);
  return { lines, cutCount: cutter.cutCount };
}

test.each([1, 2, 3, 100])('lines stay whole in pieces of %i bytes', (size) => {
  expect(cut('a\nbc\n\n\0\xff\r\nlast', size)).toEqual({
    lines: ['a\n', 'bc\n', '\n', '\0\xff\r\n', 'last'],
    cutCount: 0,
  });
  expect(cut('', size)).toEqual({ lines: [], cutCount: 0 });
});

test.each([1, 3, 100])('what is too long is cut, and nothing of it becomes a line of its own (%i)', (size) => {
  const text = `${'x'.repeat(9)}\n${'y'.repeat(10)}\n${'z'.repeat(50)}\nw\n${'v'.repeat(20)}`;
  expect(cut(text, size)).toEqual({
    lines: [`${'x'.repeat(9)}\n`, `${'y'.repeat(9)}\n`, `${'z'.repeat(9)}\n`, 'w\n', `${'v'.repeat(9)}\n`],
    cutCount: 3,
  });
});

test('nothing is lost or torn, whatever comes', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '\n', 'bb') }), fc.integer({ min: 1, max: 9 }), (text, size) => {
      expect(cut(text, size, 1000).lines.join('')).toBe(text);
    }),
  );
});

test('lines do not change afterwards', () => {
  const lines: Uint8Array[] = [];
  const cutter = new LineCutter(10, (line) => lines.push(line));
  cutter.push(Buffer.from('one\n'));
  cutter.push(Buffer.from('two\n'));
  expect(lines.map((line) => Buffer.from(line).toString())).toEqual(['one\n', 'two\n']);
});
