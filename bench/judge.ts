/** Turns samples into comparisons and comparisons into verdicts. Pure. */
import { median, medianInterval, pairedRatio, type Ratio } from './statistics.ts';
import type { Target } from './targets.ts';
import type { RowResult } from './types.ts';

/**
 * `aim` and `must` are met by the median; `missed` is a median beyond the must. `invalid` means
 * that a run had an error, `not measured` that a row or contender was left out.
 */
export type Outcome = 'aim' | 'must' | 'missed' | 'invalid' | 'not measured';

/** A target with what was measured for it. */
export interface Verdict {
  readonly target: Target;
  readonly outcome: Outcome;
  readonly measured: Ratio | null;
  /** True where the must lies inside the interval: another run might say the opposite. */
  readonly uncertain: boolean;
  /** The peer that `best` stood for, or the asked one. */
  readonly against: string | null;
}

const PEER_IDS = ['pen', 'haproxy', 'nginx'];

/** All values of a metric by round; undefined where the contender, a value or a run is not good. */
export function series(result: RowResult, id: string, metric: string): number[] | undefined {
  const samples = result.samples[id];
  if (samples === undefined || samples.length === 0) return undefined;
  const values: number[] = [];
  for (const { metrics, errors } of samples) {
    const value = metrics[metric];
    if (errors.length > 0 || value === undefined || Number.isNaN(value)) return undefined;
    values.push(value);
  }
  return values;
}

/** All errors of a contender in a row, with their round (from 1). */
export function errorsOf(result: RowResult, id: string): string[] {
  const samples = result.samples[id] ?? [];
  return samples.flatMap(({ errors }, i) => errors.map((error) => `round ${i + 1}: ${error}`));
}

/** Ratio of a metric between two contenders; undefined where either is missing or invalid. */
export function compare(result: RowResult, metric: string, ours: string, theirs: string): Ratio | undefined {
  const a = series(result, ours, metric);
  const b = series(result, theirs, metric);
  if (a === undefined || b === undefined || a.length !== b.length) return undefined;
  return b.every((value) => value > 0) ? pairedRatio(a, b) : undefined;
}

/** Judges one target. */
export function judge(target: Target, results: readonly RowResult[]): Verdict {
  const { row, placement, loop, metric } = target;
  const none = { target, measured: null, uncertain: false, against: target.against };
  const result = results.find((one) => one.row === row && (placement === null || one.placement === placement));
  if (result?.samples[loop] === undefined) return { ...none, outcome: 'not measured' };
  const against = target.against === 'best' ? bestPeer(result, target) : target.against;
  if (against !== null && result.samples[against] === undefined) {
    return { ...none, outcome: 'not measured' };
  }
  const measured = against === null ? absolute(result, loop, metric) : compare(result, metric, loop, against);
  if (measured === undefined) return { ...none, outcome: 'invalid', against };
  return { target, measured, against, ...weigh(target, measured) };
}

function absolute(result: RowResult, id: string, metric: string): Ratio | undefined {
  const values = series(result, id, metric);
  if (values === undefined) return undefined;
  return { median: median(values), interval: medianInterval(values), rounds: values.length };
}

function bestPeer(result: RowResult, target: Target): string {
  const sign = target.sense === 'at most' ? 1 : -1;
  let best = 'none';
  let bestValue = Number.POSITIVE_INFINITY;
  for (const id of PEER_IDS) {
    const values = series(result, id, target.metric);
    const value = values === undefined ? Number.POSITIVE_INFINITY : sign * median(values);
    if (value < bestValue) [best, bestValue] = [id, value];
  }
  return best;
}

function weigh(target: Target, measured: Ratio): { outcome: Outcome; uncertain: boolean } {
  const within = (bound: number): boolean =>
    target.sense === 'at most' ? measured.median <= bound : measured.median >= bound;
  const { interval } = measured;
  const uncertain = interval !== null && interval.low <= target.must && target.must <= interval.high;
  if (target.aim !== null && within(target.aim)) return { outcome: 'aim', uncertain };
  return { outcome: within(target.must) ? 'must' : 'missed', uncertain };
}
