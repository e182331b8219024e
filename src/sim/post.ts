/** What a run drives: the engine, or a relay of a test. */
import type { Fd } from '../base/brand.ts';
import type { Loop, Turn } from '../loop/loop.ts';
import type { Tables } from '../table/tables.ts';
import type { SeedSettings } from './settings.ts';

/** Which of several workers it is to be. */
export interface Post {
  readonly worker: number;
  readonly slotFirst: number;
  readonly workerCount: number;
  readonly wakeWorker: (worker: number) => void;
}

/** What a run must be able to do with it. */
export interface Driven {
  readonly turn: Turn;
  /** Asserts of the driven thing's own, when everything has ended. */
  readonly checkEnd: () => void;
  /** For runs in which workers fail: what the worker does itself, and what main does then. */
  readonly abandon?: () => boolean;
  readonly reclaim?: (tables: Tables, worker: number, abort: (fd: Fd) => void) => number;
}

export type DrivenFactory = (loop: Loop, tables: Tables, settings: SeedSettings, nowMs: number, post?: Post) => Driven;
