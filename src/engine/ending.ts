/**
 * How connections end. Three steps, and nothing else frees a slot: *terminate* (`end`: no new operations, those in
 * flight are cancelled), *join* (`joined`: their completions are back), *close* (descriptors, buffers, counts, slot).
 *
 * An abort overtakes nothing that was already received: `drain` lets the surviving side take what its kernel holds
 * for it first, within bounds.
 */
import { CLOSE_ABORT, CLOSE_ORDERLY } from '../loop/loop.ts';
import { creditClient } from '../table/clients.ts';
import { writeEnding } from '../table/endings.ts';
import type { RecordRing } from '../table/records.ts';
import { PEER_WORDS } from '../table/requests.ts';
import { LISTENER_NONE } from '../table/schema.ts';
import { giveConnection, giveInFlight } from '../table/shared.ts';
import { giveSource } from '../table/sources.ts';
import { addTraffic } from '../table/traffic.ts';
import { cancelPending, PENDING_ALL } from './operations.ts';
import { leaveParking } from './parking.ts';
import type { EngineState } from './state.ts';
import {
  CONNECTING,
  DRAINING,
  ENDING,
  FREE,
  IDLING,
  MARK_DRAINS,
  OPEN,
  PARKED,
  REASON_ABORT,
  REASON_DENIED,
  REASON_IDLE,
  REASON_IDLER,
  REASON_ORDERLY,
  REASON_REFUSED,
  REASON_STOP,
  REASON_UNSERVED,
} from './states.ts';

/** A draining side that takes nothing for this long is cut off. */
export const DRAIN_STALL_MS = 10_000;
/** How long nobody tries to have more idlers after one has ended, or could not be had. */
const IDLERS_PAUSE_MS = 1000;
const DRAIN_POLL_MIN_MS = 16;
const DRAIN_POLL_MAX_MS = 250;

/** Terminates a connection. Both sides are closed in the same way; ending twice can only make it an abort. */
export function end(e: EngineState, slot: number, how: number, reason: number): void {
  if (e.state[slot] === ENDING) {
    if (how === CLOSE_ABORT) e.how[slot] = CLOSE_ABORT;
    return;
  }
  const state = e.state[slot];
  // Before the bytes are credited: whoever sums what runs and what has ended counts none of them twice.
  e.state[slot] = ENDING;
  credit(e, slot, state);
  if (state === CONNECTING) leaveConnecting(e);
  else if (state === PARKED) leaveParking(e, slot);
  e.how[slot] = how;
  e.reason[slot] = e.isIdler(slot) ? leaveIdlers(e) : reason;
  e.clearTimer(slot);
  cancelPending(e, slot * 2, PENDING_ALL);
  cancelPending(e, slot * 2 + 1, PENDING_ALL);
  joined(e, slot);
}

/** To be called after each completion of an ending connection: closes it when that was the last one. */
export function joined(e: EngineState, slot: number): void {
  if ((e.pending[slot * 2] | e.pending[slot * 2 + 1]) === 0) close(e, slot);
}

function close(e: EngineState, slot: number): void {
  const client = slot * 2;
  const upstream = client + 1;
  e.dropHeld(client);
  e.dropHeld(upstream);
  e.dropBulk(client);
  e.dropBulk(upstream);
  e.closeSide(client, e.how[slot]);
  e.closeSide(upstream, e.how[slot]);
  if (e.telling !== undefined && e.reason[slot] !== REASON_IDLER) tell(e, e.telling, slot);
  leaveServer(e, slot);
  countEnding(e, slot);
  e.state[slot] = FREE;
  e.connections--;
  leavePlaces(e, slot);
  e.giveSlot(slot);
  e.acceptDirty = true;
}

/** Writes down how a client's connection was. */
function tell(e: EngineState, ring: RecordRing, slot: number): void {
  const ending = {
    server: e.server[slot],
    reason: e.reason[slot],
    startedMs: e.startedMs[slot],
    openedMs: e.openedMs[slot],
    endedMs: e.nowMs,
    bytesUp: e.bytesIn[slot * 2],
    bytesDown: e.bytesIn[slot * 2 + 1],
    farm: e.farm[slot],
    connection: e.slotFirst + slot,
    failovers: e.walked[slot],
    port: e.port[slot],
  };
  writeEnding(ring, ending, e.peers, slot * PEER_WORDS);
}

/** Gives back the place in `conn_max` and that of the source, if the connection was ever served. */
function leavePlaces(e: EngineState, slot: number): void {
  const source = e.source[slot];
  if (source === 0) return;
  e.source[slot] = 0;
  e.used--;
  giveConnection(e.tables);
  giveSource(e.tables, e.worker, source);
  e.parking.free(source);
}

/** What has come from each side is the client's and the server's account; nothing is received from now on. */
function credit(e: EngineState, slot: number, state: number): void {
  const fromClient = e.bytesIn[slot * 2];
  const fromServer = e.bytesIn[slot * 2 + 1];
  const client = e.client[slot];
  if (client !== 0) creditClient(e.tables, e.worker, client, e.clientGeneration[slot], fromServer, fromClient);
  // What was received for a server that never stood has not gone to it.
  const hasStood = (state === OPEN || state === DRAINING || state === IDLING) && e.server[slot] !== 0;
  if (hasStood) addTraffic(e.tables, e.worker, e.server[slot], fromClient, fromServer);
}

/** Gives back the place at the server, if the connection has one. */
export function leaveServer(e: EngineState, slot: number): void {
  const server = e.server[slot];
  if (server === 0) return;
  e.server[slot] = 0;
  if (e.idlersAt[server] > 0 && e.tables.connections.listener[e.slotFirst + slot] === LISTENER_NONE)
    e.idlersAt[server]--;
  giveInFlight(e.tables, server);
}

/** The connection no longer waits for a server: there is room for another that does. */
export function leaveConnecting(e: EngineState): void {
  e.connecting--;
  e.acceptDirty = true;
  if (e.parking.isShortOfPending) e.parking.isSweepDue = true;
}

function countEnding(e: EngineState, slot: number): void {
  const counters = e.tables.counters;
  e.count(counters.bytesUp, e.bytesIn[slot * 2]);
  e.count(counters.bytesDown, e.bytesIn[slot * 2 + 1]);
  switch (e.reason[slot]) {
    case REASON_ORDERLY:
      return e.count(counters.closedOrderly, 1);
    case REASON_ABORT:
      return e.count(counters.closedAbort, 1);
    case REASON_IDLE:
      return e.count(counters.closedIdle, 1);
    case REASON_UNSERVED:
      return e.count(counters.unserved, 1);
    case REASON_STOP:
      return e.count(counters.closedStop, 1);
    case REASON_DENIED:
      return e.count(counters.denied, 1);
    case REASON_REFUSED:
      return e.count(counters.refused, 1);
  }
}

/** Another idler may have to take its place: not at once, for its server may have ended it, and would again. */
function leaveIdlers(e: EngineState): number {
  e.idlers--;
  lookAgain(e);
  return REASON_IDLER;
}

/** In a while it is time to see whether idlers are missing. */
export function lookAgain(e: EngineState): void {
  if (e.stop === 0 && !e.wheel.isSet(e.timerIdlers)) e.wheel.set(e.timerIdlers, e.nowMs + IDLERS_PAUSE_MS);
}

/**
 * Ends a connection whose one side is gone, after `side`, the other one, has taken what was received for it.
 *
 * @param how CLOSE_ABORT when the gone side aborted, CLOSE_ORDERLY when its end shall end all (tcp_fastclose).
 */
export function drain(e: EngineState, side: number, how: number): void {
  const slot = side >> 1;
  const reason = how === CLOSE_ORDERLY ? REASON_ORDERLY : REASON_ABORT;
  const unsent = e.loop.unsent(e.fdOf(side));
  if (unsent <= 0) {
    end(e, slot, how, reason);
    return;
  }
  e.state[slot] = DRAINING;
  e.marks[side] |= MARK_DRAINS;
  e.how[slot] = how;
  e.reason[slot] = reason;
  e.progressMark[side] = unsent;
  e.phaseMs[slot] = e.nowMs;
  cancelPending(e, slot * 2, PENDING_ALL);
  cancelPending(e, slot * 2 + 1, PENDING_ALL);
  e.setTimer(slot, e.nowMs + DRAIN_POLL_MIN_MS);
}

/** Timer of a draining connection: has the side taken everything, or stopped taking? */
export function onDrainTimer(e: EngineState, slot: number): void {
  const client = slot * 2;
  const side = (e.marks[client] & MARK_DRAINS) !== 0 ? client : client + 1;
  const unsent = e.loop.unsent(e.fdOf(side));
  if (unsent !== e.progressMark[side]) {
    e.progressMark[side] = unsent;
    e.phaseMs[slot] = e.nowMs;
  }
  const stalledMs = e.nowMs - e.phaseMs[slot];
  const limitMs = Math.min(DRAIN_STALL_MS, e.config.farms.idleTimeoutMs[e.farm[slot]] || Infinity);
  if (unsent <= 0 || stalledMs >= limitMs) end(e, slot, e.how[slot], e.reason[slot]);
  else e.setTimer(slot, e.nowMs + Math.min(DRAIN_POLL_MAX_MS, Math.max(DRAIN_POLL_MIN_MS, stalledMs)));
}
