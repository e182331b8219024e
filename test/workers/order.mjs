/** How a test tells a worker to throw: by a word of the tables that nothing else uses. */
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return --
   what is imported from compiled files has no types here */
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
