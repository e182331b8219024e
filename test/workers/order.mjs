/** How a test tells a worker to throw: by a word of the tables that nothing else uses. */
const WORD_FROM = 60_000;

export function order(tables, worker) {
  Atomics.store(tables.serverCounters.failures, WORD_FROM + worker, 1);
}

/** Whether it was told to. */
export function isOrdered(tables, worker) {
  return Atomics.load(tables.serverCounters.failures, WORD_FROM + worker) !== 0;
}

/** To be called once the worker has thrown. */
export function fulfilled(tables, worker) {
  Atomics.store(tables.serverCounters.failures, WORD_FROM + worker, 0);
}
