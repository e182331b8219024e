/** What main and a worker thread tell each other when they meet. */

import type { LoopChoice } from '../config/model.ts';

/** Handed to a worker thread when it starts. */
export interface WorkerStart {
  readonly memory: SharedArrayBuffer;
  readonly worker: number;
  readonly slotFirst: number;
  readonly slotCount: number;
  readonly loop: LoopChoice;
  /** Wake-ups of all workers, by their numbers. */
  readonly wakeFds: readonly number[];
}

/** Sent by a worker thread once, when its loop stands, or when there is none. */
export interface WorkerReady {
  readonly kind: 'uring' | 'epoll' | 'node' | 'sim' | 'none';
  /** Why it is not the loop that would be best, or none; empty when it is. */
  readonly reason: string;
}
