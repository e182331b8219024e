/**
 * The data plane of one worker: a function of (tables, sequence of turns), driven by a Loop.
 *
 * A turn takes what has finished, lets each event change its connection, fires due timers, arms accepts and says
 * when it must run again. It never waits, never allocates per event, never logs and never throws for anything that
 * a peer can cause.
 *
 * @owner the worker's thread.
 */
import { fail } from '../base/assert.ts';
import type { Fd, Us } from '../base/brand.ts';
import { ENDPOINT_KIND, KIND_NONE } from '../base/endpoint.ts';
import {
  CLOSE_ABORT,
  FLAG_MORE,
  NEVER,
  OP_ACCEPT,
  OP_CONNECT,
  OP_RECV,
  OP_SEND,
  OP_WAKE,
  OP_WATCH,
  STOP,
  type CompletionBatch,
  type StreamOptions,
  type Turn,
} from '../loop/loop.ts';
import { addTo, setLane } from '../table/columns.ts';
import { configAt, currentVersion, noteVersion } from '../table/publish.ts';
import { stopping, takeCloseRequest } from '../table/shared.ts';
import type { ConfigBank } from '../table/tables.ts';
import { resumeAccept } from './accept-state.ts';
import { armAccepts, onAccept } from './acceptor.ts';
import { onParkingTimer, serveParked } from './admission.ts';
import { takeBulkTurn } from './bulk-turns.ts';
import { noteMovedServers, onConnect } from './connector.ts';
import { onConnectionTimer, superviseAll } from './deadlines.ts';
import { end } from './ending.ts';
import { keepIdlers, leaveServersOf } from './idlers.ts';
import { decideHeard, serveSpoken } from './peeking.ts';
import { onRecv, onSend, onWatch } from './relay.ts';
import { EngineState, type EngineOptions } from './state.ts';
import { ENDING, FREE, REASON_ABORT, REASON_STOP } from './states.ts';

export interface Engine {
  readonly turn: Turn;
  /**
   * After a turn has thrown: resets the clients that it would still have accepted, which nobody else knows of. All
   * others are in the rows of the tables.
   *
   * @returns false, with nothing done, when no turn was under way.
   */
  readonly abandon: () => boolean;
  /** For checks between turns: reads only. */
  readonly state: EngineState;
}

export function createEngine(options: EngineOptions): Engine {
  const e = new EngineState(options);
  const fire = (key: number): void => fireTimer(e, key);
  const turn = (nowUs: Us, batch: CompletionBatch): Us => {
    e.nowMs = nowUs / 1000;
    e.batch = batch;
    setLane(e.tables.gauges.inTurn, e.worker, 1);
    e.acceptsTaken = 0;
    followConfiguration(e);
    dispatch(e, batch);
    if (e.heard.count > 0) decideHeard(e);
    e.wheel.advance(e.nowMs, fire);
    takeBulkTurn(e);
    if (e.spoken.count > 0) serveSpoken(e);
    if (e.parking.count > 0 || e.isWanting) serveParked(e);
    if (e.isIdlersDue) keepIdlers(e);
    if (e.acceptDirty || isLeftToOthers(e)) armAccepts(e);
    report(e);
    e.batch = undefined;
    if (e.stop !== 0 && e.connections === 0 && e.acceptor.inFlight === 0) return STOP;
    if (e.bulkTurns.count > 0) return nowUs;
    const nextMs = e.wheel.nextMs();
    return nextMs === Infinity ? NEVER : ((nextMs * 1000) as Us);
  };
  return { turn, abandon: () => abandon(e), state: e };
}

/** Others accept: whether they still do is looked at now and then, so that a wake-up that was lost heals. */
function isLeftToOthers(e: EngineState): boolean {
  return e.workerCount > 1 && e.acceptor.inFlight === 0;
}

function abandon(e: EngineState): boolean {
  const { batch } = e;
  if (batch === undefined) return false;
  let accepts = 0;
  for (let i = 0; i < batch.count; i++) {
    if (batch.op[i] !== OP_ACCEPT || (batch.flags[i] & FLAG_MORE) === 0) continue;
    if (accepts++ >= e.acceptsTaken) e.loop.close(batch.result[i] as Fd, CLOSE_ABORT);
  }
  return true;
}

function dispatch(e: EngineState, batch: CompletionBatch): void {
  const { op, slot, seq, result, flags, buffer } = batch;
  for (let i = 0; i < batch.count; i++) {
    switch (op[i]) {
      case OP_RECV:
        onRecv(e, slot[i], seq[i], result[i], buffer[i]);
        break;
      case OP_SEND:
        onSend(e, slot[i], seq[i], result[i]);
        break;
      case OP_ACCEPT:
        onAccept(e, slot[i], seq[i], result[i], flags[i], buffer[i]);
        break;
      case OP_CONNECT:
        onConnect(e, slot[i], seq[i], result[i]);
        break;
      case OP_WATCH:
        onWatch(e, slot[i], seq[i], result[i]);
        break;
      case OP_WAKE:
        obeyCloseRequest(e);
        e.acceptDirty = true;
        break;
      default:
        fail(`a completion carries a known operation, not ${op[i]}`);
    }
  }
}

function fireTimer(e: EngineState, key: number): void {
  if (key < e.slotCount) onConnectionTimer(e, key);
  else if (key === e.timerResumeAccept) resumeAccept(e);
  else if (key === e.timerParking) onParkingTimer(e);
  else if (key === e.timerIdlers) e.isIdlersDue = true;
  else trim(e);
}

/** Bulk data has gone: gives back the memory and the descriptors it needed. */
function trim(e: EngineState): void {
  e.big.trimIdle((offset, length) => e.loop.trim(offset, length));
  e.loop.trimPipes();
}

/** Switches to a newly published configuration, and obeys a request to stop. */
function followConfiguration(e: EngineState): void {
  const version = currentVersion(e.tables);
  if (version !== e.configVersion) {
    e.configVersion = version;
    const before = e.config;
    e.config = configAt(e.tables, version);
    // As long as the version is not noted, what was in force before is still there.
    if (e.idlers > 0) leaveServersOf(e, before);
    if (e.connecting > 0) noteMovedServers(e, before);
    e.streamOptions = streamOptionsOf(e.config);
    e.dumping = e.config.settings.isDumping[0] === 0 ? undefined : e.dumps;
    e.logText = e.config.settings.logText[0];
    e.logging = e.logText === 0 ? undefined : e.requests;
    e.telling = e.config.settings.isTelling[0] === 0 ? undefined : e.endings;
    noteVersion(e.tables, e.worker, version);
    superviseAll(e);
    e.parking.isSweepDue = true;
    e.isIdlersDue = true;
    e.acceptDirty = true;
  }
  if (e.stop === 0 && stopping(e.tables) !== 0) beginStop(e);
}

function streamOptionsOf({ settings }: ConfigBank): StreamOptions {
  const { tcpNoDelay, keepAlive, source } = settings;
  const options = { noDelay: tcpNoDelay[0] !== 0, keepAlive: keepAlive[0] !== 0 };
  // A copy: the bank is filled anew while sockets may still be opened by it.
  return source[ENDPOINT_KIND] === KIND_NONE ? options : { ...options, source: source.slice() };
}

/** Somebody wants a connection ended: by abort, so that neither side takes it for complete. */
function obeyCloseRequest(e: EngineState): void {
  const slot = takeCloseRequest(e.tables, e.worker) - e.slotFirst;
  if (slot < 0 || slot >= e.slotsTouched) return;
  const state = e.state[slot];
  if (state !== FREE && state !== ENDING) end(e, slot, CLOSE_ABORT, REASON_ABORT);
}

/** Stops accepting and ends every connection. The turns go on until all of them are joined. */
function beginStop(e: EngineState): void {
  e.stop = stopping(e.tables);
  e.wheel.clear(e.timerIdlers);
  e.acceptDirty = true;
  for (let slot = 0; slot < e.slotsTouched; slot++) {
    const state = e.state[slot];
    if (state !== FREE && state !== ENDING) end(e, slot, CLOSE_ABORT, REASON_STOP);
  }
}

/** What others may read about this worker. */
function report(e: EngineState): void {
  e.logging?.publish();
  e.telling?.publish();
  const { gauges, counters } = e.tables;
  setLane(gauges.used, e.worker, e.used);
  setLane(gauges.parked, e.worker, e.parking.count);
  setLane(gauges.pending, e.worker, e.connecting);
  setLane(gauges.idlers, e.worker, e.idlers);
  setLane(gauges.descriptors, e.worker, e.descriptors + e.loop.pipeDescriptors());
  setLane(gauges.bigBuffers, e.worker, e.big.lent + e.pipesLent);
  setLane(gauges.smallBuffers, e.worker, e.loop.buffersHeld());
  addTo(counters.turns, e.worker, 1);
  setLane(gauges.inTurn, e.worker, 0);
}
