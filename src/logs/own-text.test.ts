import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { ownText } from './own-text.ts';

const PARTS = 200;
const LONG_BYTES = 256 * 1024;

/** Bytes in use while one word of each of many long texts is kept. */
async function kept(keep: (part: string) => string): Promise<number> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  // What a collection finds to be free may be given back some turns later.
  const collect = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) {
      gc();
      await setImmediate();
    }
  };
  await collect();
  const before = process.memoryUsage();
  const words = Array.from({ length: PARTS }, (_, at) =>
    keep(Buffer.alloc(LONG_BYTES, `words of text ${at} `).toString('latin1').slice(100, 130)),
  );
  await collect();
  const after = process.memoryUsage();
  expect(words).toHaveLength(PARTS);
  return after.heapUsed + after.external - before.heapUsed - before.external;
}

test('a part of a text does not keep the whole', async () => {
  expect(await kept((part) => part)).toBeGreaterThan((PARTS * LONG_BYTES) / 2);
  expect(await kept(ownText)).toBeLessThan((PARTS * LONG_BYTES) / 10);
});

test('it is the same text', () => {
  expect(['', 'a', 'x'.repeat(50)].map(ownText)).toEqual(['', 'a', 'x'.repeat(50)]);
});
