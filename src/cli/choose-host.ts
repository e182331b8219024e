/** Chooses the host of this machine for main: ours, or what Node alone can do. */
import type { LoopChoice } from '../config/model.ts';
import { openHost } from '../linux/open-host.ts';
import type { Host } from '../loop/host.ts';
import { NodeHost } from '../portable/host.ts';

/**
 * @param choice Node's own loop goes with Node's own host; it is chosen by itself only where nothing else can be had.
 * @returns `reason` why it is not the best one; empty when it is, or is what was asked for.
 * @errors an Error named HostError when the one asked for cannot be had.
 */
export function chooseHost(choice: LoopChoice): { readonly host: Host; readonly reason: string } {
  if (choice === 'node') return { host: new NodeHost(), reason: '' };
  try {
    return { host: openHost(), reason: '' };
  } catch (error) {
    if (choice !== 'auto' || !(error instanceof Error) || error.name !== 'HostError') throw error;
    return { host: new NodeHost(), reason: error.message };
  }
}
