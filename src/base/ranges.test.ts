import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lowest, mapRanges, NO_RANGES, NO_VALUE, rangesOfPrefixes, type Ranges } from './ranges.ts';

interface Prefix {
  /** Of 4 bits, at the top of the word; so there are 16 addresses that differ. */
  readonly nibble: number;
  readonly bits: number;
  readonly value: number;
}

const prefix = fc.record({ nibble: fc.nat(15), bits: fc.nat(4), value: fc.nat(6) });
const prefixes = fc.array(prefix, { maxLength: 8 });

function maskOf(bits: number): number {
  return bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0;
}

/** In IPv6, the bits of an address are those of its third word; all others are 0. */
function rangesOf(width: 1 | 4, list: readonly Prefix[]): Ranges {
  const firsts = list.map(({ nibble, bits }) => ((nibble << 28) & maskOf(bits)) >>> 0);
  const lasts = list.map(({ bits }, index) => (firsts[index]! | ~maskOf(bits)) >>> 0);
  const words = (values: readonly number[], rest: number): Uint32Array =>
    Uint32Array.from(width === 1 ? values : values.flatMap((value) => [0, 0, value, rest]));
  return rangesOfPrefixes(
    width,
    words(firsts, 0),
    words(lasts, 0xffff_ffff),
    Uint32Array.from(list, (one) => one.value),
  );
}

function valueAt({ width, count, starts, values }: Ranges, nibble: number): number {
  const word = (nibble << 28) >>> 0;
  let found = 0;
  for (let index = 0; index < count; index++) {
    if (width === 4 && starts[index * 4 + 1] !== 0) break;
    if (starts[index * width + (width === 1 ? 0 : 2)]! <= word) found = index;
  }
  return values[found]!;
}

function wanted(list: readonly Prefix[], nibble: number): number {
  const hits = list.filter((one) => (((one.nibble ^ nibble) << 28) & maskOf(one.bits)) === 0);
  return Math.min(NO_VALUE, ...hits.map(({ value }) => value));
}

const NIBBLES = Array.from({ length: 16 }, (_, nibble) => nibble);

function expectSound({ width, count, starts, values }: Ranges): void {
  expect([starts.length, values.length]).toEqual([count * width, count]);
  expect([...starts.subarray(0, width)].every((word) => word === 0)).toBe(true);
  for (let index = 1; index < count; index++) {
    expect(values[index], 'neighbours differ').not.toBe(values[index - 1]);
    const [one, other] = [index - 1, index].map((at) => [...starts.subarray(at * width, at * width + width)]);
    const at = one!.findIndex((word, place) => word !== other![place]);
    expect(other![at]! > one![at]!, 'they are in order').toBe(true);
  }
}

describe.each([1, 4] as const)('ranges of addresses of %i words', (width) => {
  test('say of each address the lowest value of the prefixes that hold it', () => {
    fc.assert(
      fc.property(prefixes, (list) => {
        const ranges = rangesOf(width, list);
        expectSound(ranges);
        expect(NIBBLES.map((nibble) => valueAt(ranges, nibble))).toEqual(NIBBLES.map((nibble) => wanted(list, nibble)));
      }),
    );
  });

  test('put together are what all prefixes together are', () => {
    fc.assert(
      fc.property(prefixes, prefixes, (one, other) => {
        const both = lowest(rangesOf(width, one), rangesOf(width, other));
        expectSound(both);
        const all = rangesOf(width, [...one, ...other]);
        expect([both.count, both.starts, both.values]).toEqual([all.count, all.starts, all.values]);
      }),
    );
  });

  test('with other values have fewer where those are equal', () => {
    fc.assert(
      fc.property(prefixes, (list) => {
        const odd = (value: number): number => (value === NO_VALUE ? value : value & 1);
        const mapped = mapRanges(rangesOf(width, list), odd);
        expectSound(mapped);
        const places = NIBBLES.map((nibble) => odd(wanted(list, nibble)));
        expect(NIBBLES.map((nibble) => valueAt(mapped, nibble))).toEqual(places);
      }),
    );
  });
});

test('nothing put to ranges leaves them as they are', () => {
  const ranges = rangesOf(1, [{ nibble: 3, bits: 2, value: 1 }]);
  expect(lowest(ranges, NO_RANGES[1])).toBe(ranges);
  expect(lowest(NO_RANGES[1], ranges)).toBe(ranges);
});
