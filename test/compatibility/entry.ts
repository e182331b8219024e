/** What is said about one option or command of the original. */
export interface Entry {
  /**
   * Same: whoever uses it sees no difference. Better: a difference on purpose.
   * Later: refused by name.
   */
  readonly state: 'same' | 'better' | 'later';
  /** The difference; or the capability that it waits for. */
  readonly text: string;
  /**
   * Tests that show it: a script of `test/differential` by its name, or `FILE: TITLE`. For what comes later: that it is
   * refused.
   */
  readonly tests: readonly string[];
}

export function same(...tests: readonly string[]): Entry {
  return { state: 'same', text: '', tests };
}

export function better(text: string, ...tests: readonly string[]): Entry {
  return { state: 'better', text, tests };
}

export function later(capability: string, ...tests: readonly string[]): Entry {
  return { state: 'later', text: capability, tests };
}

/** For what takes a number and differs in nothing else. */
export function strict(...tests: readonly string[]): Entry {
  return better('strict numbers', ...tests);
}
