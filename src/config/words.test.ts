import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasOpenQuote, quoted, wordsOf } from './words.ts';

test.each([
  ['a  b\tc ', ['a', 'b', 'c']],
  ['', []],
  ['a "b c" d', ['a', 'b c', 'd']],
  ['a "b\\"c"', ['a', 'b"c']],
  ['a "" b', ['a', '', 'b']],
  ['a "b c', ['a', '"b', 'c']],
  ['a "b"c d"e f"', ['a', '"b"c', 'd"e', 'f"']],
  ['a "b\\q"', ['a', '"b\\q"']],
])('%j is %j', (line, words) => {
  expect(wordsOf(line)).toEqual(words);
});

test.each([
  ['a b"c d"', false],
  ['a "b c" ""', false],
  ['a "b\\"c"', false],
  ['a "b c', true],
  ['a "b"c', true],
  ['a "', true],
  ['a "b\\q"', true],
])('%j has a quote that is not closed: %j', (line, expected) => {
  expect(hasOpenQuote(line)).toBe(expected);
});

test('whatever is quoted is one word, and the same', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), { maxLength: 4 }), (words) => {
      const line = words.map(quoted).join(' ');
      expect(line).not.toMatch(/[\r\n]/);
      expect(wordsOf(line)).toEqual(words);
    }),
  );
});
