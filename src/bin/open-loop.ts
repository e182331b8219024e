/** How a worker comes to its loop, and to the means to wake other workers. */
import type { WorkerStart } from '../control/worker-thread.ts';
import { nowUs } from '../linux/clock.ts';
import type { OpenedLoop } from '../linux/open-loop.ts';
import type { Host } from '../loop/host.ts';
import type { LoopOptions } from '../loop/loop.ts';

export interface Means {
  /**
   * @param onTurnedAway called for each client that is reset because too many wait, where the loop holds those who
   * wait.
   * @errors none: whatever goes wrong is a reason.
   */
  chooseLoop(
    start: Pick<WorkerStart, 'loop' | 'nativeFile'>,
    options: LoopOptions,
    onTurnedAway: () => void,
  ): Promise<OpenedLoop>;
  /** After the loop is open. */
  openHost(): Promise<Pick<Host, 'wake'>>;
}

/** Loads what the choice needs and nothing else, which saves a megabyte. */
export const LAZILY: Means = {
  chooseLoop: async ({ loop, nativeFile }, options, onTurnedAway) => {
    if (loop === 'node') {
      const { NodeLoop } = await import('../portable/loop.ts');
      return { loop: new NodeLoop(options, nowUs, onTurnedAway), reason: '' };
    }
    const { openLoop } = await import('../linux/open-loop.ts');
    return openLoop(loop, options, nativeFile);
  },
  openHost: async () => {
    const { openHost } = await import('../linux/open-host.ts');
    return openHost();
  },
};
