/** When turns are run on a thread that belongs to Node: one timer, and an immediate when there is something to tell. */
import type { Us } from '../base/brand.ts';
import { type CompletionBatch, STOP, type Turn, WAIT_MAX_US } from '../loop/loop.ts';

/** What the loop does around its turns. */
export interface Rounds {
  /** Whether there is something to deliver. */
  hasNews(): boolean;
  /** The batch of the next turn. */
  collect(): CompletionBatch;
  /** A batch without completions, for the first turn. */
  first(): CompletionBatch;
  /** Called after each turn. */
  settle(): void;
  /** Called when a turn has thrown. */
  abandon(): void;
}

/** @owner the loop's thread. */
export class Pace {
  private readonly clock: () => Us;
  private readonly rounds: Rounds;
  private running: { readonly turn: Turn; readonly over: () => void } | undefined;
  private timer: NodeJS.Timeout | undefined;
  private immediate: NodeJS.Immediate | undefined;
  /** When the next turn is due without news. */
  private dueAt = 0;
  private isInTurn = false;

  constructor(clock: () => Us, rounds: Rounds) {
    this.clock = clock;
    this.rounds = rounds;
  }

  /** Runs turns until one returns STOP, or throws. */
  run(turn: Turn, over: () => void): void {
    this.running = { turn, over };
    this.round(() => this.rounds.first());
  }

  /** There is something to deliver: a turn follows as soon as Node has heard what else has happened. */
  hurry(): void {
    if (!this.running || this.isInTurn || this.immediate !== undefined) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.immediate = setImmediate(() => {
      this.immediate = undefined;
      this.round(() => this.rounds.collect());
    });
  }

  /** @param batch makes it: whoever asks for a turn meanwhile is part of this one. */
  private round(batch: () => CompletionBatch): void {
    if (!this.running) return;
    const { turn, over } = this.running;
    const now = this.clock();
    const due = this.guarded(() => turn(now, batch()));
    if (due === STOP) {
      this.running = undefined;
      over();
      return;
    }
    this.rounds.settle();
    this.dueAt = Math.min(due, now + WAIT_MAX_US);
    this.rest();
  }

  private guarded(turn: () => Us): Us {
    this.isInTurn = true;
    try {
      return turn();
    } catch (error) {
      this.running = undefined;
      this.rounds.abandon();
      throw error;
    } finally {
      this.isInTurn = false;
    }
  }

  /** Sleeps until it is time; a timer may end before that, as its clock is coarser than ours. */
  private rest(): void {
    const left = this.dueAt - this.clock();
    if (left <= 0 || this.rounds.hasNews()) this.hurry();
    else this.timer = setTimeout(() => this.rest(), Math.ceil(left / 1000));
  }
}
