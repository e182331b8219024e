import { describe, expect, it } from 'vitest';
import { compare, errorsOf, judge, series } from './judge.ts';
import type { Target } from './targets.ts';
import type { RowResult, Sample } from './types.ts';

const good = (cost: number): Sample => ({ metrics: { cost, rate: 1000 / cost }, errors: [] });
const bad: Sample = { metrics: { cost: 1, rate: 1 }, errors: ['2 read errors'] };

function row(samples: Record<string, Sample[]>): RowResult {
  return { row: 'ka64', title: '', placement: 'pin', metrics: [], primary: 'cost', notes: [], samples };
}

const target: Target = {
  row: 'ka64',
  placement: 'pin',
  loop: 'uring',
  metric: 'cost',
  against: 'pen',
  sense: 'at most',
  must: 0.9,
  aim: 0.7,
};

const six = (cost: number): Sample[] => Array.from({ length: 6 }, () => good(cost));

describe('judge', () => {
  it('grades by the median of per-round ratios', () => {
    const outcome = (ours: number): string => judge(target, [row({ uring: six(ours), pen: six(10) })]).outcome;
    expect(outcome(6)).toBe('aim');
    expect(outcome(8)).toBe('must');
    expect(outcome(9)).toBe('must');
    expect(outcome(9.1)).toBe('missed');
  });

  it('says when the bound lies inside the interval', () => {
    const ours = [8, 8, 8, 9.5, 8, 8].map(good);
    const verdict = judge(target, [row({ uring: ours, pen: six(10) })]);
    expect(verdict.outcome).toBe('must');
    expect(verdict.uncertain).toBe(true);
    expect(judge(target, [row({ uring: six(8), pen: six(10) })]).uncertain).toBe(false);
  });

  it('lets one error make the whole row invalid, on either side', () => {
    const ours = [...six(1).slice(1), bad];
    expect(judge(target, [row({ uring: ours, pen: six(10) })]).outcome).toBe('invalid');
    expect(judge(target, [row({ uring: six(1), pen: [...six(10).slice(1), bad] })]).outcome).toBe('invalid');
    expect(errorsOf(row({ uring: ours }), 'uring')).toEqual(['round 6: 2 read errors']);
  });

  it('does not take a missing value for a good one', () => {
    const hollow: Sample[] = six(1).map(() => ({ metrics: {}, errors: [] }));
    expect(series(row({ uring: hollow }), 'uring', 'cost')).toBeUndefined();
    expect(compare(row({ uring: six(1), pen: six(0) }), 'cost', 'uring', 'pen')).toBeUndefined();
    expect(judge(target, [row({ uring: hollow, pen: six(10) })]).outcome).toBe('invalid');
  });

  it('leaves out what was not run', () => {
    expect(judge(target, []).outcome).toBe('not measured');
    expect(judge(target, [row({ uring: six(1) })]).outcome).toBe('not measured');
    expect(judge(target, [row({ pen: six(1) })]).outcome).toBe('not measured');
  });

  it('compares with the best peer of that metric', () => {
    const samples = { uring: six(5), pen: six(10), haproxy: six(8), nginx: six(20) };
    const best = judge({ ...target, against: 'best' }, [row(samples)]);
    expect(best.against).toBe('haproxy');
    expect(best.measured?.median).toBeCloseTo(5 / 8, 12);
    const rate: Target = { ...target, against: 'best', metric: 'rate', sense: 'at least', must: 1, aim: null };
    const fastest = judge(rate, [row(samples)]);
    expect(fastest.against).toBe('haproxy');
    expect(fastest.outcome).toBe('must');
    expect(judge(rate, [row({ ...samples, uring: six(9) })]).outcome).toBe('missed');
  });

  it('judges absolute figures without a peer', () => {
    const absolute: Target = { ...target, against: null, must: 5, aim: null };
    expect(judge(absolute, [row({ uring: six(5) })]).outcome).toBe('must');
    expect(judge(absolute, [row({ uring: six(6) })]).outcome).toBe('missed');
  });
});
