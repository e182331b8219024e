/**
 * Main's one look at the workers, for whoever wants to know something of them now and then. An idle process shall stay
 * idle: each time it wakes costs, most of all where the kernel has taken away the pages it needs for that.
 */
import type { Tables } from '../table/tables.ts';
import { pausesWatch } from './pauses.ts';
import { turnsWatch } from './watchdog.ts';

/** While the workers do something. */
const BUSY_MS = 2500;
/** While they sleep, as long as they do at most. */
const REST_MS = 10_000;

export interface Watched {
  readonly tables: Tables;
  /** How many workers there are. */
  readonly count: number;
  /** Is told a worker that is stuck in a turn, once: at most REST_MS and two times BUSY_MS after its begin. */
  readonly isStuck: (worker: number) => void;
  /** Is told, in one line, that accepting rests. */
  readonly say: (text: string) => void;
}

/**
 * Begins to look. The timer does not keep the process alive.
 *
 * @returns what ends it.
 */
export function watchWorkers({ tables, count, isStuck, say }: Watched): () => void {
  const lookAtTurns = turnsWatch(tables, count, isStuck);
  const lookAtPauses = pausesWatch(tables, say);
  const look = (): void => {
    const isAtRest = lookAtTurns();
    lookAtPauses();
    timer = setTimeout(look, isAtRest ? REST_MS : BUSY_MS).unref();
  };
  let timer = setTimeout(look, BUSY_MS).unref();
  return () => clearTimeout(timer);
}
