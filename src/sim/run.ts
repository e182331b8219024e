/** Runs one seed, or many. */
import { Prng } from '../base/prng.ts';
import { drawExtras, farmsWithin } from './extras.ts';
import { FAULT_NAMES, Faults } from './faults.ts';
import { drawSettings } from './settings.ts';
import type { DrivenFactory } from './post.ts';
import type { RunTotals } from './totals.ts';
import { World } from './world.ts';

/** What came later is drawn by itself, so that seeds stay what they were where they have nothing of it. */
const EXTRA_SEEDS = 2 ** 31;

export interface SeedOptions {
  readonly connections: number;
  /** Keeps the last events, for a person who replays a violation. */
  readonly isTraced: boolean;
  /** **Default** 1. Several share one listener: an idle one could keep the last place from another (docs/decisions.md). */
  readonly workers?: number;
  /** Turns throw now and then; for several workers. */
  readonly canFail?: boolean;
}

export interface SeedFailure {
  readonly seed: number;
  readonly error: Error;
  readonly trace: readonly string[];
}

export interface Report extends RunTotals {
  seeds: number;
  readonly fired: Float64Array;
}

export function newReport(): Report {
  return {
    seeds: 0,
    connections: 0,
    bytes: 0,
    turns: 0,
    failures: 0,
    sizes: new Float64Array(0),
    sizeCount: 0,
    fired: new Float64Array(FAULT_NAMES.length),
  };
}

/** Runs a seed and adds what it did to the report. @returns what went wrong, or undefined. */
export function runSeed(
  seed: number,
  options: SeedOptions,
  make: DrivenFactory,
  report: Report,
): SeedFailure | undefined {
  const prng = new Prng(seed);
  const faults = new Faults(prng);
  faults.drawWeights();
  const settings = { ...drawSettings(prng, options.connections), ...drawExtras(new Prng(seed + EXTRA_SEEDS)) };
  const { workers = 1, canFail = false } = options;
  if (workers > 1) Object.assign(settings, { workers, canFail, listeners: 1 });
  settings.farms = farmsWithin(settings);
  const world = new World(settings, faults, prng, make);
  world.trace.isOn = options.isTraced;
  let failure: SeedFailure | undefined;
  try {
    world.run(report);
  } catch (error) {
    failure = { seed, error: error instanceof Error ? error : new Error(String(error)), trace: world.trace.last() };
  }
  report.seeds++;
  for (let i = 0; i < faults.fired.length; i++) report.fired[i] = report.fired[i] + faults.fired[i];
  return failure;
}

/** Median of the bytes that a connection moved. */
export function medianSize(report: RunTotals): number {
  const sizes = report.sizes.slice(0, report.sizeCount).sort();
  return sizes[sizes.length >> 1] ?? 0;
}
