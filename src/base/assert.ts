/** Thrown when an invariant of our own code is broken; never for anything a peer or user can cause. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/**
 * Ends the turn (and with it the worker) when an invariant of our own does not hold.
 *
 * Always on: a check that costs O(1) stays in the hot path.
 * @errors AssertionError with `what`, which states the invariant that was expected.
 */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) fail(what);
}

/** Reports a state that cannot be reached. Kept out of line so that `assert` stays small enough to inline. */
export function fail(what: string): never {
  throw new AssertionError(what);
}
