/**
 * What happens when a connection's timer is due. Deadlines measure progress, not completions: a slow reader of a
 * long send is alive as long as its kernel takes bytes.
 */
import { CLOSE_ABORT } from '../loop/loop.ts';
import { onConnectTimer } from './connector.ts';
import { DRAIN_STALL_MS, end, onDrainTimer } from './ending.ts';
import { CHECK_MS, submitWatch } from './operations.ts';
import { parkedLimitMs, superviseParked } from './parking.ts';
import { supervisePeeking } from './peeking.ts';
import { NO_MARK, type EngineState } from './state.ts';
import {
  ANSWERING,
  CONNECTING,
  DRAINING,
  MARK_DEAF,
  MARK_ENDED,
  OPEN,
  PARKED,
  PEEKING,
  PENDING_SEND,
  REASON_IDLE,
} from './states.ts';

export function onConnectionTimer(e: EngineState, slot: number): void {
  e.checkMs[slot] = Infinity;
  const state = e.state[slot];
  if (state === OPEN) onOpenTimer(e, slot);
  else if (state === CONNECTING) onConnectTimer(e, slot);
  else if (state === DRAINING) onDrainTimer(e, slot);
  else if (state === PARKED) onParkedTimer(e, slot);
  else if (state === PEEKING || state === ANSWERING) onUnheardTimer(e, slot);
}

/** Longest time without progress in the connection's present condition, ms; Infinity when there is no limit. */
function idleLimitMs(e: EngineState, slot: number): number {
  const { farms } = e.config;
  const farm = e.farm[slot];
  const marks = e.marks[slot * 2] | e.marks[slot * 2 + 1];
  const idleMs = farms.idleTimeoutMs[farm] || Infinity;
  if ((marks & MARK_DEAF) !== 0) return Math.min(idleMs, DRAIN_STALL_MS);
  const halfClosedMs = farms.halfClosedTimeoutMs[farm];
  return (marks & MARK_ENDED) !== 0 && halfClosedMs > 0 ? halfClosedMs : idleMs;
}

/** Nobody of its source has left for as long as an idle connection may stand. */
function onParkedTimer(e: EngineState, slot: number): void {
  if (e.nowMs - e.startedMs[slot] >= parkedLimitMs(e, slot)) end(e, slot, CLOSE_ABORT, REASON_IDLE);
  else superviseParked(e, slot);
}

/** The client says nothing, or does not even take our answer. */
function onUnheardTimer(e: EngineState, slot: number): void {
  end(e, slot, CLOSE_ABORT, REASON_IDLE);
}

function onOpenTimer(e: EngineState, slot: number): void {
  const limitMs = idleLimitMs(e, slot);
  const client = slot * 2;
  const isBusy = Number(sideHasBytesOut(e, client, limitMs)) | Number(sideHasBytesOut(e, client + 1, limitMs));
  const deadlineMs = e.progressMs[slot] + limitMs;
  if (e.nowMs >= deadlineMs) end(e, slot, CLOSE_ABORT, REASON_IDLE);
  else if (isBusy !== 0) e.setTimer(slot, Math.min(deadlineMs, e.nowMs + CHECK_MS));
  else if (limitMs !== Infinity) e.setTimer(slot, deadlineMs);
}

/**
 * Looks at bytes on their way to a side: in a send of ours, or in the kernel. Notes progress since the last look,
 * and has the other side watched for an abort when one and the same send has blocked it for a whole interval.
 */
function sideHasBytesOut(e: EngineState, side: number, limitMs: number): boolean {
  const isSending = (e.pending[side] & PENDING_SEND) !== 0;
  const isBusy = isSending || (limitMs !== Infinity && e.loop.unsent(e.fdOf(side)) > 0);
  if (!isBusy && e.progressMark[side] === NO_MARK) return false;
  const mark = e.loop.progress(e.fdOf(side));
  if (mark !== e.progressMark[side]) e.progressMs[side >> 1] = e.nowMs;
  // The last bytes were taken between two looks: they counted just now, and there is nothing more to follow.
  e.progressMark[side] = isBusy ? mark : NO_MARK;
  if (isSending) {
    if (e.progressSeq[side] === e.sendSeq[side]) submitWatch(e, side ^ 1);
    e.progressSeq[side] = e.sendSeq[side];
  }
  return isBusy;
}

/** A changed idle limit applies to connections that stand: each gets a timer that will look at it. */
export function superviseAll(e: EngineState): void {
  for (let slot = 0; slot < e.slotsTouched; slot++) {
    if (e.state[slot] === PARKED) superviseParked(e, slot);
    if (e.state[slot] === PEEKING) supervisePeeking(e, slot);
    if (e.state[slot] !== OPEN || e.checkMs[slot] <= e.nowMs + CHECK_MS) continue;
    // Nobody has measured its progress while there was no limit: it counts from now.
    if (e.checkMs[slot] === Infinity) e.progressMs[slot] = e.nowMs;
    e.setTimer(slot, e.nowMs + CHECK_MS);
  }
}
