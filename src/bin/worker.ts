/** Composition root of a worker thread: a loop, the tables, the engine, and nothing else. */
import { parentPort, workerData } from 'node:worker_threads';
import { BIG_SIZE } from '../engine/big-buffers.ts';
import { createEngine } from '../engine/engine.ts';
import type { WorkerReady, WorkerStart } from '../control/worker-thread.ts';
import { nowUs } from '../linux/clock.ts';
import type { Loop } from '../loop/loop.ts';
import { LISTENERS_MAX } from '../table/limits.ts';
import { registerWorker, unregisterWorker } from '../table/publish.ts';
import { openTables } from '../table/tables.ts';
import { chooseLoop } from './open-loop.ts';

/** Big buffers per worker: enough for every core to be busy with bulk, too few to matter as address space. */
const BIG_BUFFERS = 64;
/** Small buffers beyond two per connection, so that the published window never starves a full table. */
const SMALL_EXTRA = 1024;
/** The arena stays below 4 GiB, so that offsets are u32. */
const SMALL_MAX = 196_608;

const start = workerData as WorkerStart;
const { loop, reason } = await chooseLoop(start.loop, {
  wakeFd: start.wakeFd,
  sidesMax: start.slotCount * 2,
  listenersMax: LISTENERS_MAX,
  smallCount: Math.min(start.slotCount * 2 + SMALL_EXTRA, SMALL_MAX),
  bigLength: BIG_BUFFERS * BIG_SIZE,
});
if (loop === undefined) report({ kind: 'none', reason });
else serve(loop);

function serve(loop: Loop): void {
  const { memory, worker, slotFirst, slotCount } = start;
  const tables = openTables(memory);
  const { turn } = createEngine({ loop, tables, worker, slotFirst, slotCount, nowMs: nowUs() / 1000 });
  registerWorker(tables, worker);
  report({ kind: loop.kind, reason });
  loop.run(turn, () => {
    unregisterWorker(tables, worker);
    loop.destroy();
  });
}

function report(ready: WorkerReady): void {
  parentPort?.postMessage(ready);
}
