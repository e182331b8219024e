/** Thrown when the simulator sees something that must never happen, whoever did it. */
export class Violation extends Error {
  override readonly name = 'Violation';
  /** Name of the oracle that saw it. */
  readonly oracle: string;

  constructor(oracle: string, what: string) {
    super(`${oracle}: ${what}`);
    this.oracle = oracle;
  }
}

/** Ends the run: `oracle` did not hold. */
export function violate(oracle: string, what: string): never {
  throw new Violation(oracle, what);
}
