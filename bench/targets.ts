/** What the figures are judged by. The only place where a target is written down. */
import type { LoopName, Peer } from './contenders.ts';
import type { RowName } from './options.ts';
import type { Placement } from './types.ts';

/** A bound on one metric of ours: as a ratio to a peer, or absolute where `against` is null. */
export interface Target {
  readonly row: RowName;
  /** Null: the placement in which a `once` row ran. */
  readonly placement: Placement | null;
  readonly loop: LoopName;
  readonly metric: string;
  /** `best` is the peer with the best median of this metric. */
  readonly against: Peer | 'best' | null;
  readonly sense: 'at most' | 'at least';
  readonly must: number;
  /** Null where the must is all that is asked. */
  readonly aim: number | null;
}

const most = { loop: 'uring', metric: 'cost', sense: 'at most' } as const;
const rate = { loop: 'uring', metric: 'rate', sense: 'at least', against: 'best' } as const;

const requests: readonly Target[] = [
  { ...most, row: 'ka64', placement: 'pin', against: 'pen', must: 0.92, aim: 0.75 },
  { ...most, row: 'ka64', placement: 'pin', against: 'haproxy', must: 0.8, aim: 0.65 },
  { ...most, row: 'ka64', placement: 'pin', against: 'nginx', must: 0.8, aim: 0.65 },
  { ...most, row: 'ka256', placement: 'pin', against: 'pen', must: 0.85, aim: 0.65 },
  { ...most, row: 'ka64', placement: 'free', against: 'pen', must: 1.15, aim: 0.85 },
  { ...most, row: 'ka256', placement: 'free', against: 'pen', must: 1.05, aim: 0.8 },
  { ...most, row: 'close64', placement: 'pin', against: 'pen', must: 0.92, aim: 0.7 },
  { ...most, row: 'close64', placement: 'free', against: 'pen', must: 1.1, aim: 0.85 },
  { ...rate, row: 'ka64', placement: 'pin', must: 1, aim: null },
  { ...rate, row: 'ka256', placement: 'pin', must: 1, aim: null },
  { ...rate, row: 'close64', placement: 'pin', must: 1, aim: null },
];

const bulk: readonly Target[] = [{ ...most, row: 'bulk8', placement: 'free', against: 'best', must: 0.55, aim: 0.35 }];

const latency: readonly Target[] = [
  { ...most, row: 'latency', placement: 'pin', metric: 'p99', against: 'pen', must: 1.3, aim: 0.9 },
];

const epoll: readonly Target[] = [
  { row: 'ka64', must: 1.05 } as const,
  { row: 'ka256', must: 1.05 } as const,
  { row: 'close64', must: 1.15 } as const,
].map((bound) => ({
  ...most,
  ...bound,
  loop: 'epoll',
  placement: 'pin',
  against: 'haproxy',
  aim: null,
}));

const idle: readonly Target[] = (['uring', 'epoll'] as const).flatMap((loop) => {
  const absolute = { ...most, loop, placement: null, against: null, aim: null };
  return [
    { ...absolute, row: 'idle-memory', metric: 'base', must: 75 },
    { ...absolute, row: 'idle-memory', metric: 'all', must: 1.5 },
    { ...absolute, row: 'idle-cpu', metric: 'wakeups', must: 1 },
    { ...absolute, row: 'idle-cpu', metric: 'core', must: 0.1 },
    { ...absolute, row: 'idle-cpu', metric: 'wakeupsHeld', must: 1 },
    { ...absolute, row: 'idle-cpu', metric: 'coreHeld', must: 0.1 },
  ];
});

const starts: readonly Target[] = (['uring', 'epoll'] as const).map((loop) => {
  return { ...most, loop, row: 'start', placement: null, metric: 'ms', against: null, must: 300, aim: null };
});

const lookups: readonly Target[] = [
  { ...most, row: 'lookup', placement: null, metric: 'manyKnown', against: null, must: 1000, aim: null },
  { ...most, row: 'lookup', placement: null, metric: 'ratio', against: null, must: 3, aim: null },
];

const lists: readonly Target[] = ['ipv4', 'ipv6', 'country'].map((metric) => {
  return { ...most, row: 'lists', placement: null, metric, against: null, must: 1000, aim: null };
});

/** All targets, in the order in which they are printed. */
export const targets: readonly Target[] = [
  ...requests,
  ...bulk,
  ...latency,
  ...epoll,
  ...idle,
  ...starts,
  ...lookups,
  ...lists,
];
