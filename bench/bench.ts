/** What every row is given: running contenders in one placement, and how to run rounds on them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContenderDefinition, RunningContender } from './contenders.ts';
import { cpuBetween, readCpu, type CpuUse } from './measure.ts';
import type { Options } from './options.ts';
import type { Origin } from './origin.ts';
import type { Contender, Placement, RowResult, Sample } from './types.ts';

/** The state of the benchmark in one placement. */
export interface Bench {
  readonly options: Options;
  readonly placement: Placement;
  /** Command prefix of whatever shares the CPU in PIN; empty in FREE. */
  readonly prefix: readonly string[];
  /** Command prefix of a generator that must never wait for the CPU of the others in PIN. */
  readonly apartPrefix: readonly string[];
  readonly origin: Origin;
  readonly definitions: readonly ContenderDefinition[];
  /** All started contenders, the direct connection last. */
  readonly fleet: readonly RunningContender[];
  /** One line of progress for the person who waits. */
  readonly progress: (text: string) => void;
}

/**
 * One row of the benchmark. `once` rows do not depend on the placement and run in the first one;
 * `pin` rows need to know where everybody is.
 */
export interface RowDefinition {
  readonly placements: 'each' | 'once' | 'pin';
  run(bench: Bench): Promise<RowResult>;
}

/** Time for the last connections of a run to be closed on the bill of that run. */
const AFTERMATH_MS = 50;

/** How one row measures one contender. */
export interface Rounds<T> {
  readonly rounds: number;
  /** Unmeasured: warms up, proves content. The returned errors count as errors of round 1. */
  readonly prepare?: (contender: T) => Promise<readonly string[]>;
  readonly measure: (contender: T, round: number) => Promise<Sample>;
}

/**
 * Measures every contender once per round, each other round in reversed order, so that slow drift
 * and what a neighbour leaves behind hit all alike. Whatever throws becomes an error of a sample.
 */
export async function interleave<T extends Contender>(
  contenders: readonly T[],
  { rounds, prepare, measure }: Rounds<T>,
  progress: (text: string) => void,
): Promise<Record<string, Sample[]>> {
  const samples: Record<string, Sample[]> = {};
  const early = new Map<string, readonly string[]>();
  for (const contender of contenders) {
    samples[contender.id] = [];
    early.set(contender.id, (await prepare?.(contender).catch((error) => failed(error).errors)) ?? []);
  }
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? contenders : [...contenders].reverse();
    for (const contender of order) {
      const { metrics, errors: own } = await measure(contender, round).catch(failed);
      const errors = round === 0 ? [...(early.get(contender.id) ?? []), ...own] : own;
      samples[contender.id]?.push({ metrics, errors });
      if (errors.length > 0) progress(`  ${contender.label}: ${errors.join('; ')}`);
    }
    progress(`  round ${round + 1} of ${rounds}`);
  }
  return samples;
}

/** The sample of a measurement that threw. */
export function failed(error: unknown): Sample {
  return { metrics: {}, errors: [error instanceof Error ? error.message : String(error)] };
}

/** Runs `work` and returns its result with the CPU the contender used for it (none for direct). */
export async function withCpu<T>(
  contender: Contender,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly cpu: CpuUse | undefined }> {
  if (contender.pid === undefined) return { result: await work(), cpu: undefined };
  const before = readCpu(contender.pid);
  const result = await work();
  await sleep(AFTERMATH_MS);
  return { result, cpu: cpuBetween(before, readCpu(contender.pid)) };
}

/** CPU metrics of a sample: cost per unit (`scale` converts nanoseconds) and share of user time. */
export function costMetrics(cpu: CpuUse | undefined, units: number, scale: number): Record<string, number> {
  if (cpu === undefined || units === 0) return {};
  const ticks = cpu.userTicks + cpu.systemTicks;
  return {
    cost: cpu.nanoseconds / scale / units,
    ...(ticks > 0 ? { user: (100 * cpu.userTicks) / ticks } : {}),
  };
}
