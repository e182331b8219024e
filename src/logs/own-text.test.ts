import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { ownText } from './own-text.ts';

const PARTS = 200;
const LONG_BYTES = 256 * 1024;

/** Bytes in use while one word of each of many long texts is kept. */
function kept(keep: (part: string) => string): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const before = process.memoryUsage();
  const words = Array.from({ length: PARTS }, (_, at) =>
    keep(Buffer.alloc(LONG_BYTES, `words of text ${at} `).toString('latin1').slice(100, 130)),
  );
  collect();
  const after = process.memoryUsage();
  expect(words).toHaveLength(PARTS);
  return after.heapUsed + after.external - before.heapUsed - before.external;
}

test('a part of a text does not keep the whole', () => {
  expect(kept((part) => part)).toBeGreaterThan((PARTS * LONG_BYTES) / 2);
  expect(kept(ownText)).toBeLessThan((PARTS * LONG_BYTES) / 10);
});

test('it is the same text', () => {
  expect(['', 'a', 'x'.repeat(50)].map(ownText)).toEqual(['', 'a', 'x'.repeat(50)]);
});
