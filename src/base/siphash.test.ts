import { expect, test } from 'vitest';
import { halfSipHash } from './siphash.ts';

/** The bytes 0, 1, 2, ... read as little-endian words, under the key of the bytes 0 to 7. */
const words = Int32Array.from({ length: 5 }, (_, i) => 0x03020100 + i * 0x04040404);
const hashOf = (count: number): number => halfSipHash(words, 0, count, 0x03020100, 0x07060504) >>> 0;

test('agrees with the published function', () => {
  // The first is the published vector; the others come from a model over bytes that gives the same one.
  expect([0, 1, 4, 5].map(hashOf)).toEqual([0x5814c896, 0x7e059ea6, 0x8b31d501, 0x911bb605]);
});

test('any bit of words or key changes about half of the bits of the hash', () => {
  const bits = (n: number): number => (n >>> 0).toString(2).replaceAll('0', '').length;
  const base = hashOf(5);
  let changed = 0;
  for (let bit = 0; bit < 160; bit++) {
    const other = words.slice();
    other[bit >> 5]! ^= 1 << (bit & 31);
    changed += bits(base ^ halfSipHash(other, 0, 5, 0x03020100, 0x07060504));
  }
  expect(changed / 160).toBeGreaterThan(14);
  expect(changed / 160).toBeLessThan(18);
  for (const flip of [1, 1 << 31]) {
    expect(bits(base ^ halfSipHash(words, 0, 5, 0x03020100 ^ flip, 0x07060504))).toBeGreaterThan(6);
    expect(bits(base ^ halfSipHash(words, 0, 5, 0x03020100, 0x07060504 ^ flip))).toBeGreaterThan(6);
  }
});
