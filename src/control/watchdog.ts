/** Notices a worker that is stuck in a turn. One that sleeps, or whose whole process is suspended, is not. */
import { lane } from '../table/columns.ts';
import { isWorkerLive } from '../table/publish.ts';
import type { Tables } from '../table/tables.ts';

/** Two such times within one and the same turn: nothing a worker does takes a hundredth of that. */
const LOOK_MS = 2500;
const STRIKES = 2;

/**
 * Looks at the workers now and then. After a process was suspended, the first look may find a turn that seems to have
 * lasted for hours; it takes another one, some seconds of running later, to make that a verdict.
 *
 * @param isStuck is told the worker, once.
 * @returns the timer, to be cleared; it does not keep the process alive.
 */
export function watchTurns(tables: Tables, count: number, isStuck: (worker: number) => void): NodeJS.Timeout {
  const look = lookAtTurns(tables, count, isStuck);
  return setInterval(look, LOOK_MS).unref();
}

/** One look per call; apart from its timer, for tests. */
export function lookAtTurns(tables: Tables, count: number, isStuck: (worker: number) => void): () => void {
  const { counters, gauges } = tables;
  const seen = new Float64Array(count).fill(-1);
  const strikes = new Uint8Array(count);
  return () => {
    for (let worker = 0; worker < count; worker++) {
      const turns = lane(counters.turns, worker);
      const isInTurn = lane(gauges.inTurn, worker) !== 0 && isWorkerLive(tables, worker);
      strikes[worker] = isInTurn && turns === seen[worker] ? (strikes[worker] ?? 0) + 1 : 0;
      seen[worker] = isInTurn ? turns : -1;
      if (strikes[worker] === STRIKES) isStuck(worker);
    }
  };
}
