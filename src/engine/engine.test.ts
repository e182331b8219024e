/**
 * The engine against a loop that only writes down what it is asked, so that each step can be looked at. Whether all
 * steps together are right, under faults and in any order, is the simulator's business.
 */
import { describe, expect, test } from 'vitest';
import { ENDPOINT_SIZE } from '../base/endpoint.ts';
import { EADDRNOTAVAIL, ECANCELED, ECONNREFUSED, ECONNRESET, EMFILE, EPIPE } from '../base/errno.ts';
import {
  CLOSE_ABORT,
  CLOSE_ORDERLY,
  OP_ACCEPT,
  OP_CONNECT,
  OP_RECV,
  OP_SEND,
  OP_WAKE,
  OP_WATCH,
  STOP,
} from '../loop/loop.ts';
import { beginPublish, commitPublish } from '../table/publish.ts';
import {
  blacklist,
  blacklistedUntil,
  connectionsUsed,
  inFlightOf,
  requestClose,
  requestStop,
  STOP_ORDERLY,
} from '../table/shared.ts';
import { BIG_SIZE } from './big-buffers.ts';
import { SEND_MAX } from './operations.ts';
import { TAKEN_BUFFERS } from './relay.ts';
import { SMALL, FIRST_SERVER, CLIENT, SERVER, SLOTS, Stage } from './stage.suite.ts';

describe('accepting', () => {
  test('asks for as many as there is room, and goes on as soon as there is some again', () => {
    const stage = new Stage({ connMax: 2 });
    expect(stage.pending(OP_ACCEPT, 0)?.max).toBe(2);
    stage.accept(50, 51);
    stage.turn([OP_ACCEPT, 0, 0]);
    expect(stage.pending(OP_ACCEPT, 0)).toBeUndefined();
    expect([connectionsUsed(stage.tables), stage.count('accepted'), stage.count('pausedFull')]).toEqual([2, 2, 1]);
    stage.sleep(100);
    expect(stage.count('pausedFull'), 'an episode is counted once').toBe(1);
    stage.turn([OP_CONNECT, SERVER, 0], [OP_RECV, CLIENT, 0]);
    stage.turn([OP_RECV, SERVER, 0]);
    expect(stage.pending(OP_ACCEPT, 0)?.max, 'a place is free').toBe(1);
  });

  test('leaves no more than pending_max without a server', () => {
    const stage = new Stage({ pendingMax: 1 });
    stage.accept(50);
    stage.turn([OP_ACCEPT, 0, 0]);
    expect(stage.pending(OP_ACCEPT, 0)).toBeUndefined();
    expect(stage.count('pausedPending')).toBe(1);
    stage.turn([OP_CONNECT, SERVER, 0]);
    expect(stage.pending(OP_ACCEPT, 0)?.max).toBe(1);
  });

  test('keeps two descriptors for each connection', () => {
    expect(new Stage({ descriptorMax: 5 }).pending(OP_ACCEPT, 0)?.max).toBe(2);
    const none = new Stage({ descriptorMax: 1 });
    expect(none.pending(OP_ACCEPT, 0)).toBeUndefined();
    expect(none.count('pausedDescriptors')).toBe(1);
  });

  test('measures the room of an accept anew when the limits change', () => {
    const stage = new Stage({ pendingMax: 8 });
    expect(stage.pending(OP_ACCEPT, 0)?.max).toBe(8);
    const draft = beginPublish(stage.tables)!;
    draft.settings.pendingMax[0] = 3;
    commitPublish(stage.tables);
    stage.turn();
    expect(stage.loop.cancelled.has(`${OP_ACCEPT}:0`)).toBe(true);
    stage.turn([OP_ACCEPT, 0, -ECANCELED]);
    expect(stage.pending(OP_ACCEPT, 0)?.max).toBe(3);
  });

  test('rests 100 ms when the system has no descriptor', () => {
    const stage = new Stage();
    stage.turn([OP_ACCEPT, 0, -EMFILE]);
    stage.sleep(90);
    expect(stage.pending(OP_ACCEPT, 0)).toBeUndefined();
    stage.sleep(30);
    expect(stage.pending(OP_ACCEPT, 0)).toBeDefined();
    expect(stage.count('pausedDescriptors')).toBe(1);
  });
});

describe('connecting', () => {
  test('what the client sent meanwhile is the first the server gets', () => {
    const stage = new Stage();
    stage.accept(50);
    stage.turn([OP_RECV, CLIENT, 5, 7 * SMALL]);
    expect(stage.pending(OP_SEND, SERVER)).toBeUndefined();
    stage.turn([OP_CONNECT, SERVER, 0]);
    expect(stage.pending(OP_SEND, SERVER)).toMatchObject({ offset: 7 * SMALL, length: 5 });
  });

  test.each([
    ['fails', ECONNREFUSED],
    ['stands', 0],
  ])('a connect that %s after its server got another address says nothing about that', (_, errno) => {
    const stage = new Stage();
    stage.accept(50);
    const FAILED_AGAIN = 2 ** 30;
    stage.change((draft) => (draft.servers.endpoint[(FIRST_SERVER + 1) * ENDPOINT_SIZE + 3] = 81));
    stage.turn();
    if (errno === 0) blacklist(stage.tables, FIRST_SERVER + 1, FAILED_AGAIN);
    stage.turn([OP_CONNECT, SERVER, -errno]);
    expect(blacklistedUntil(stage.tables, FIRST_SERVER + 1)).toBe(errno === 0 ? FAILED_AGAIN : 0);
    expect(stage.count('connectFailed')).toBe(0);
    if (errno === 0) return;
    expect(stage.pending(OP_CONNECT, SERVER)?.to, 'the next one is tried').toBe('10.0.0.1:80');
    stage.turn([OP_CONNECT, SERVER, -errno]);
    expect(blacklistedUntil(stage.tables, FIRST_SERVER), 'the next attempt counts').toBeGreaterThan(0);
  });

  test('a server that refuses is blacklisted and the next one tried; the client is left in peace', () => {
    const stage = new Stage();
    stage.accept(50);
    stage.turn([OP_CONNECT, SERVER, -ECONNREFUSED]);
    expect(blacklistedUntil(stage.tables, FIRST_SERVER + 1)).toBe((stage.nowMs + 30_000) / 100);
    expect([0, 1].map((index) => inFlightOf(stage.tables, FIRST_SERVER + index))).toEqual([1, 0]);
    expect(stage.loop.closed).toEqual([[100, CLOSE_ORDERLY]]);
    stage.turn([OP_CONNECT, SERVER, 0]);
    expect([stage.count('failedOver'), stage.count('connected'), stage.count('unserved')]).toEqual([1, 1, 0]);
  });

  test('a server that does not answer in time is given up like one that refuses', () => {
    const stage = new Stage();
    stage.accept(50);
    stage.sleep(2990);
    expect(stage.loop.cancelled.has(`${OP_CONNECT}:${SERVER}`)).toBe(false);
    stage.sleep(30);
    expect(stage.loop.cancelled.has(`${OP_CONNECT}:${SERVER}`)).toBe(true);
    stage.finishCancelled();
    expect(blacklistedUntil(stage.tables, FIRST_SERVER + 1)).toBeGreaterThan(0);
    expect([stage.count('connectTimedOut'), stage.count('failedOver')]).toEqual([1, 1]);
    expect(stage.pending(OP_CONNECT, SERVER)).toBeDefined();
  });

  test.each([
    ['want of a local port', EADDRNOTAVAIL],
    ['a reset right after the handshake', ECONNRESET],
    ['an end and a reset right after the handshake', EPIPE],
  ])('%s does not blacklist the server, but the next one is tried', (_, errno) => {
    const stage = new Stage();
    stage.accept(50);
    stage.turn([OP_CONNECT, SERVER, -errno]);
    expect(blacklistedUntil(stage.tables, FIRST_SERVER + 1)).toBe(0);
    expect(stage.pending(OP_CONNECT, SERVER)).toBeDefined();
  });

  test('a client that nobody serves is reset once everything in flight is back', () => {
    const stage = new Stage({ servers: 1 });
    stage.accept(50);
    stage.turn([OP_CONNECT, SERVER, -ECONNREFUSED]);
    expect(stage.loop.closed, 'the read of the client is still in flight').toEqual([[100, CLOSE_ORDERLY]]);
    stage.finishCancelled();
    expect(stage.loop.closed[1]).toEqual([50, CLOSE_ABORT]);
    expect([stage.count('unserved'), stage.count('failedOver'), connectionsUsed(stage.tables)]).toEqual([1, 0, 0]);
  });

  test('without a descriptor it tries again, for as long as one connect may take', () => {
    const stage = new Stage();
    stage.loop.openError = EMFILE;
    stage.accept(50);
    stage.sleep(1000);
    expect(stage.count('unserved')).toBe(0);
    stage.loop.openError = 0;
    stage.sleep(150);
    expect(stage.pending(OP_CONNECT, SERVER)).toBeDefined();

    const other = new Stage();
    other.loop.openError = EMFILE;
    other.accept(50);
    other.sleep(3200);
    other.finishCancelled();
    expect(other.loop.closed).toEqual([[50, CLOSE_ABORT]]);
    expect(blacklistedUntil(other.tables, FIRST_SERVER + 1)).toBe(0);
  });
});

describe('relaying', () => {
  test('a side is read again only when all it sent was taken', () => {
    const stage = new Stage();
    stage.open();
    stage.turn([OP_RECV, CLIENT, 100, SMALL]);
    expect(stage.pending(OP_RECV, CLIENT)).toBeUndefined();
    expect(stage.loop.released).toEqual([]);
    stage.turn([OP_SEND, SERVER, 100]);
    expect(stage.pending(OP_RECV, CLIENT)).toBeDefined();
    expect(stage.loop.released).toEqual([SMALL]);
  });

  /** Lets the server fill small buffers, and our kernel take them. */
  function passFull(stage: Stage, count: number): void {
    for (let i = 0; i < count; i++) {
      expect(stage.pending(OP_RECV, SERVER)).toMatchObject({ op: OP_RECV });
      expect(stage.pending(OP_RECV, SERVER)).not.toHaveProperty('offset');
      expect(stage.pending(OP_RECV, SERVER)).not.toHaveProperty('pipe');
      stage.turn([OP_RECV, SERVER, SMALL, SMALL * (1 + (i % 2))]);
      stage.turn([OP_SEND, CLIENT, SMALL]);
    }
  }

  test('full receives in a row earn a big buffer, a short one gives it back; sends have a limit', () => {
    const stage = new Stage();
    stage.open();
    passFull(stage, TAKEN_BUFFERS - 1);
    stage.turn([OP_RECV, SERVER, 10, SMALL]);
    stage.turn([OP_SEND, CLIENT, 10]);
    passFull(stage, TAKEN_BUFFERS);
    const big = stage.pending(OP_RECV, SERVER)!.offset!;
    expect(stage.pending(OP_RECV, SERVER)?.length).toBe(BIG_SIZE);
    stage.turn([OP_RECV, SERVER, SEND_MAX + 1000, big]);
    const lengths: number[] = [];
    for (let send = stage.pending(OP_SEND, CLIENT); send; send = stage.pending(OP_SEND, CLIENT)) {
      expect(send.offset).toBe(big + lengths.reduce((sum, length) => sum + length, 0));
      lengths.push(send.length!);
      stage.turn([OP_SEND, CLIENT, send.length!]);
    }
    expect(lengths).toEqual([SEND_MAX, 1000]);
    expect(stage.pending(OP_RECV, SERVER)?.offset).toBe(big);
    stage.turn([OP_RECV, SERVER, 10, big]);
    stage.turn([OP_SEND, CLIENT, 10]);
    expect(stage.pending(OP_RECV, SERVER)?.offset).toBeUndefined();
    expect(stage.loop.trimmed).toEqual([]);
    stage.sleep(1100);
    expect(stage.loop.trimmed).toContain(big);
  });

  test('a reader that has not taken what our kernel took for it earns nothing, however much is sent', () => {
    const stage = new Stage();
    stage.open();
    stage.loop.pipesLeft = 1;
    for (let i = 1; i <= 3 * TAKEN_BUFFERS; i++) {
      // Its own kernel takes nearly as much as makes a reader.
      stage.loop.unsentBytes = Math.max(0, i - TAKEN_BUFFERS + 1) * SMALL;
      passFull(stage, 1);
    }
    expect(stage.pending(OP_RECV, SERVER)).not.toHaveProperty('pipe');
    stage.loop.unsentBytes -= SMALL;
    stage.turn([OP_RECV, SERVER, SMALL, SMALL]);
    stage.loop.unsentBytes = 2 * TAKEN_BUFFERS * SMALL;
    stage.turn([OP_SEND, CLIENT, SMALL]);
    expect(stage.pending(OP_RECV, SERVER)?.pipe).toBe(1);
  });

  test('where everything is lent, it is asked for again only after as much', () => {
    const stage = new Stage();
    stage.open();
    const { big } = stage.engine.state;
    const lent = [big.take(), big.take()];
    passFull(stage, TAKEN_BUFFERS);
    for (const buffer of lent) big.give(buffer);
    passFull(stage, TAKEN_BUFFERS);
    expect(stage.pending(OP_RECV, SERVER)?.length).toBe(BIG_SIZE);
  });

  /** Lets the server send so much that its direction earns a pipe, and receives a pipe full. */
  function fillPipe(stage: Stage): void {
    stage.loop.pipesLeft = 1;
    passFull(stage, TAKEN_BUFFERS);
    expect(stage.pending(OP_RECV, SERVER)?.pipe).toBe(1);
    stage.turn([OP_RECV, SERVER, 700_000]);
  }

  test('bulk data goes through a pipe where there is one, all of it at once, and a short read gives the pipe back', () => {
    const stage = new Stage();
    stage.open();
    fillPipe(stage);
    expect(stage.pending(OP_SEND, CLIENT)).toMatchObject({ pipe: 1, length: 700_000 });
    stage.turn([OP_SEND, CLIENT, 700_000]);
    expect(stage.pending(OP_RECV, SERVER)?.pipe).toBe(1);
    stage.turn([OP_RECV, SERVER, 10]);
    expect(stage.pending(OP_SEND, CLIENT)).toMatchObject({ pipe: 1, length: 10 });
    stage.turn([OP_SEND, CLIENT, 10]);
    expect(stage.loop.pipesBack).toEqual([1]);
    expect(stage.pending(OP_RECV, SERVER)?.pipe).toBeUndefined();
    expect(stage.loop.pipesTrimmed).toBe(0);
    stage.sleep(1100);
    expect(stage.loop.pipesTrimmed).toBe(1);
    expect(stage.loop.released).toHaveLength(TAKEN_BUFFERS);
  });

  test('a pipe with bytes that nobody takes any more comes back at once', () => {
    const stage = new Stage();
    stage.open();
    fillPipe(stage);
    stage.turn([OP_SEND, CLIENT, -EPIPE]);
    expect(stage.loop.pipesBack).toEqual([1]);
  });

  test('a connection that ends gives its pipe back', () => {
    const stage = new Stage();
    stage.open();
    fillPipe(stage);
    stage.turn([OP_RECV, CLIENT, -ECONNRESET]);
    for (const key of stage.loop.cancelled) {
      const [op, slot] = key.split(':').map(Number);
      stage.turn([op, slot, -ECANCELED]);
    }
    expect(stage.loop.closed.length).toBe(2);
    expect(stage.loop.pipesBack).toEqual([1]);
  });

  test('no pipe is opened when descriptors are scarce', () => {
    const stage = new Stage({ descriptorMax: 60 });
    stage.open();
    stage.loop.pipesLeft = 1;
    passFull(stage, TAKEN_BUFFERS);
    expect(stage.pending(OP_RECV, SERVER)?.pipe).toBeUndefined();
    expect(stage.pending(OP_RECV, SERVER)?.length).toBe(BIG_SIZE);
  });

  test('the end of one stream is passed on and the other direction lives', () => {
    const stage = new Stage();
    stage.open();
    stage.turn([OP_RECV, CLIENT, 0]);
    expect(stage.loop.ended).toEqual([100]);
    stage.turn([OP_RECV, SERVER, 9, SMALL]);
    stage.turn([OP_SEND, CLIENT, 9]);
    stage.turn([OP_RECV, SERVER, 0]);
    expect(stage.endings()).toEqual([CLOSE_ORDERLY, CLOSE_ORDERLY]);
    expect([stage.count('closedOrderly'), stage.count('bytesDown'), stage.count('closedAbort')]).toEqual([1, 9, 0]);
  });
});

describe('ending', () => {
  test('a reset is passed on when the other side has taken what was received before it', () => {
    const stage = new Stage();
    stage.open();
    stage.loop.unsentBytes = 1000;
    stage.turn([OP_RECV, SERVER, -ECONNRESET]);
    stage.finishCancelled();
    stage.sleep(100);
    expect(stage.loop.closed).toEqual([]);
    stage.loop.unsentBytes = 0;
    stage.sleep(300);
    expect(stage.endings()).toEqual([CLOSE_ABORT, CLOSE_ABORT]);
    expect(stage.count('closedAbort')).toBe(1);
  });

  test('a survivor that takes nothing for ten seconds is cut off', () => {
    const stage = new Stage();
    stage.open();
    stage.loop.unsentBytes = 1000;
    stage.turn([OP_RECV, SERVER, -ECONNRESET]);
    stage.finishCancelled();
    stage.sleep(9900);
    expect(stage.loop.closed).toEqual([]);
    stage.sleep(400);
    expect(stage.loop.closed).toHaveLength(2);
  });

  test('a server that answers and stops reading gets to finish its answer', () => {
    const stage = new Stage();
    stage.open();
    stage.turn([OP_RECV, CLIENT, 100, SMALL]);
    stage.turn([OP_SEND, SERVER, -EPIPE]);
    expect(stage.pending(OP_RECV, CLIENT), 'nothing more is read for it').toBeUndefined();
    stage.turn([OP_RECV, SERVER, 9, 2 * SMALL]);
    stage.turn([OP_SEND, CLIENT, 9]);
    expect(stage.pending(OP_RECV, SERVER)).toBeDefined();
    stage.turn([OP_RECV, SERVER, 0]);
    expect(stage.endings()).toEqual([CLOSE_ABORT, CLOSE_ABORT]);
    expect(stage.loop.released).toEqual([SMALL, 2 * SMALL]);
  });

  test('when neither side takes bytes any more nothing is waited for', () => {
    const stage = new Stage();
    stage.open();
    stage.turn([OP_RECV, SERVER, 9, SMALL]);
    stage.sleep(1200);
    stage.turn([OP_WATCH, SERVER, -ECONNRESET]);
    stage.finishCancelled();
    stage.turn([OP_SEND, CLIENT, -EPIPE]);
    stage.finishCancelled();
    expect(stage.endings()).toEqual([CLOSE_ABORT, CLOSE_ABORT]);
  });

  test('nothing is closed while anything is in flight on it', () => {
    const stage = new Stage();
    stage.open();
    stage.turn([OP_RECV, SERVER, -ECONNRESET]);
    expect(stage.loop.closed).toEqual([]);
    stage.turn([OP_RECV, CLIENT, 70, SMALL]);
    expect(stage.loop.released, 'what a cancelled receive brought all the same').toEqual([SMALL]);
    expect(stage.loop.closed).toHaveLength(2);
    expect(stage.tables.connections.generation[0]).toBe(1);
  });

  test('an idle connection is reset, one that moves is not', () => {
    const stage = new Stage({ idleTimeoutMs: 2000 });
    stage.open();
    stage.sleep(1500);
    stage.turn([OP_RECV, CLIENT, 1, SMALL]);
    stage.turn([OP_SEND, SERVER, 1]);
    stage.sleep(1900);
    expect(stage.loop.cancelled.size).toBe(0);
    stage.sleep(200);
    stage.finishCancelled();
    expect(stage.endings()).toEqual([CLOSE_ABORT, CLOSE_ABORT]);
    expect(stage.count('closedIdle')).toBe(1);
  });

  test('a slow reader of one long send is not idle', () => {
    const stage = new Stage({ idleTimeoutMs: 2000 });
    stage.open();
    stage.turn([OP_RECV, SERVER, SMALL, SMALL]);
    for (let second = 0; second < 10; second++) {
      stage.loop.progressMark++;
      stage.sleep(1000);
    }
    expect(stage.loop.cancelled.size).toBe(0);
    expect(stage.pending(OP_WATCH, SERVER), 'the side that is not read is watched').toBeDefined();
    stage.sleep(2600);
    expect(stage.loop.cancelled.size).toBeGreaterThan(0);
  });

  test('a stop resets everything and returns when all of it is back', () => {
    const stage = new Stage();
    stage.open();
    stage.accept(51);
    requestStop(stage.tables, STOP_ORDERLY);
    expect(stage.turn()).not.toBe(STOP);
    expect(stage.finishCancelled()).toBe(STOP);
    expect(stage.endings()).toEqual(new Array(4).fill(CLOSE_ABORT));
    expect([stage.count('closedStop'), stage.count('accepted'), connectionsUsed(stage.tables)]).toEqual([2, 2, 0]);
    expect(stage.engine.state.descriptors).toBe(0);
  });

  test('a client that is accepted in the very turn of the stop is reset too, so that the stop ends', () => {
    const stage = new Stage();
    requestStop(stage.tables, STOP_ORDERLY);
    stage.accept(50);
    expect(stage.endings()).toEqual([CLOSE_ABORT]);
    expect(stage.finishCancelled()).toBe(STOP);
    expect([stage.count('closedStop'), connectionsUsed(stage.tables)]).toEqual([1, 0]);
  });
});

describe('a connection that somebody wants ended', () => {
  test('is reset on both sides, once the worker is woken', () => {
    const stage = new Stage();
    stage.open();
    expect(requestClose(stage.tables, 0, 0)).toBe(true);
    stage.turn();
    expect(stage.endings(), 'nobody woke it').toEqual([]);
    stage.turn([OP_WAKE, 0, 0]);
    stage.finishCancelled();
    expect(stage.endings()).toEqual([CLOSE_ABORT, CLOSE_ABORT]);
    expect([stage.count('closedAbort'), connectionsUsed(stage.tables)]).toEqual([1, 0]);
  });

  test('may still be connecting', () => {
    const stage = new Stage();
    stage.accept(50);
    requestClose(stage.tables, 0, 0);
    stage.turn([OP_WAKE, 0, 0]);
    stage.finishCancelled();
    expect([stage.endings(), connectionsUsed(stage.tables)]).toEqual([[CLOSE_ABORT, CLOSE_ABORT], 0]);
  });

  test('may be gone already, or never have been: nothing happens', () => {
    const stage = new Stage();
    for (const slot of [0, 7, SLOTS - 1, SLOTS, 2 ** 18 - 1]) {
      expect(requestClose(stage.tables, 0, slot)).toBe(true);
      expect(requestClose(stage.tables, 0, slot), 'one at a time').toBe(false);
      stage.turn([OP_WAKE, 0, 0]);
    }
    expect([stage.endings(), connectionsUsed(stage.tables)]).toEqual([[], 0]);
  });
});
