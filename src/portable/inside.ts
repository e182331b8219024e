/**
 * What `node:net` knows and does not offer: asked of its insides. Where they are others one day, nothing happens here,
 * and the conformance suite tells what that costs.
 */
import type { Socket } from 'node:net';

/** @source lib/net.js, lib/internal/streams/duplex.js of Node 20 to 26 */
interface Inside {
  readonly _handle?: { readStart?(): number } | null;
  readonly _writableState?: { autoDestroy?: boolean };
}

/** Keeps a socket open when both its directions have ended, until somebody closes it. */
export function keepWhenEnded(socket: Socket): void {
  const state = (socket as unknown as Inside)._writableState;
  if (state) state.autoDestroy = false;
}

/** Has libuv read again after an end, which it may have taken from a hang-up: an abort then comes as an error. */
export function readAgain(socket: Socket): void {
  (socket as unknown as Inside)._handle?.readStart?.();
}
