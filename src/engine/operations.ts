/** Submissions to the loop, each with its mark in `pending` and its seq, so that completions can be matched. */
import { assert } from '../base/assert.ts';
import type { ArenaOffset, SideSlot } from '../base/brand.ts';
import { hasListenerPort } from '../balance/servers.ts';
import { ENDPOINT_SIZE, setPort } from '../base/endpoint.ts';
import { OP_CONNECT, OP_RECV, OP_SEND, OP_WATCH } from '../loop/loop.ts';
import { BIG_SIZE } from './big-buffers.ts';
import { HELD_IN_PIPE, type EngineState } from './state.ts';
import { PENDING_CONNECT, PENDING_RECV, PENDING_SEND, PENDING_WATCH } from './states.ts';

/**
 * Most bytes of one send: about 100 us of copying, after which other connections get their turn. Smaller pieces cost
 * bulk data up to half more CPU, larger ones save nothing (docs/decisions.md).
 */
export const SEND_MAX = 512 * 1024;
/** How often a connection with bytes on their way is looked at. */
export const CHECK_MS = 500;

export function submitConnect(e: EngineState, side: number, server: number): void {
  e.pending[side] |= PENDING_CONNECT;
  const seq = e.nextSeq();
  e.connectSeq[side] = seq;
  const { endpoint } = e.config.servers;
  const at = server * ENDPOINT_SIZE;
  if (!hasListenerPort(e.config, server)) {
    e.loop.connect(side as SideSlot, seq, e.fdOf(side), endpoint, at);
    return;
  }
  target.set(endpoint.subarray(at, at + ENDPOINT_SIZE));
  setPort(target, 0, e.port[side >> 1]);
  e.loop.connect(side as SideSlot, seq, e.fdOf(side), target, 0);
}

/** A server's endpoint with the port of a listener, for the length of a call. */
const target = new Uint8Array(ENDPOINT_SIZE);

/** Receives from a side: into the pipe or big buffer it has borrowed, else into a small one that the loop picks. */
export function submitRecv(e: EngineState, side: number): void {
  assert(
    (e.pending[side] & PENDING_RECV) === 0 && e.held[side] === 0,
    'a side is read only when nothing of it is held',
  );
  e.pending[side] |= PENDING_RECV;
  const seq = e.nextSeq();
  e.recvSeq[side] = seq;
  const big = e.bigBuffer[side];
  const pipe = e.pipe[side];
  if (pipe !== 0) e.loop.recvPipe(side as SideSlot, seq, e.fdOf(side), pipe);
  else if (big === 0) e.loop.recv(side as SideSlot, seq, e.fdOf(side));
  else e.loop.recvInto(side as SideSlot, seq, e.fdOf(side), big as ArenaOffset, BIG_SIZE);
}

/** Sends the next piece of what is held of `source` to the other side. */
export function submitSend(e: EngineState, source: number): void {
  const target = source ^ 1;
  const sent = e.sentLength[source];
  const isInPipe = e.held[source] === HELD_IN_PIPE;
  const length = isInPipe ? e.heldLength[source] : Math.min(e.heldLength[source] - sent, SEND_MAX);
  e.pending[target] |= PENDING_SEND;
  const seq = e.nextSeq();
  e.sendSeq[target] = seq;
  e.sendLength[target] = length;
  if (isInPipe) e.loop.sendPipe(target as SideSlot, seq, e.fdOf(target), e.pipe[source], length);
  else e.loop.send(target as SideSlot, seq, e.fdOf(target), (e.held[source] + sent) as ArenaOffset, length);
  const slot = source >> 1;
  if (e.checkMs[slot] > e.nowMs + CHECK_MS) e.setTimer(slot, e.nowMs + CHECK_MS);
}

/** Watches a side that is not read for an abort. */
export function submitWatch(e: EngineState, side: number): void {
  if ((e.pending[side] & (PENDING_WATCH | PENDING_RECV)) !== 0) return;
  e.pending[side] |= PENDING_WATCH;
  const seq = e.nextSeq();
  e.watchSeq[side] = seq;
  e.loop.watch(side as SideSlot, seq, e.fdOf(side));
}

/** Asks for everything in flight on a side, of the kinds in `mask`, to end. */
export function cancelPending(e: EngineState, side: number, mask: number): void {
  const pending = e.pending[side] & mask;
  if (pending === 0) return;
  if ((pending & PENDING_CONNECT) !== 0) e.loop.cancel(OP_CONNECT, side, e.connectSeq[side]);
  if ((pending & PENDING_RECV) !== 0) e.loop.cancel(OP_RECV, side, e.recvSeq[side]);
  if ((pending & PENDING_SEND) !== 0) e.loop.cancel(OP_SEND, side, e.sendSeq[side]);
  if ((pending & PENDING_WATCH) !== 0) e.loop.cancel(OP_WATCH, side, e.watchSeq[side]);
}

export const PENDING_ALL = PENDING_CONNECT | PENDING_RECV | PENDING_SEND | PENDING_WATCH;
