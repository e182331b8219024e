/** The life of a worker thread, from its start to its end or its failure. */
import { parentPort } from 'node:worker_threads';
import type { WorkerReady, WorkerStart } from '../control/worker-thread.ts';
import { BIG_SIZE } from '../engine/big-buffers.ts';
import { createEngine } from '../engine/engine.ts';
import { nowUs } from '../linux/clock.ts';
import type { Loop } from '../loop/loop.ts';
import { addTo } from '../table/columns.ts';
import { LISTENERS_MAX } from '../table/limits.ts';
import { registerWorker, unregisterWorker } from '../table/publish.ts';
import { openRecordRing } from '../table/records.ts';
import { openRing } from '../table/ring.ts';
import { openTables, type Tables } from '../table/tables.ts';
import type { Means } from './open-loop.ts';

/** Big buffers per worker: enough for every core to be busy with bulk, too few to matter as address space. */
const BIG_BUFFERS = 64;
/**
 * Small buffers beyond two per side (one that is held, one that came before it was asked for), for the window of those that
 * are published: so it is full whatever everybody holds, with up to 48,896 slots. With more of them a receive may have to
 * wait for a buffer.
 */
const SMALL_EXTRA = 1024;
/** 3 GiB of them: the arena stays below 4 GiB, so that offsets are u32. */
const SMALL_MAX = 196_608;

/**
 * Opens the loop and serves until everybody stops.
 *
 * @param around what to put around the loop that was opened; tests make it fail.
 * @errors whatever a turn threw. By then this worker has undone what main cannot see, and main goes on with its rows.
 */
export async function runWorker(
  start: WorkerStart,
  means: Means,
  around: (loop: Loop) => Loop = (loop) => loop,
): Promise<void> {
  const tables = openTables(start.memory);
  const options = {
    wakeFd: start.wakeFds[start.worker] ?? -1,
    sidesMax: start.slotCount * 2,
    listenersMax: LISTENERS_MAX,
    smallCount: Math.min(start.slotCount * 4 + SMALL_EXTRA, SMALL_MAX),
    bigLength: BIG_BUFFERS * BIG_SIZE,
  };
  const { loop, reason } = await means.chooseLoop(start, options, () => {
    addTo(tables.counters.turnedAway, start.worker, 1);
  });
  if (loop === undefined) report({ kind: 'none', reason });
  else serve(start, tables, around(loop), reason, await wakerOf(start, means));
}

/** Loads the means to wake other workers where there are any. */
async function wakerOf({ wakeFds }: WorkerStart, means: Means): Promise<(worker: number) => void> {
  if (wakeFds.length === 1) return () => undefined;
  const host = await means.openHost();
  return (worker) => host.wake(wakeFds[worker] ?? -1);
}

function serve(
  { worker, slotFirst, slotCount, wakeFds, dumps, requests, endings }: WorkerStart,
  tables: Tables,
  loop: Loop,
  reason: string,
  wakeWorker: (worker: number) => void,
): void {
  const { turn, abandon } = createEngine({
    loop,
    tables,
    worker,
    slotFirst,
    slotCount,
    workerCount: wakeFds.length,
    wakeWorker,
    dumps: dumps && openRing(dumps),
    requests: requests && openRecordRing(requests),
    endings: endings && openRecordRing(endings),
    nowMs: nowUs() / 1000,
  });
  const leave = (): void => {
    unregisterWorker(tables, worker);
    loop.destroy();
  };
  registerWorker(tables, worker);
  report({ kind: loop.kind, reason });
  try {
    loop.run(turn, leave);
  } catch (error) {
    // Outside a turn it is the loop that is broken, and nothing can be said about what it holds.
    if (abandon()) {
      loop.destroy();
      unregisterWorker(tables, worker);
    }
    throw error;
  }
}

function report(ready: WorkerReady): void {
  parentPort?.postMessage(ready);
}
