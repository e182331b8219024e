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

/** One row of the benchmark. `once` rows do not depend on the placement. */
export interface RowDefinition {
  readonly placements: 'each' | 'once';
  run(bench: Bench): Promise<RowResult>;
}

/** Time for the last connections of a run to be closed on the bill of that run. */
const AFTERMATH_MS = 50;

/**
 * Measures every contender once per round, each other round in reversed order, so that slow drift
 * and what a neighbour leaves behind hit all alike. A measurement that throws becomes a sample with
 * an error.
 */
export async function interleave<T extends Contender>(
  contenders: readonly T[],
  rounds: number,
  measure: (contender: T, round: number) => Promise<Sample>,
  progress: (text: string) => void,
): Promise<Record<string, Sample[]>> {
  const samples: Record<string, Sample[]> = {};
  for (const { id } of contenders) samples[id] = [];
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? contenders : [...contenders].reverse();
    for (const contender of order) {
      const sample = await measure(contender, round).catch(failed);
      samples[contender.id]?.push(sample);
      if (sample.errors.length > 0) progress(`  ${contender.label}: ${sample.errors.join('; ')}`);
    }
    progress(`  round ${round + 1} of ${rounds}`);
  }
  return samples;
}

function failed(error: unknown): Sample {
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
