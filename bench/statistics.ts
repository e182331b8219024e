/** Medians, order-statistic intervals and per-round ratios. Pure functions, no randomness. */

/** A median with the range that holds the true median with at least the asked confidence. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Median and interval of one ratio; `interval` is null where there are too few rounds for one. */
export interface Ratio {
  readonly median: number;
  readonly interval: Interval | null;
  readonly rounds: number;
}

/**
 * The q-quantile (0..1) by linear interpolation between the two nearest order statistics.
 * Throws RangeError on an empty list or a q outside 0..1.
 */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) throw new RangeError('quantile of an empty list');
  if (!(q >= 0 && q <= 1)) throw new RangeError(`quantile ${q} is not within 0..1`);
  const sorted = [...values].sort((a, b) => a - b);
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  const low = sorted[below] ?? Number.NaN;
  const high = sorted[above] ?? Number.NaN;
  return low + (high - low) * (position - below);
}

/** The middle value; the mean of the two middle ones for an even count. Throws on an empty list. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * Interval of the median from order statistics: the k-th smallest and k-th largest value, with the
 * largest k whose coverage (binomial, p = 1/2) is still at least `confidence`. It assumes nothing
 * about the distribution except that rounds are independent. Null where even the whole range
 * covers less than asked (five rounds or fewer for 95%).
 */
export function medianInterval(values: readonly number[], confidence = 0.95): Interval | null {
  const n = values.length;
  const sorted = [...values].sort((a, b) => a - b);
  let outside = 0;
  let probability = 2 ** -n;
  let rank = 0;
  while (rank < Math.floor(n / 2)) {
    outside += 2 * probability;
    if (1 - outside < confidence) break;
    probability = (probability * (n - rank)) / (rank + 1);
    rank++;
  }
  const low = sorted[rank - 1];
  const high = sorted[n - rank];
  return rank === 0 || low === undefined || high === undefined ? null : { low, high };
}

/**
 * Median of `ours[i] / theirs[i]` with its 95% interval. Rounds are paired because two neighbours
 * in time share the state of the machine. Throws RangeError when the lists differ in length, are
 * empty, or a divisor is not positive.
 */
export function pairedRatio(ours: readonly number[], theirs: readonly number[]): Ratio {
  if (ours.length !== theirs.length) {
    throw new RangeError(`rounds differ: ${ours.length} and ${theirs.length}`);
  }
  const ratios = ours.map((value, round) => {
    const divisor = theirs[round];
    if (divisor === undefined || !(divisor > 0)) {
      throw new RangeError(`round ${round}: cannot divide by ${divisor}`);
    }
    return value / divisor;
  });
  return { median: median(ratios), interval: medianInterval(ratios), rounds: ratios.length };
}
