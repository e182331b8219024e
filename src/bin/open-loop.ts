/** Chooses the loop of a worker. */
import type { LoopChoice } from '../config/model.ts';
import { nowUs } from '../linux/clock.ts';
import { openLoop, type OpenedLoop } from '../linux/open-loop.ts';
import type { LoopOptions } from '../loop/loop.ts';
import { NodeLoop } from '../portable/loop.ts';

/** What a person shall know who runs on it. */
const NODE_LIMITS =
  "Node's own: it costs more, may take a slow reader for an idle one, notices some resets late, and resets clients beyond the backlog";

/** @errors none: whatever goes wrong is a reason. */
export function chooseLoop(choice: LoopChoice, options: LoopOptions): OpenedLoop {
  return choice === 'node' ? { loop: new NodeLoop(options, nowUs), reason: NODE_LIMITS } : openLoop(choice, options);
}
