/** How a test tells a worker to fail, and in which way: by a word of the tables that nothing else uses. */
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return --
   what is imported from compiled files has no types here */
const WORD_FROM = 60_000;

/** What it can be told: to throw, or not to return from its turn, also under a lock; to use up its memory. */
export const WAYS = { THROW: 1, HANG: 2, THROW_LOCKED: 3, HANG_LOCKED: 4, HOARD: 5 };

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
