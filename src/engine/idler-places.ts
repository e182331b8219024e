/**
 * Places that idlers have at servers with a `max`: they never take the last one, and leave theirs to a client that would be
 * turned away for it.
 *
 * The place is free when the idler is closed, some turns later: until then the client waits. Idlers of other workers cannot
 * be asked; they have left one place free when they came.
 */
import { permits } from '../balance/access.ts';
import { deciseconds, isAvailable } from '../balance/servers.ts';
import { CLOSE_ORDERLY } from '../loop/loop.ts';
import { inFlightOf } from '../table/shared.ts';
import { end } from './ending.ts';
import type { EngineState } from './state.ts';
import { CONNECTING, IDLING, REASON_IDLER } from './states.ts';

/** How soon a client looks whether the idler has gone. The next tick of the timers is later. */
const LOOK_MS = 1;

/** Whether the server has a place for an idler, and another for a client. */
export function leavesPlace(e: EngineState, server: number): boolean {
  const max = e.config.servers.max[server];
  return max === 0 || inFlightOf(e.tables, server) + 1 < max;
}

/**
 * The client could not have a place at the server: has an idler leave it, if that is why.
 *
 * @returns whether the client waits for the idler's place.
 * @cost one look where there are no idlers; else a search of the rows.
 */
export function awaitIdler(e: EngineState, slot: number, server: number): boolean {
  if (e.idlersAt[server] === 0 || e.isIdler(slot)) return false;
  const { acl } = e.config.servers;
  if (!isAvailable(e.tables, e.config, server, deciseconds(e.nowMs))) return false;
  if (!permits(e.config, acl[server], e.tables.connections.peer, e.peerAt(slot))) return false;
  closeIdlerAt(e, server);
  e.phaseMs[slot] = e.nowMs;
  e.setTimer(slot, e.nowMs + LOOK_MS);
  return true;
}

/** Unless all that are there leave already. */
function closeIdlerAt(e: EngineState, server: number): void {
  for (let slot = 0; slot < e.slotsTouched; slot++) {
    if (e.server[slot] !== server || !isStanding(e, slot)) continue;
    end(e, slot, CLOSE_ORDERLY, REASON_IDLER);
    return;
  }
}

/** Whether the slot is an idler's that does not leave yet. */
export function isStanding(e: EngineState, slot: number): boolean {
  const state = e.state[slot];
  return (state === IDLING || state === CONNECTING) && e.isIdler(slot);
}
