/** What the engine writes down of what clients say. */
import { expect, test } from 'vitest';
import { endpointText } from '../base/endpoint.ts';
import { ECONNREFUSED } from '../base/errno.ts';
import { OP_CONNECT, OP_RECV, OP_SEND } from '../loop/loop.ts';
import { createEndingRing, readEnding, type Ending } from '../table/endings.ts';
import { openRecordRing } from '../table/records.ts';
import {
  createRequestRing,
  requestMs,
  requestPeerAt,
  requestServer,
  requestTextAt,
  requestTextLength,
} from '../table/requests.ts';
import type { ConfigBank } from '../table/tables.ts';
import { TAKEN_BUFFERS } from './relay.ts';
import { REASON_ORDERLY, REASON_REFUSED } from './states.ts';
import { CLIENT, SERVER, SMALL, Stage } from './stage.suite.ts';

const AT = 2 * SMALL;

function stageWith(logText: number) {
  const ring = openRecordRing(createRequestRing());
  const stage = new Stage({ requests: ring, configure: ({ settings }) => (settings.logText[0] = logText) });
  const logged = (): string[] => {
    const texts: string[] = [];
    ring.drain((at) => {
      const from = requestTextAt(at);
      texts.push(Buffer.from(ring.u8.subarray(from, from + requestTextLength(ring, at))).toString('latin1'));
      expect(requestServer(ring, at)).toBe(stage.engine.state.server[0]);
      expect(requestMs(ring, at)).toBe(stage.engine.state.nowMs);
      const { peer } = stage.tables.connections;
      expect(endpointText(ring.u8, requestPeerAt(at))).toBe(endpointText(peer, 0));
      return true;
    });
    return texts;
  };
  /** Bytes of a side arrive in one small buffer. */
  const hear = (side: number, text: string): void => {
    stage.loop.arena.set(Buffer.from(text, 'latin1'), AT);
    stage.turn([OP_RECV, side, text.length, AT]);
  };
  const want = (value: number): void => stage.change(({ settings }) => void (settings.logText[0] = value));
  return { stage, ring, logged, hear, want };
}

test('the first line of each receive from a client is logged when its server stands, and nothing of servers', () => {
  const { stage, logged, hear } = stageWith(10);
  stage.accept(50);
  hear(CLIENT, 'early\r\nHost: x');
  expect(logged()).toEqual([]);
  stage.turn([OP_CONNECT, SERVER, 0]);
  expect(logged()).toEqual(['early']);
  stage.turn([OP_SEND, SERVER, 14]);
  hear(SERVER, 'answer');
  stage.turn([OP_SEND, CLIENT, 6]);
  hear(CLIENT, 'a longer line than that');
  expect(logged()).toEqual(['a longer l']);
  stage.turn([OP_SEND, SERVER, 23]);
  hear(CLIENT, '\nsecond');
  expect(logged()).toEqual(['']);
});

test('only while that is wanted', () => {
  const { stage, logged, hear, want } = stageWith(0);
  stage.open();
  hear(CLIENT, 'before');
  stage.turn([OP_SEND, SERVER, 6]);
  want(100);
  hear(CLIENT, 'meanwhile');
  stage.turn([OP_SEND, SERVER, 9]);
  want(0);
  hear(CLIENT, 'afterwards');
  expect(logged()).toEqual(['meanwhile']);
});

test('clients are lent no pipe, which nobody could look into; servers are', () => {
  const { stage, logged } = stageWith(100);
  stage.loop.pipesLeft = 2;
  stage.open();
  for (let i = 0; i < TAKEN_BUFFERS; i++) {
    stage.turn([OP_RECV, CLIENT, SMALL, AT], [OP_RECV, SERVER, SMALL, AT]);
    stage.turn([OP_SEND, CLIENT, SMALL], [OP_SEND, SERVER, SMALL]);
  }
  const { pipe, bigBuffer } = stage.engine.state;
  expect([pipe[CLIENT], pipe[SERVER]]).toEqual([0, 2]);
  expect(bigBuffer[CLIENT]).not.toBe(0);
  expect(logged().length).toBe(TAKEN_BUFFERS);
});

test('what is in a pipe that was lent before counts as lost', () => {
  const { stage, ring, logged, want } = stageWith(0);
  stage.loop.pipesLeft = 1;
  stage.open();
  for (let i = 0; i < TAKEN_BUFFERS; i++) {
    stage.turn([OP_RECV, CLIENT, SMALL, AT]);
    stage.turn([OP_SEND, SERVER, SMALL]);
  }
  expect(stage.pending(OP_RECV, CLIENT)?.pipe).toBe(1);
  want(100);
  stage.turn([OP_RECV, CLIENT, 300_000]);
  expect([logged(), ring.dropped()]).toEqual([[], 1]);
  for (let sent = stage.pending(OP_SEND, SERVER); sent; sent = stage.pending(OP_SEND, SERVER)) {
    stage.turn([OP_SEND, SERVER, sent.length ?? 0]);
  }
  expect(stage.pending(OP_RECV, CLIENT)).toBeDefined();
  expect(stage.engine.state.isBulk(CLIENT)).toBe(false);
  stage.turn([OP_RECV, CLIENT, 3, AT]);
  expect(ring.dropped()).toBe(1);
});

test('a connection is told of when it has ended: who, with whom, how long, how much and why', () => {
  const endings = openRecordRing(createEndingRing());
  const stage = new Stage({ endings, configure: ({ settings }) => (settings.isTelling[0] = 1) });
  const told = (): Ending[] => {
    const all: Ending[] = [];
    endings.drain((at) => all.push(readEnding(endings, at)) > 0);
    return all;
  };
  stage.accept(50);
  const { startedMs, server } = stage.engine.state;
  const [began, row] = [startedMs[0], server[0]];
  stage.sleep(7);
  stage.turn([OP_CONNECT, SERVER, 0]);
  stage.loop.arena.fill(1, AT, AT + 10);
  stage.turn([OP_RECV, CLIENT, 10, AT]);
  stage.turn([OP_SEND, SERVER, 10]);
  stage.turn([OP_RECV, SERVER, 20, AT]);
  stage.turn([OP_SEND, CLIENT, 20]);
  expect(told()).toEqual([]);
  stage.sleep(5);
  stage.turn([OP_RECV, CLIENT, 0], [OP_RECV, SERVER, 0]);
  expect(told()).toEqual([
    {
      server: row,
      reason: REASON_ORDERLY,
      farm: 0,
      startedMs: began,
      openedMs: began + 7,
      endedMs: began + 12,
      bytesUp: 10,
      bytesDown: 20,
      connection: 0,
      failovers: 0,
      port: 0,
    },
  ]);
});

test('a connection that never sought a server has tried none, whoever had its row before', () => {
  const endings = openRecordRing(createEndingRing());
  const configure = ({ settings }: ConfigBank): void => void (settings.isTelling[0] = 1);
  const stage = new Stage({ endings, sourceMax: 1, parkedMax: 0, configure });
  const told: number[] = [];
  const listen = (): void =>
    void endings.drain((at) => told.push(readEnding(endings, at).reason, readEnding(endings, at).failovers) > 0);
  stage.acceptFrom(9);
  const slot = stage.acceptFrom(50);
  stage.turn([OP_CONNECT, slot * 2 + 1, -ECONNREFUSED]);
  stage.turn([OP_CONNECT, slot * 2 + 1, 0]);
  stage.turn([OP_RECV, slot * 2, 0], [OP_RECV, slot * 2 + 1, 0]);
  listen();
  expect(told.splice(0)).toEqual([REASON_ORDERLY, 1]);
  stage.acceptFrom(9);
  listen();
  expect(told).toEqual([REASON_REFUSED, 0]);
});
