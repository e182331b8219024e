/** Chooses the loop of a worker. */
import type { LoopChoice } from '../config/model.ts';
import { nowUs } from '../linux/clock.ts';
import { openLoop, type OpenedLoop } from '../linux/open-loop.ts';
import type { LoopOptions } from '../loop/loop.ts';
import { NodeLoop } from '../portable/loop.ts';

/** @errors none: whatever goes wrong is a reason. */
export function chooseLoop(choice: LoopChoice, options: LoopOptions): OpenedLoop {
  return choice === 'node' ? { loop: new NodeLoop(options, nowUs), reason: '' } : openLoop(choice, options);
}
