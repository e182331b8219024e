/** A short log of the last events, one line each, for people who look at a violation. */
import type { SimClock } from './clock.ts';

const LINES_MAX = 60;

export class Trace {
  /** Off in long runs: making the lines costs more than the events. */
  isOn = false;
  private readonly clock: SimClock;
  private readonly lines: string[] = [];

  constructor(clock: SimClock) {
    this.clock = clock;
  }

  add(what: string): void {
    this.lines.push(`${(this.clock.nowUs / 1000).toFixed(3)} ms  ${what}`);
    if (this.lines.length > 4 * LINES_MAX) this.lines.splice(0, 3 * LINES_MAX);
  }

  /** The last lines, oldest first. */
  last(): readonly string[] {
    return this.lines.slice(-LINES_MAX);
  }
}
