/** Clients that are peeked at before anything is done for them: `peek` and `dummy`. */
import { describe, expect, test } from 'vitest';
import { ECONNRESET } from '../base/errno.ts';
import { writeWords } from '../control/access-lists.suite.ts';
import { CLOSE_ABORT, CLOSE_ORDERLY, OP_ACCEPT, OP_CONNECT, OP_RECV, OP_SEND, OP_WATCH } from '../loop/loop.ts';
import { CONNECTION_PEEKING, FARM_F_DUMMY, FARM_F_PEEK, FARM_F_ROUND_ROBIN } from '../table/schema.ts';
import { connectionsUsed, readCursor } from '../table/shared.ts';
import type { ConfigBank } from '../table/tables.ts';
import { DUMMY_ANSWER } from './peeking.ts';
import { ABUSE, CLIENT, SERVER, SMALL, Stage, type Options } from './stage.suite.ts';

function peeking(options: Options = {}, more?: (draft: ConfigBank) => void): Stage {
  const configure = (draft: ConfigBank): void => {
    draft.farms.flags[0] = FARM_F_PEEK | FARM_F_ROUND_ROBIN;
    more?.(draft);
  };
  return new Stage({ ...options, configure });
}

function dummy(options: Options = {}): Stage {
  return new Stage({ ...options, configure: (draft) => (draft.farms.flags[0] = FARM_F_DUMMY) });
}

const HELD = 3 * SMALL;
const bytesAt = (stage: Stage, offset = 0, length = 0): string =>
  String.fromCharCode(...stage.loop.arena.subarray(offset, offset + length));

describe('peek', () => {
  test('a server is chosen when the client has said something, and gets that first', () => {
    const stage = peeking();
    stage.accept(50);
    expect(stage.engine.state.state[0]).toBe(CONNECTION_PEEKING);
    expect([stage.pending(OP_CONNECT, SERVER), readCursor(stage.tables, 0)]).toEqual([undefined, 0]);
    stage.turn([OP_RECV, CLIENT, 7, HELD]);
    expect([stage.pending(OP_CONNECT, SERVER)?.to, readCursor(stage.tables, 0)]).toEqual(['10.0.0.2:80', 1]);
    expect(stage.pending(OP_RECV, CLIENT), 'held, so not read').toBeUndefined();
    stage.turn([OP_CONNECT, SERVER, 0]);
    expect(stage.pending(OP_SEND, SERVER)).toMatchObject({ offset: HELD, length: 7 });
  });

  test('clients are served in the order in which they speak', () => {
    const stage = peeking();
    stage.accept(50, 51);
    stage.turn([OP_RECV, 2, 7, HELD], [OP_RECV, CLIENT, 7, 2 * SMALL]);
    expect([stage.pending(OP_CONNECT, 3)?.to, stage.pending(OP_CONNECT, SERVER)?.to]).toEqual([
      '10.0.0.2:80',
      '10.0.0.1:80',
    ]);
  });

  test('who has several connections under way comes to one server by all of them', () => {
    const stage = peeking({}, (draft) => {
      draft.farms.flags[0] = FARM_F_PEEK;
      draft.farms.clientsMax[0] = 10;
    });
    const slots = [1, 1, 1].map((from) => stage.acceptFrom(from));
    stage.turn(...slots.map((slot) => [OP_RECV, slot * 2, 7, HELD + slot * SMALL] as const));
    expect(new Set(slots.map((slot) => stage.pending(OP_CONNECT, slot * 2 + 1)?.to))).toEqual(new Set(['10.0.0.2:80']));
  });

  test('a client that ends without a word is given a server, which is told of the end', () => {
    const stage = peeking();
    stage.accept(50);
    stage.turn([OP_RECV, CLIENT, 0]);
    stage.turn([OP_CONNECT, SERVER, 0]);
    expect(stage.loop.ended).toEqual([100]);
  });

  test('a client that resets is gone', () => {
    const stage = peeking();
    stage.accept(50);
    stage.turn([OP_RECV, CLIENT, -ECONNRESET]);
    expect([stage.loop.closed, stage.count('closedAbort')]).toEqual([[[50, CLOSE_ABORT]], 1]);
    expect(connectionsUsed(stage.tables)).toBe(0);
  });

  test.each([
    ['the connect timeout when there is no other', {}, 3000],
    ['the idle timeout', { idleTimeoutMs: 5000 }, 5000],
  ])('a silent client is reset after %s', (_name, options, ms) => {
    const stage = peeking(options);
    stage.accept(50);
    stage.sleep(ms - 50);
    expect(stage.count('closedIdle')).toBe(0);
    stage.sleep(100);
    stage.finishCancelled();
    expect([stage.loop.closed, stage.count('closedIdle')]).toEqual([[[50, CLOSE_ABORT]], 1]);
  });

  test('a changed deadline holds for those who are silent already', () => {
    const stage = peeking({ idleTimeoutMs: 60_000 });
    stage.accept(50);
    stage.change((draft) => (draft.farms.idleTimeoutMs[0] = 1000));
    stage.sleep(1100);
    stage.finishCancelled();
    expect(stage.count('closedIdle')).toBe(1);
  });

  test('silent clients do not count as waiting for their server', () => {
    const stage = peeking({ pendingMax: 1 });
    stage.accept(50);
    stage.turn([OP_ACCEPT, 0, 0]);
    expect(stage.pending(OP_ACCEPT, 0)?.max).toBe(1);
    stage.turn([OP_RECV, CLIENT, 7, HELD]);
    stage.accept(51);
    stage.turn([OP_ACCEPT, 0, 0]);
    expect(stage.pending(OP_ACCEPT, 0), 'the first one waits for its server now').toBeUndefined();
  });

  /** Three have spoken, one of whom may wait for its server. */
  function crowd(options: Options = {}): { stage: Stage; slots: number[] } {
    const stage = peeking({ ...options, pendingMax: 1 });
    const slots = [1, 2, 3].map((from) => {
      const slot = stage.acceptFrom(from);
      if (stage.pending(OP_ACCEPT, 0)?.max === 1) stage.turn([OP_ACCEPT, 0, 0]);
      return slot;
    });
    stage.turn(...slots.map((slot) => [OP_RECV, slot * 2, 7, HELD + slot * SMALL] as const));
    return { stage, slots };
  }
  const connecting = (stage: Stage, slots: readonly number[]): boolean[] =>
    slots.map((slot) => stage.pending(OP_CONNECT, slot * 2 + 1) !== undefined);

  test('no more of those who have spoken wait for their servers than may, and they go on in their order', () => {
    const { stage, slots } = crowd();
    expect(connecting(stage, slots)).toEqual([true, false, false]);
    stage.turn([OP_CONNECT, slots[0]! * 2 + 1, 0]);
    expect(connecting(stage, slots)).toEqual([false, true, false]);
    stage.turn([OP_CONNECT, slots[1]! * 2 + 1, 0]);
    expect(connecting(stage, slots)).toEqual([false, false, true]);
    expect(stage.engine.state.connecting).toBe(1);
  });

  test('one that waits so is not silent, also under a new configuration; its reset is noticed', () => {
    const { stage, slots } = crowd();
    stage.change((draft) => (draft.settings.connMax[0] = 7));
    stage.sleep(2900);
    stage.turn([OP_WATCH, slots[1]! * 2, -ECONNRESET]);
    stage.sleep(200);
    expect([stage.count('closedIdle'), stage.count('closedAbort')]).toEqual([0, 1]);
    expect(stage.engine.state.state[slots[2]!]).toBe(CONNECTION_PEEKING);
  });

  test('but waits no longer than an idle connection may stand', () => {
    const { stage } = crowd({ idleTimeoutMs: 1000 });
    stage.sleep(1050);
    stage.finishCancelled();
    expect(stage.count('closedIdle')).toBe(2);
  });

  test('one whose slot is used again has one place in the queue, not two', () => {
    const { stage, slots } = crowd();
    stage.turn([OP_WATCH, slots[2]! * 2, -ECONNRESET]);
    const slot = stage.acceptFrom(4);
    expect(slot).toBe(slots[2]);
    stage.turn([OP_RECV, slot * 2, 7, HELD]);
    expect(stage.engine.state.spoken.count).toBe(2);
  });

  test('where a worker has no part of a small pending_max, those it has are served one by one', () => {
    const stage = peeking();
    const slots = [1, 1, 1].map((from) => stage.acceptFrom(from));
    // As in the second of two workers when all of them together have one.
    stage.change((draft) => (draft.settings.pendingMax[0] = 0));
    stage.turn(...slots.map((slot) => [OP_RECV, slot * 2, 7, HELD] as const));
    for (const slot of slots) {
      expect([stage.pending(OP_CONNECT, slot * 2 + 1)?.op, stage.engine.state.connecting]).toEqual([OP_CONNECT, 1]);
      stage.turn([OP_CONNECT, slot * 2 + 1, 0]);
    }
  });

  test('who was reset in the turn in which it spoke is not served, whoever has its slot', () => {
    const stage = peeking();
    stage.accept(50);
    const { state } = stage.engine;
    stage.turn([OP_RECV, CLIENT, 7, HELD]);
    state.heard.push(0);
    stage.turn();
    expect(stage.pending(OP_CONNECT, SERVER)?.to).toBe('10.0.0.2:80');
  });
});

describe('dummy', () => {
  test('the answer goes to the client, then the end, without a server', () => {
    const stage = dummy({ servers: 0 });
    stage.accept(50);
    stage.turn([OP_RECV, CLIENT, 70, HELD]);
    const sent = stage.pending(OP_SEND, CLIENT);
    const text = bytesAt(stage, sent?.offset, sent?.length);
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\nContent-Length: 15\r\nContent-Type: text\/html\r\n\r\n.{15}$/);
    stage.loop.unsentBytes = 90;
    stage.turn([OP_SEND, CLIENT, DUMMY_ANSWER.length]);
    expect([stage.loop.ended, stage.loop.closed, stage.loop.released]).toEqual([[50], [], [HELD]]);
    stage.loop.unsentBytes = 0;
    stage.sleep(20);
    expect([stage.loop.closed, stage.count('closedOrderly')]).toEqual([[[50, CLOSE_ORDERLY]], 1]);
    expect([connectionsUsed(stage.tables), stage.engine.state.wheel.count]).toEqual([0, 0]);
  });

  test('a client that says nothing before it ends is told nothing', () => {
    const stage = dummy();
    stage.accept(50);
    stage.turn([OP_RECV, CLIENT, 0]);
    expect([stage.loop.closed, stage.count('closedOrderly')]).toEqual([[[50, CLOSE_ORDERLY]], 1]);
  });

  test('a client that is gone before its answer is', () => {
    const stage = dummy();
    stage.accept(50);
    stage.turn([OP_RECV, CLIENT, 70, HELD]);
    stage.turn([OP_SEND, CLIENT, -ECONNRESET]);
    expect([stage.loop.closed, stage.loop.released]).toEqual([[[50, CLOSE_ABORT]], [HELD]]);
  });

  test('a client that does not take its answer is cut off after ten seconds', () => {
    const stage = dummy();
    stage.accept(50);
    stage.turn([OP_RECV, CLIENT, 70, HELD]);
    stage.sleep(9900);
    expect(stage.loop.cancelled.size).toBe(0);
    stage.sleep(200);
    stage.finishCancelled();
    expect([stage.loop.closed, stage.count('closedIdle')]).toEqual([[[50, CLOSE_ABORT]], 1]);
  });

  test('who is denied goes to the abuse server all the same', () => {
    const stage = new Stage({
      configure: (draft) => {
        draft.farms.flags[0] = FARM_F_DUMMY;
        draft.farms.clientAcl[0] = 1;
        writeWords(draft, [[], ['deny 127.0.0.1']]);
        draft.farms.abuseServer[0] = ABUSE;
      },
    });
    const slot = stage.acceptFrom(1);
    stage.turn([OP_RECV, slot * 2, 70, HELD]);
    expect(stage.pending(OP_CONNECT, slot * 2 + 1)?.to).toBe('10.0.0.100:80');
  });
});
