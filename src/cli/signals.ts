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
  private hangUp: (() => void) | undefined;
  /** HUP came before there was anything to do about it. */
  private isHungUp = false;

  constructor() {
    this.stopped = new Promise((resolve) => {
      this.settle = () => resolve(undefined);
    });
  }

  /** Begins to end the program, as TERM does. */
  readonly requestStop = (): void => this.settle();

  /** What HUP does from now on, at once if it came before. */
  onHangUp(take: () => void): void {
    this.hangUp = take;
    if (this.isHungUp) take();
  }

  private hungUp(): void {
    this.isHungUp = true;
    this.hangUp?.();
  }

  readonly obey = (signal: Signal): void => {
    if (signal === 'SIGUSR1') this.tellStatistics();
    else if (signal === 'SIGHUP') this.hungUp();
    else this.settle();
  };
}
