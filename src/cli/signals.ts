/** What signals make a running program do. */
import { say } from './messages.ts';

/** Those that are obeyed; USR2 ends the process where it stands, for whoever wants to look into it. */
export type Signal = 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'SIGUSR1';

/** @owner main thread, one for the process. */
export class Signals {
  /** Settles once somebody wants the program to end, also when that was while it started. */
  readonly stopped: Promise<undefined>;
  /** What USR1 does; replaced when there is something to tell. */
  tellStatistics = (): void => say('no statistics yet: still starting');
  private settle: () => void = () => undefined;

  constructor() {
    this.stopped = new Promise((resolve) => {
      this.settle = () => resolve(undefined);
    });
  }

  /** Begins to end the program, as TERM does. */
  readonly requestStop = (): void => this.settle();

  readonly obey = (signal: Signal): void => {
    if (signal === 'SIGUSR1') this.tellStatistics();
    else if (signal === 'SIGHUP') say('SIGHUP has nothing to open again: there is no log and no configuration file');
    else this.settle();
  };
}
