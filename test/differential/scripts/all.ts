/** All scripts, and how many of them are about what. */
import { isJudged, type JudgedStep, type Script } from '../script.ts';
import { CHOICE } from './choice.ts';
import { COMMANDS } from './commands.ts';
import { FAILOVER } from './failover.ts';
import { FILES } from './files.ts';
import { LATER } from './later.ts';
import { PENCTL } from './penctl.ts';
import { START } from './start.ts';
import { STATE } from './state.ts';
import { TALK } from './talk.ts';

/** Those about the control protocol. */
export const CONTROL: readonly Script[] = [...COMMANDS, ...STATE, ...TALK];
export const SCRIPTS: readonly Script[] = [...CHOICE, ...FAILOVER, ...CONTROL, ...START, ...PENCTL, ...FILES, ...LATER];
/** Those that have a program of their own, and those that only talk, which share one. */
export const ALONE: readonly Script[] = SCRIPTS.filter(({ shares }) => !shares);
export const SHARING: readonly Script[] = SCRIPTS.filter(({ shares }) => shares);
export const STEPS: readonly JudgedStep[] = SCRIPTS.flatMap(({ steps }) => steps.filter(isJudged));
