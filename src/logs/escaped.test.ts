import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escaped } from './escaped.ts';

const bytes = (text: string): string => Buffer.from(text).toString('latin1');

test.each([
  ['GET / HTTP/1.0\t"x"', 'GET / HTTP/1.0\t"x"'],
  ['a\r\nb', 'a\\x0D\\x0Ab'],
  ['\0\x1b[2J\x7f', '\\x00\\x1B[2J\\x7F'],
  [bytes('Zürich 日本 😀'), bytes('Zürich 日本 😀')],
  [bytes('a\u009bb\u0085'), 'a\\xC2\\x9Bb\\xC2\\x85'],
  [`${bytes('ü')}\x9b`, '\\xC3\\xBC\\x9B'],
  ['\xff', '\\xFF'],
])('%j becomes %j', (text, expected) => expect(escaped(text)).toBe(expected));

test('no bytes make a second line or move a cursor', () => {
  const any = fc.uint8Array({ maxLength: 60 }).map((some) => Buffer.from(some).toString('latin1'));
  fc.assert(
    fc.property(any, (text) => {
      const shown = Buffer.from(escaped(text), 'latin1');
      const read = new TextDecoder('utf-8', { fatal: true }).decode(shown);
      expect(read).not.toMatch(/(?!\t)\p{Cc}/u);
    }),
    { numRuns: 2000 },
  );
});
