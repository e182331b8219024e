/**
 * Composition root of a worker thread that takes the place of one that has failed: in one file, which main keeps in
 * memory. Only workers on the kernel's loops are replaced, so it has those alone.
 */
import { workerData } from 'node:worker_threads';
import type { WorkerStart } from '../control/worker-thread.ts';
import { openHost } from '../linux/open-host.ts';
import { openLoop } from '../linux/open-loop.ts';
import { runWorker } from './run-worker.ts';

await runWorker(workerData as WorkerStart, {
  chooseLoop: async ({ loop, nativeFile }, options) => {
    if (loop === 'node') return { reason: "a worker on Node's own loop is not replaced" };
    return openLoop(loop, options, nativeFile);
  },
  openHost: async () => openHost(),
});
