/** Composition root of a worker thread: a loop, the tables, the engine, and nothing else. */
import { workerData } from 'node:worker_threads';
import type { WorkerStart } from '../control/worker-thread.ts';
import { LAZILY } from './open-loop.ts';
import { runWorker } from './run-worker.ts';

await runWorker(workerData as WorkerStart, LAZILY);
