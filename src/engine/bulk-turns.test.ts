/** Whose bulk step is next, looked at turn by turn. */
import { expect, test } from 'vitest';
import { ECONNRESET } from '../base/errno.ts';
import { OP_CONNECT, OP_RECV, OP_SEND, OP_WATCH } from '../loop/loop.ts';
import { BIG_SIZE } from './big-buffers.ts';
import { TAKEN_BUFFERS } from './relay.ts';
import { SMALL, Stage } from './stage.suite.ts';

/** Opens `count` connections (servers first descriptor 100), and lets the server of each earn a big buffer. */
function openBulk(stage: Stage, count: number): void {
  stage.accept(...Array.from({ length: count }, (_, i) => 50 + i));
  const servers = Array.from({ length: count }, (_, i) => 2 * i + 1);
  stage.turn(...servers.map((server) => [OP_CONNECT, server, 0] as const));
  for (let read = 0; read < TAKEN_BUFFERS; read++) {
    stage.turn(...servers.map((server) => [OP_RECV, server, SMALL, SMALL * (server + (read % 2) + 1)] as const));
    stage.turn(...servers.map((server) => [OP_SEND, server ^ 1, SMALL] as const));
  }
}

test('bulk takes turns: one step of one direction in each, and nobody sleeps meanwhile', () => {
  const stage = new Stage();
  openBulk(stage, 2);
  expect([1, 3].map((server) => stage.pending(OP_RECV, server)?.length)).toEqual([BIG_SIZE, undefined]);
  expect(stage.deadlineUs, 'comes back at once').toBe(stage.nowMs * 1000);
  stage.turn();
  expect(stage.pending(OP_RECV, 3)?.length).toBe(BIG_SIZE);
  expect(stage.deadlineUs).toBeGreaterThan(stage.nowMs * 1000);

  stage.turn(
    [OP_RECV, 1, 100_000, stage.pending(OP_RECV, 1)!.offset!],
    [OP_RECV, 3, 100_000, stage.pending(OP_RECV, 3)!.offset!],
  );
  expect([0, 2].map((client) => stage.pending(OP_SEND, client)?.length)).toEqual([100_000, undefined]);
  stage.turn([OP_SEND, 0, 100_000]);
  expect(stage.pending(OP_SEND, 2)?.length, 'waited longer than the next receive of the other').toBe(100_000);
  expect(stage.pending(OP_RECV, 1)).toBeUndefined();
  stage.turn();
  expect(stage.pending(OP_RECV, 1)?.length).toBe(BIG_SIZE);
});

test('small pieces do not wait for bulk to have its turn, nor does the short end of bulk', () => {
  const stage = new Stage();
  openBulk(stage, 2);
  stage.turn([OP_RECV, 0, 100, 9 * SMALL], [OP_RECV, 2, 100, 10 * SMALL]);
  expect([1, 3].map((server) => stage.pending(OP_SEND, server)?.length)).toEqual([100, 100]);
  const [first, second] = [1, 3].map((server) => stage.pending(OP_RECV, server)!.offset!);
  stage.turn([OP_RECV, 1, 50, first], [OP_RECV, 3, 50, second]);
  expect([0, 2].map((client) => stage.pending(OP_SEND, client)?.length)).toEqual([50, 50]);
});

test('a connection that ends while its bulk waits is closed after its turn, which costs the others none', () => {
  const stage = new Stage();
  openBulk(stage, 2);
  stage.turn();
  const [first, second] = [1, 3].map((server) => stage.pending(OP_RECV, server)!.offset!);
  // In one turn: both have bytes to send, and the client that would be second aborts.
  stage.turn([OP_RECV, 1, 100_000, first], [OP_RECV, 3, 100_000, second], [OP_RECV, 2, -ECONNRESET]);
  expect(stage.pending(OP_SEND, 0)).toBeDefined();
  expect(stage.loop.closed).toEqual([]);
  stage.turn();
  expect(stage.loop.closed.map(([fd]) => fd)).toEqual([51, 101]);
  expect(stage.engine.state.big.lent).toBe(1);
});

test('what waits for a side that takes no bytes any more is dropped, and its big buffer comes back', () => {
  const stage = new Stage();
  openBulk(stage, 2);
  stage.turn();
  const [first, second] = [1, 3].map((server) => stage.pending(OP_RECV, server)!.offset!);
  // The client sends, its server does not take it, so the client is watched; then it aborts.
  stage.turn([OP_RECV, 2, 100, 9 * SMALL]);
  stage.sleep(1200);
  expect(stage.pending(OP_WATCH, 2)).toBeDefined();
  stage.turn([OP_RECV, 1, 100_000, first], [OP_RECV, 3, 100_000, second], [OP_WATCH, 2, -ECONNRESET]);
  expect(stage.engine.state.big.lent).toBe(2);
  stage.turn();
  expect(stage.pending(OP_SEND, 2)).toBeUndefined();
  expect([stage.engine.state.held[3], stage.engine.state.big.lent]).toEqual([0, 1]);
  expect(stage.loop.closed, 'its stream may still end in order').toEqual([]);
});
