import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfigError } from './model.ts';
import { openQuoteIn, printable, quoted, wordsOf } from './words.ts';

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
  ['a b"c d"', undefined],
  ['a "b c" ""', undefined],
  ['a "b\\"c"', undefined],
  ['a "b c', '"b'],
  ['a "b"c "d', '"b"c'],
  ['a "', '"'],
  ['a "b\\q"', '"b\\q"'],
])('%j has a quote that is not closed: %j', (line, expected) => {
  expect(openQuoteIn(line)).toBe(expected);
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

test.each(['/tmp/caf\uFFFD', '/tmp/\uD83D', '/tmp/\uDE00\uD83D'])(
  '%j is no path, because another would be meant',
  (path) => {
    const reason = `'${path}' has bytes in it that are no UTF-8, so nobody knows which they were`;
    expect(() => printable(path, 'web_stats')).toThrow(new ConfigError('web_stats', reason));
    expect(printable('/tmp/\uD83D\uDE00', 'web_stats')).toBe('/tmp/\uD83D\uDE00');
  },
);

test('what is longer than any path is none, so that what is written has lines that can be read', () => {
  const path = `/${'é'.repeat(2047)}`;
  expect(printable(path, 'write')).toBe(path);
  const message = `write: '${path.slice(0, 60)}...' has 4096 bytes; a path or an address has at most 4095`;
  expect(() => printable(`${path}x`, 'write')).toThrow(new ConfigError('write', message.slice('write: '.length)));
});
