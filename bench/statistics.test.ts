import { describe, expect, it } from 'vitest';
import { median, medianInterval, pairedRatio, quantile } from './statistics.ts';

describe('quantile', () => {
  it('interpolates between order statistics and ignores the order of the input', () => {
    expect(quantile([40, 10, 30, 20], 0)).toBe(10);
    expect(quantile([40, 10, 30, 20], 1)).toBe(40);
    expect(quantile([40, 10, 30, 20], 0.25)).toBe(17.5);
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });

  it('sorts as numbers, not as text, and leaves its input alone', () => {
    const values = [100, 9, 20];
    expect(median(values)).toBe(20);
    expect(values).toEqual([100, 9, 20]);
  });

  it('refuses an empty list and a quantile outside 0..1', () => {
    expect(() => median([])).toThrow(RangeError);
    expect(() => quantile([1], 1.1)).toThrow(RangeError);
    expect(() => quantile([1], Number.NaN)).toThrow(RangeError);
  });
});

describe('medianInterval', () => {
  const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

  it('matches the ranks of the published tables for 95%', () => {
    expect(medianInterval(upTo(6))).toEqual({ low: 1, high: 6 });
    expect(medianInterval(upTo(9))).toEqual({ low: 2, high: 8 });
    expect(medianInterval(upTo(10))).toEqual({ low: 2, high: 9 });
    expect(medianInterval(upTo(15))).toEqual({ low: 4, high: 12 });
    expect(medianInterval(upTo(20))).toEqual({ low: 6, high: 15 });
    expect(medianInterval(upTo(30))).toEqual({ low: 10, high: 21 });
  });

  it('says so where there are too few rounds', () => {
    expect(medianInterval([])).toBeNull();
    expect(medianInterval(upTo(1))).toBeNull();
    expect(medianInterval(upTo(5))).toBeNull();
  });

  it('covers the true median about as often as promised', () => {
    let state = 12345;
    const next = (): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    let covered = 0;
    for (let trial = 0; trial < 4000; trial++) {
      const interval = medianInterval(Array.from({ length: 15 }, () => next() ** 3));
      if (interval !== null && interval.low <= 0.125 && interval.high >= 0.125) covered++;
    }
    expect(covered / 4000).toBeGreaterThan(0.95);
    expect(covered / 4000).toBeLessThan(0.98);
  });
});

describe('pairedRatio', () => {
  it('pairs rounds, so that drift shared by both cancels out', () => {
    const drift = [1, 2, 3, 4, 5, 6];
    const ratio = pairedRatio(
      drift.map((d) => 8 * d),
      drift.map((d) => 10 * d),
    );
    expect(ratio.median).toBeCloseTo(0.8, 12);
    expect(ratio.interval?.low).toBeCloseTo(0.8, 12);
    expect(ratio.interval?.high).toBeCloseTo(0.8, 12);
    expect(ratio.rounds).toBe(6);
  });

  it('refuses unequal rounds and divisors that mean nothing', () => {
    expect(() => pairedRatio([1, 2], [1])).toThrow(RangeError);
    expect(() => pairedRatio([1], [0])).toThrow(RangeError);
    expect(() => pairedRatio([1], [Number.NaN])).toThrow(RangeError);
    expect(() => pairedRatio([], [])).toThrow(RangeError);
  });
});
