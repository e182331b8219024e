/** Chooses the loop of a worker. */
import type { LoopChoice } from '../config/model.ts';
import { nowUs } from '../linux/clock.ts';
import type { OpenedLoop } from '../linux/open-loop.ts';
import type { LoopOptions } from '../loop/loop.ts';

/**
 * Loads what the choice needs and nothing else, which saves a megabyte.
 *
 * @param onTurnedAway called for each client that is reset because too many wait, where the loop holds those who wait.
 * @errors none: whatever goes wrong is a reason.
 */
export async function chooseLoop(
  choice: LoopChoice,
  options: LoopOptions,
  onTurnedAway: () => void,
): Promise<OpenedLoop> {
  if (choice === 'node') {
    const { NodeLoop } = await import('../portable/loop.ts');
    return { loop: new NodeLoop(options, nowUs, onTurnedAway), reason: '' };
  }
  const { openLoop } = await import('../linux/open-loop.ts');
  return openLoop(choice, options);
}
