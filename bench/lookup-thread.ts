/** One of two threads that touch the same clients; started by `rows/lookup.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { Toucher } from './lookup.ts';

/** What the row hands over. */
export interface LookupThread {
  readonly memory: SharedArrayBuffer;
  readonly worker: number;
  readonly clients: number;
  readonly touches: number;
  /** Word 0: threads that are ready; all start when the last one is. */
  readonly ready: SharedArrayBuffer;
  readonly threads: number;
}

const { memory, worker, clients, touches, ready, threads } = workerData as LookupThread;
const toucher = new Toucher(memory, worker);
toucher.atRandom(clients, touches);
const words = new Int32Array(ready);
if (Atomics.add(words, 0, 1) + 1 === threads) Atomics.notify(words, 0);
for (let seen = Atomics.load(words, 0); seen < threads; seen = Atomics.load(words, 0)) Atomics.wait(words, 0, seen);
const started = performance.now();
toucher.atRandom(clients, touches);
parentPort?.postMessage(performance.now() - started);
