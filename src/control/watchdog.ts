/** Notices a worker that is stuck in a turn. One that sleeps, or whose whole process is suspended, is not. */
import { lane } from '../table/columns.ts';
import { isWorkerLive } from '../table/publish.ts';
import type { Tables } from '../table/tables.ts';

/** So many looks after the first that found a worker in this turn, it is stuck: nothing it does takes a hundredth of that. */
const STRIKES = 2;
/** In half turns: what somebody does who sleeps, and sees to it now and then that no wake-up was lost. */
const AT_REST = 2;

/**
 * What to call now and then: looks at the workers' turns. After a process was suspended, the first look may find a turn
 * that seems to have lasted for hours; it takes another one, some seconds of running later, to make that a verdict.
 *
 * @param isStuck is told the worker, once.
 * @returns the look. It returns whether all workers sleep, and have done next to nothing since the look before.
 */
export function turnsWatch(tables: Tables, count: number, isStuck: (worker: number) => void): () => boolean {
  const { counters, gauges } = tables;
  /** Twice the turns a worker has taken, and one more while it is in the next. */
  const seen = new Float64Array(count);
  const strikes = new Uint8Array(count);
  return () => {
    let isAtRest = true;
    for (let worker = 0; worker < count; worker++) {
      const isInTurn = lane(gauges.inTurn, worker) !== 0 && isWorkerLive(tables, worker);
      const halfTurns = 2 * lane(counters.turns, worker) + Number(isInTurn);
      const before = seen[worker] ?? 0;
      if (isInTurn || halfTurns > before + AT_REST) isAtRest = false;
      strikes[worker] = isInTurn && halfTurns === before ? (strikes[worker] ?? 0) + 1 : 0;
      seen[worker] = halfTurns;
      if (strikes[worker] === STRIKES) isStuck(worker);
    }
    return isAtRest;
  };
}
