/**
 * The fault table: every kind of trouble the simulator can make, its weight in this seed, and how often it was made.
 *
 * A fault that never fires proves nothing, so runs count them and the long run fails when one stayed rare.
 */
import type { Prng } from '../base/prng.ts';

export const FAULT_NAMES = [
  // The loop.
  'loop.partial-recv',
  'loop.partial-send',
  'loop.late-completion',
  'loop.batch-split',
  'loop.batch-shuffled',
  'loop.cancel-lost',
  'loop.cancel-won',
  'loop.no-buffer',
  'loop.early-write',
  'loop.slow-turn',
  'loop.fd-reused',
  'loop.accept-short',
  'loop.emfile-accept',
  'loop.emfile-open',
  // The network.
  'net.refused',
  'net.black-hole',
  'net.backlog-full',
  'net.unix-full',
  'net.slow-connect',
  'net.reset-data-lost',
  'net.close-unread',
  'net.write-to-closed',
  'net.window-full',
  // Clients.
  'client.reset-before-accept',
  'client.reset-early',
  'client.reset-mid-data',
  'client.reset-after-fin',
  'client.close-early',
  'client.half-close-first',
  'client.slow-reader',
  'client.stall',
  'client.byte-writes',
  'client.silent',
  'client.returns',
  'client.denied',
  'client.abuse',
  // Servers.
  'server.close-at-once',
  'server.reset-mid-data',
  'server.reset-after-fin',
  'server.half-close-first',
  'server.banner',
  'server.slow-reader',
  'server.stall',
  'server.never-answers',
  'server.crash',
  'server.flap',
  'server.unaccepting',
  'server.full',
  'server.emergency',
  'server.beyond-max',
  // The world.
  'world.publish',
  'world.retune',
  'world.table-full',
  'world.source-parked',
  'world.source-refused',
  'world.fastclose',
  'world.server-removed',
  'world.server-added',
  'world.emfile-episode',
  'world.clock-jump',
  'world.stop-orderly',
  'world.stop-abort',
  // Noted only, so that they take no part in the drawing of weights.
  'client.peeked',
  'client.answered',
  'server.idler',
] as const;

export type FaultName = (typeof FAULT_NAMES)[number];

const INDEX: ReadonlyMap<string, number> = new Map(FAULT_NAMES.map((name, index) => [name, index]));

/** Index of a fault, for use at the place where it fires. */
export function faultIndex(name: FaultName): number {
  return INDEX.get(name) as number;
}

/** How many of the last names are noted only. */
const NOTED = 3;

/** Denominator of every fault's probability. */
export const FAULT_ONE = 1024;

export class Faults {
  /** How often each fault has fired. */
  readonly fired = new Float64Array(FAULT_NAMES.length);
  /** Chance of each fault in this seed, of FAULT_ONE. */
  readonly weight = new Uint16Array(FAULT_NAMES.length);
  /** False in the second phase of a run: nothing new goes wrong, everything must drain. */
  isOn = true;
  private readonly prng: Prng;

  constructor(prng: Prng) {
    this.prng = prng;
  }

  /** Draws the weights of a seed: a third of the faults is off, most others are rare, few are wild. */
  drawWeights(): void {
    for (let i = 0; i < this.weight.length - NOTED; i++) {
      const grade = this.prng.below(24);
      if (grade < 8) this.weight[i] = 0;
      else if (grade < 17) this.weight[i] = this.prng.between(1, 20);
      else if (grade < 22) this.weight[i] = this.prng.between(20, 80);
      else this.weight[i] = this.prng.between(80, 400);
    }
  }

  /** Decides whether the fault happens here and now, and counts it when it does. */
  fires(fault: number): boolean {
    const weight = this.weight[fault];
    if (weight === 0 || !this.isOn || this.prng.below(FAULT_ONE) >= weight) return false;
    this.fired[fault] = this.fired[fault] + 1;
    return true;
  }

  /** Decides whether the fault is planned; whoever carries it out counts it then. */
  isDrawn(fault: number): boolean {
    const weight = this.weight[fault];
    return weight > 0 && this.isOn && this.prng.below(FAULT_ONE) < weight;
  }

  /** Picks one of `faults` that can happen in this seed; -1 when none can. */
  pick(candidates: readonly number[]): number {
    const chosen = candidates[this.prng.below(candidates.length)];
    return this.isEnabled(chosen) ? chosen : -1;
  }

  /** Whether the fault can happen at all in this seed. */
  isEnabled(fault: number): boolean {
    return this.isOn && this.weight[fault] > 0;
  }

  /** Counts a fault that has happened by itself. */
  note(fault: number): void {
    this.fired[fault] = this.fired[fault] + 1;
  }
}
