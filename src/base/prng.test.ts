import { describe, expect, it } from 'vitest';
import { Prng } from './prng.ts';

describe('Prng', () => {
  it('gives the same numbers for the same seed, and others for a near one', () => {
    const numbers = (seed: number): number[] => {
      const prng = new Prng(seed);
      return Array.from({ length: 16 }, () => prng.next());
    };
    expect(numbers(7)).toEqual(numbers(7));
    expect(numbers(7)).not.toEqual(numbers(8));
    expect(numbers(7)).not.toEqual(numbers(-7));
    expect(numbers(7)).not.toEqual(numbers(7 + 2 ** 32));
  });

  it('spreads evenly', () => {
    const prng = new Prng(1);
    const buckets = new Array<number>(16).fill(0);
    for (let i = 0; i < 160_000; i++) buckets[prng.below(16)]! += 1;
    for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });

  it('keeps to its bounds', () => {
    const prng = new Prng(2);
    const seen = new Set<number>();
    for (let i = 0; i < 10_000; i++) {
      const value = prng.between(-2, 2);
      seen.add(value);
      const skewed = prng.skewed(100);
      expect(skewed >= 0 && skewed < 100).toBe(true);
      expect(prng.chance(0, 5)).toBe(false);
      expect(prng.chance(5, 5)).toBe(true);
    }
    expect([...seen].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2]);
    expect(prng.skewed(1)).toBe(0);
  });
});
