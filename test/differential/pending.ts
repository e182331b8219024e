/**
 * Scripts that Pen is not held to yet, by name. `PEN_PENDING=1 npm test -- test/differential` runs them all the same.
 */
export const PENDING: ReadonlySet<string> = new Set([]);
