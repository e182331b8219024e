/** Chooses the host of this machine for main: ours, or what Node alone can do. */
import type { LoopChoice } from '../config/model.ts';
import { openHost } from '../linux/open-host.ts';
import type { Host } from '../loop/host.ts';
import { NodeHost } from '../portable/host.ts';

/** What a person shall know who runs on it. */
const NODE_LIMITS =
  'one worker, more processor time; a slow reader may be taken for an idle one, some resets are noticed late, and clients beyond the backlog are reset';

/**
 * @param choice Node's own loop goes with Node's own host; it is chosen by itself only where nothing else can be had.
 * @returns `notice` tells what this host and its loop cannot do; empty when they are ours.
 * @errors an Error named HostError when the one asked for cannot be had.
 */
export function chooseHost(choice: LoopChoice): { readonly host: Host; readonly notice: string } {
  if (choice === 'node') return nodeHost('');
  try {
    return { host: openHost(), notice: '' };
  } catch (error) {
    if (choice !== 'auto' || !(error instanceof Error) || error.name !== 'HostError') throw error;
    return nodeHost(`, because ${error.message}`);
  }
}

function nodeHost(why: string): { readonly host: Host; readonly notice: string } {
  return { host: new NodeHost(), notice: `using Node's own loop${why}: ${NODE_LIMITS}` };
}
