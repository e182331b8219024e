/** How a test tells a worker to throw or to hang: by a word of the tables that nothing else uses. */
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return --
   what is imported from compiled files has no types here */
const WORD_FROM = 60_000;

/** What it can be told. */
export const THROW = 1;
export const HANG = 2;
export const THROW_LOCKED = 3;

export function order(tables, worker, what) {
  Atomics.store(tables.serverCounters.failures, WORD_FROM + worker, what);
}

/** What it was told; 0 nothing. */
export function ordered(tables, worker) {
  return Atomics.load(tables.serverCounters.failures, WORD_FROM + worker);
}

/** To be called once the worker has thrown. */
export function fulfilled(tables, worker) {
  Atomics.store(tables.serverCounters.failures, WORD_FROM + worker, 0);
}
