/**
 * From an accepted client to its server: choice, connect, and failover inside the same client connection.
 *
 * A server that refuses, is unreachable or does not answer in time is blacklisted at once for every worker, and the
 * next one is tried; the client notices nothing but the time it took.
 */
import { assert } from '../base/assert.ts';
import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  ECONNRESET,
  EINVAL,
  EMFILE,
  ENFILE,
  ENOBUFS,
  ENOMEM,
  EPIPE,
} from '../base/errno.ts';
import { ENDPOINT_KIND, ENDPOINT_SIZE } from '../base/endpoint.ts';
import { nextAfterFailure, takePlace } from '../balance/attempt.ts';
import { chooseInTurn, chooseServer } from '../balance/choose.ts';
import { deciseconds, hasListenerPort, hasSameAddress, NO_SERVER } from '../balance/servers.ts';
import { CLOSE_ABORT, CLOSE_ORDERLY, OP_CONNECT } from '../loop/loop.ts';
import { rememberServer, touchClient } from '../table/clients.ts';
import { blacklist, blacklistedUntil, clearBlacklist, countConnect, countFailure } from '../table/shared.ts';
import type { ConfigBank } from '../table/tables.ts';
import { end, joined, leaveConnecting, leaveServer } from './ending.ts';
import { awaitIdler, leavesPlace } from './idler-places.ts';
import { CHECK_MS, submitConnect, submitRecv, submitWatch } from './operations.ts';
import { startRelay } from './relay.ts';
import type { EngineState } from './state.ts';
import { pauseForDescriptors } from './accept-state.ts';
import {
  CONNECTING,
  ENDING,
  IDLING,
  MARK_CONNECT_EXPIRED,
  MARK_DENIED,
  MARK_FAILED,
  MARK_MOVED,
  OPEN,
  PENDING_CONNECT,
  REASON_UNSERVED,
} from './states.ts';

/** How soon a connection that found no descriptor tries again. */
const RETRY_MS = 100;
/** A connect that takes longer than this gets its client watched for an abort. */
const WATCH_AFTER_MS = 200;

/** Looks up a client whose turn it is, and counts it: right before its server is chosen, so that its memory is fresh. */
export function meetClient(e: EngineState, slot: number): void {
  const { peer } = e.tables.connections;
  touchClient(e.tables, e.config, e.worker, e.farm[slot], peer, e.peerAt(slot), e.nowMs, e.visit);
  e.client[slot] = e.visit.row;
  e.clientGeneration[slot] = e.visit.generation;
  e.remembered[slot] = e.visit.server;
}

/** Chooses a server for a client whose turn it is, and begins to connect. */
export function beginConnect(e: EngineState, slot: number): void {
  const first = firstChoice(e, slot);
  e.walked[slot] = 0;
  if (first === NO_SERVER || !attempt(e, slot, first)) failOver(e, slot, first);
}

function firstChoice(e: EngineState, slot: number): number {
  const { tables, config } = e;
  const farm = e.farm[slot];
  if (e.isIdler(slot)) return chooseInTurn(tables, config, farm, deciseconds(e.nowMs));
  if (isDenied(e, slot)) return config.farms.abuseServer[farm];
  const { peer } = tables.connections;
  return chooseServer(tables, config, farm, peer, e.peerAt(slot), e.remembered[slot], deciseconds(e.nowMs));
}

/** The farm's access list denies the client: nobody but the abuse server may serve it. */
export function isDenied(e: EngineState, slot: number): boolean {
  return (e.marks[slot * 2] & MARK_DENIED) !== 0;
}

/** Walks on from `last` until a connect is under way, or ends the client. */
function failOver(e: EngineState, slot: number, last: number): void {
  for (let failed = last; ;) {
    const next = nextServer(e, slot, failed);
    if (next === NO_SERVER) {
      // Reset, not closed: a client that was never served must not take the end for an empty answer.
      end(e, slot, CLOSE_ABORT, REASON_UNSERVED);
      return;
    }
    e.walked[slot]++;
    if (attempt(e, slot, next)) return;
    failed = next;
  }
}

/** Who is denied has the abuse server alone, and nobody waits for an idler so that the emergency server would be needed. */
function nextServer(e: EngineState, slot: number, failed: number): number {
  if (isDenied(e, slot)) return NO_SERVER;
  const next = nextAfterFailure(e.config, e.farm[slot], failed, e.walked[slot]);
  return e.isIdler(slot) && next === e.config.farms.emergencyServer[e.farm[slot]] ? NO_SERVER : next;
}

/** Tries one server. @returns false when it cannot be used now; true when the connection is under way or waits. */
function attempt(e: EngineState, slot: number, server: number): boolean {
  const { tables, config } = e;
  const { peer } = tables.connections;
  const place = config.servers.place[server];
  const isKnown = place !== 0 && place === e.remembered[slot];
  const isIdler = e.isIdler(slot);
  if (isIdler && !leavesPlace(e, server)) return false;
  if (e.port[slot] === 0 && hasListenerPort(config, server)) return false;
  if (!takePlace(tables, config, server, peer, e.peerAt(slot), isKnown, deciseconds(e.nowMs)))
    return awaitIdler(e, slot, server);
  e.server[slot] = server;
  if (isIdler) e.idlersAt[server]++;
  const side = slot * 2 + 1;
  const kind = config.servers.endpoint[server * ENDPOINT_SIZE + ENDPOINT_KIND];
  const fd = e.loop.openStream(kind, e.streamOptions);
  if (fd < 0) return openFailed(e, slot, server, -fd);
  e.fd[side] = fd;
  e.descriptors++;
  e.marks[side] = 0;
  e.phaseMs[slot] = e.nowMs;
  submitConnect(e, side, server);
  e.setTimer(slot, e.nowMs + Math.min(WATCH_AFTER_MS, config.farms.connectTimeoutMs[e.farm[slot]]));
  remember(e, slot, place);
  return true;
}

/** The client is remembered with the server it was sent to last; with none after the emergency or abuse server. */
function remember(e: EngineState, slot: number, place: number): void {
  if (e.remembered[slot] === place) return;
  e.remembered[slot] = place;
  if (e.client[slot] !== 0) rememberServer(e.tables, e.worker, e.client[slot], e.clientGeneration[slot], place);
}

/** No socket: for want of resources the connection waits a little; else it is the server's address, or our own. */
function openFailed(e: EngineState, slot: number, server: number, errno: number): boolean {
  leaveServer(e, slot);
  if (!isOurShortage(errno)) {
    if (isUnbound(e, errno)) e.count(e.tables.counters.unbound, 1);
    else punish(e, slot, server);
    return false;
  }
  pauseForDescriptors(e);
  e.setTimer(slot, e.nowMs + RETRY_MS);
  return true;
}

function isOurShortage(errno: number): boolean {
  return errno === EMFILE || errno === ENFILE || errno === ENOBUFS || errno === ENOMEM;
}

/** The source address could not be had, or not for this server, which is not to blame. */
function isUnbound(e: EngineState, errno: number): boolean {
  if (e.streamOptions.source === undefined) return false;
  return errno === EADDRNOTAVAIL || errno === EINVAL || errno === EAFNOSUPPORT || errno === EADDRINUSE;
}

/** Blacklists a server that failed. */
function punish(e: EngineState, slot: number, server: number): void {
  const until = deciseconds(e.nowMs + e.config.farms.blacklistMs[e.farm[slot]]);
  blacklist(e.tables, server, until);
  countFailure(e.tables, server);
  e.count(e.tables.counters.connectFailed, 1);
}

export function onConnect(e: EngineState, side: number, seq: number, result: number): void {
  assert(
    (e.pending[side] & PENDING_CONNECT) !== 0 && seq === e.connectSeq[side],
    'a connect that completes was submitted',
  );
  e.pending[side] &= ~PENDING_CONNECT;
  const slot = side >> 1;
  if (e.state[slot] === ENDING) joined(e, slot);
  else if (result === 0) established(e, slot);
  else connectFailed(e, slot, -result);
}

function established(e: EngineState, slot: number): void {
  const server = e.server[slot];
  const isIdler = e.isIdler(slot);
  e.state[slot] = isIdler ? IDLING : OPEN;
  leaveConnecting(e);
  if (!isMoved(e, slot) && blacklistedUntil(e.tables, server) !== 0) clearBlacklist(e.tables, server);
  e.count(e.tables.counters.connected, 1);
  countConnect(e.tables, server);
  e.progressMs[slot] = e.nowMs;
  e.clearTimer(slot);
  if (isIdler) {
    submitRecv(e, slot * 2 + 1);
    return;
  }
  if (e.config.farms.idleTimeoutMs[e.farm[slot]] > 0) e.setTimer(slot, e.nowMs + CHECK_MS);
  startRelay(e, slot);
}

function connectFailed(e: EngineState, slot: number, errno: number): void {
  const side = slot * 2 + 1;
  const server = e.server[slot];
  e.closeSide(side, CLOSE_ORDERLY);
  leaveServer(e, slot);
  e.clearTimer(slot);
  if (!isMoved(e, slot)) judge(e, slot, server, errno);
  if (!e.isIdler(slot)) e.marks[slot * 2] |= MARK_FAILED;
  failOver(e, slot, server);
  countFailover(e, slot);
}

/** What a connect that came to nothing says about the server. */
function judge(e: EngineState, slot: number, server: number, errno: number): void {
  const isExpired = (e.marks[slot * 2 + 1] & MARK_CONNECT_EXPIRED) !== 0;
  if (isExpired) e.count(e.tables.counters.connectTimedOut, 1);
  if (!isExpired && isUnbound(e, errno)) e.count(e.tables.counters.unbound, 1);
  else if (isExpired || !isBlameless(errno)) punish(e, slot, server);
}

/** Another configuration is in force: what comes of connects to addresses that it no longer has says nothing about others. */
export function noteMovedServers(e: EngineState, before: ConfigBank): void {
  for (let slot = 0; slot < e.slotsTouched; slot++) {
    if (e.state[slot] !== CONNECTING || hasSameAddress(e.config, before, e.server[slot])) continue;
    e.marks[slot * 2 + 1] |= MARK_MOVED;
  }
}

function isMoved(e: EngineState, slot: number): boolean {
  return (e.marks[slot * 2 + 1] & MARK_MOVED) !== 0;
}

/** Counts that a connection whose server has failed has another one now. It may have had to wait for that. */
function countFailover(e: EngineState, slot: number): void {
  if (e.server[slot] === NO_SERVER || (e.marks[slot * 2] & MARK_FAILED) === 0) return;
  e.marks[slot * 2] &= ~MARK_FAILED;
  e.count(e.tables.counters.failedOver, 1);
}

/**
 * Failures that do not speak against the server, so that it is not blacklisted though the next one is tried: we lack
 * something, or the server took the connection and reset it, perhaps after it had ended its stream (one that is dead
 * refuses; no byte was sent yet, so moving on is safe). Whether a loop sees that as a failed connect or as a connection
 * that is reset is a matter of microseconds.
 */
function isBlameless(errno: number): boolean {
  return isOurShortage(errno) || errno === EADDRNOTAVAIL || errno === ECONNRESET || errno === EPIPE;
}

/** Timer of a connecting connection: retry without a socket, watch the client, or give the server up. */
export function onConnectTimer(e: EngineState, slot: number): void {
  const side = slot * 2 + 1;
  if (e.fd[side] < 0) {
    retry(e, slot);
    return;
  }
  const deadline = e.phaseMs[slot] + e.config.farms.connectTimeoutMs[e.farm[slot]];
  if (e.nowMs < deadline) {
    if (e.held[slot * 2] !== 0) submitWatch(e, slot * 2);
    e.setTimer(slot, deadline);
    return;
  }
  e.marks[side] |= MARK_CONNECT_EXPIRED;
  e.loop.cancel(OP_CONNECT, side, e.connectSeq[side]);
}

/** A connection that waits for a descriptor, or for an idler to leave, tries again, for as long as one connect may take. */
function retry(e: EngineState, slot: number): void {
  const waitedMs = e.nowMs - e.phaseMs[slot];
  if (waitedMs >= e.config.farms.connectTimeoutMs[e.farm[slot]]) {
    end(e, slot, CLOSE_ABORT, REASON_UNSERVED);
    return;
  }
  beginConnect(e, slot);
  countFailover(e, slot);
}
