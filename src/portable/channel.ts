/**
 * How main speaks to the node loop of the worker: by a channel whose name both know from the wake-up's number, because
 * sockets of Node belong to the thread that opened them. So the loop opens and closes the listeners.
 */
import type { ListenOptions, Tuning } from '../loop/host.ts';

/** What main asks for. */
export type Request =
  | { readonly ask: 'wake' }
  | { readonly ask: 'listen'; readonly id: number; readonly endpoint: Uint8Array; readonly options: ListenOptions }
  | { readonly ask: 'tune'; readonly fd: number; readonly tuning: Tuning }
  | { readonly ask: 'hold'; readonly fd: number }
  | { readonly ask: 'waiting'; readonly id: number; readonly fd: number }
  | { readonly ask: 'close'; readonly fd: number };

export type Answer = Listening | Waiting;

/** What the loop answers to `waiting`: whether anybody does. */
export interface Waiting {
  readonly id: number;
  readonly isWaiting: boolean;
}

/** What the loop answers to `listen`: the listener and where it really listens, or the error's name. */
export interface Listening {
  readonly id: number;
  readonly fd: number;
  readonly endpoint: Uint8Array;
  /** Symbolic error number; empty when it listens. */
  readonly code: string;
}

export function channelName(wakeFd: number): string {
  return `pen-loop-${wakeFd}`;
}
