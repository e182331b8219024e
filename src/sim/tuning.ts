/** What a publish may change in mid-run: deadlines and limits, and which of them were in force when. */
import type { Prng } from '../base/prng.ts';
import { drawSourceMax } from './policy.ts';
import type { SeedSettings } from './settings.ts';

/** A change is obeyed within this time, whatever turns and completions are late. */
const SETTLED_US = 3_000_000;

export class Tuning {
  idleTimeoutMs: number;
  halfClosedTimeoutMs: number;
  connectTimeoutMs: number;
  blacklistMs: number;
  connMax: number;
  pendingMax: number;
  acceptBatch: number;
  /** Places at each server, 0 for no limit. */
  readonly serverMax: number[];
  /** Places of a source, 0 for no limit, and places for parked connections. */
  sourceMax: number;
  parkedMax: number;
  /** When it last changed. */
  changedUs = -SETTLED_US;
  /** When there was last no idle timeout. */
  private idleBeforeMs = 0;
  private halfClosedBeforeMs = 0;

  constructor(settings: SeedSettings) {
    this.idleTimeoutMs = settings.idleTimeoutMs;
    this.halfClosedTimeoutMs = settings.halfClosedTimeoutMs;
    this.connectTimeoutMs = settings.connectTimeoutMs;
    this.blacklistMs = settings.blacklistMs;
    this.connMax = settings.connMax;
    this.pendingMax = settings.pendingMax;
    this.acceptBatch = settings.acceptBatch;
    this.serverMax = [...settings.serverMax];
    this.sourceMax = settings.policy.sourceMax;
    this.parkedMax = settings.policy.parkedMax;
  }

  /** Draws other values for some of them; limits of the process only within what the seed has memory for. */
  redraw(prng: Prng, settings: SeedSettings, nowUs: number): void {
    this.idleBeforeMs = this.idleTimeoutMs;
    this.halfClosedBeforeMs = this.halfClosedTimeoutMs;
    this.changedUs = nowUs;
    if (prng.chance(1, 2)) this.idleTimeoutMs = drawIdleTimeout(prng);
    if (prng.chance(1, 2)) this.halfClosedTimeoutMs = drawHalfClosedTimeout(prng);
    if (prng.chance(1, 2)) this.connectTimeoutMs = prng.between(1000, 5000);
    if (prng.chance(1, 2)) this.blacklistMs = prng.between(100, 2000);
    if (prng.chance(1, 4)) this.connMax = prng.between(settings.listeners, settings.connMax);
    if (prng.chance(1, 4)) this.pendingMax = prng.between(settings.listeners, settings.pendingMax);
    if (prng.chance(1, 4)) this.acceptBatch = prng.between(1, 20);
    if (settings.policy.sourceMax > 0) {
      if (prng.chance(1, 3)) this.sourceMax = prng.chance(1, 4) ? 0 : drawSourceMax(prng);
      if (prng.chance(1, 3)) this.parkedMax = prng.between(0, settings.policy.parkedMax);
    }
    if (!settings.hasLimits) return;
    for (let i = 0; i < this.serverMax.length; i++) if (prng.chance(1, 3)) this.serverMax[i] = drawServerMax(prng);
  }

  /** One line for people. */
  describe(): string {
    const limits = `connections ${this.connMax}, pending ${this.pendingMax}, servers ${this.serverMax.join(' ')}, per source ${this.sourceMax}, parked ${this.parkedMax}`;
    const { idleTimeoutMs, halfClosedTimeoutMs, connectTimeoutMs } = this;
    return `idle ${idleTimeoutMs} ms, half-closed ${halfClosedTimeoutMs} ms, connect ${connectTimeoutMs} ms; at most: ${limits}`;
  }

  /** The shortest idle timeout that may have ended something just now; 0 for none. */
  idleLowMs(nowUs: number): number {
    return lowest(this.idleTimeoutMs, nowUs - this.changedUs < SETTLED_US ? this.idleBeforeMs : 0);
  }

  halfClosedLowMs(nowUs: number): number {
    return lowest(this.halfClosedTimeoutMs, nowUs - this.changedUs < SETTLED_US ? this.halfClosedBeforeMs : 0);
  }
}

/** The lower of two limits of which 0 means none. */
function lowest(left: number, right: number): number {
  if (left === 0 || right === 0) return left + right;
  return Math.min(left, right);
}

export function drawIdleTimeout(prng: Prng): number {
  return prng.chance(1, 2) ? 0 : prng.between(500, 8000);
}

export function drawHalfClosedTimeout(prng: Prng): number {
  return prng.chance(2, 3) ? 0 : prng.between(500, 8000);
}

export function drawServerMax(prng: Prng): number {
  return prng.chance(1, 2) ? 0 : prng.between(2, 60);
}
