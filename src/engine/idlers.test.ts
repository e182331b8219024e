/** Idlers: how many there are, that they leave room to clients, and that a server that refuses them is left in peace. */
import { expect, test } from 'vitest';
import { ENDPOINT_SIZE } from '../base/endpoint.ts';
import { ECANCELED, ECONNREFUSED } from '../base/errno.ts';
import { CLOSE_ABORT, CLOSE_ORDERLY, OP_ACCEPT, OP_CONNECT, OP_RECV, STOP } from '../loop/loop.ts';
import { FARM_F_PRIO } from '../table/schema.ts';
import { blacklist, connectionsUsed, inFlightOf, placesTaken, requestStop, STOP_ABORT } from '../table/shared.ts';
import type { ConfigBank } from '../table/tables.ts';
import { EMERGENCY, FIRST_SERVER, SMALL, Stage, type Options } from './stage.suite.ts';

const FIRST_AT = FIRST_SERVER * ENDPOINT_SIZE;

function idling(count: number, options: Options = {}): Stage {
  return new Stage({
    ...options,
    configure: (draft) => {
      draft.settings.idlers[0] = count;
      draft.farms.flags[0] = FARM_F_PRIO;
      options.configure?.(draft);
    },
  });
}

/** All connects that are under way come to something. */
function settle(stage: Stage, result = 0): void {
  const sides = [...stage.loop.inFlight.values()].filter(({ op }) => op === OP_CONNECT).map(({ slot }) => slot);
  stage.turn(...sides.map((side) => [OP_CONNECT, side, result] as const));
}

const inFlight = (stage: Stage): number[] => [0, 1].map((index) => inFlightOf(stage.tables, FIRST_SERVER + index));

test('idlers are connected in turn, whatever the choice of clients is, and are read', () => {
  const stage = idling(3);
  settle(stage);
  expect([stage.engine.state.idlers, inFlight(stage)]).toEqual([3, [1, 2]]);
  expect([1, 3, 5].map((side) => stage.pending(OP_RECV, side)?.op)).toEqual([OP_RECV, OP_RECV, OP_RECV]);
  expect([connectionsUsed(stage.tables), stage.count('accepted'), stage.count('connected')]).toEqual([3, 0, 3]);
  expect(stage.pending(OP_ACCEPT, 0)?.max, 'what is left is for clients').toBe(5);
});

test('what a server says to an idler is forgotten', () => {
  const stage = idling(1);
  settle(stage);
  stage.turn([OP_RECV, 1, 100, 3 * SMALL]);
  expect([stage.loop.released, stage.pending(OP_RECV, 1)?.op, stage.engine.state.idlers]).toEqual([
    [3 * SMALL],
    OP_RECV,
    1,
  ]);
});

test('one that a server has ended is made again after a second', () => {
  const stage = idling(2);
  settle(stage);
  stage.turn([OP_RECV, 1, 0]);
  expect([stage.loop.closed, stage.engine.state.idlers]).toEqual([[[100, CLOSE_ORDERLY]], 1]);
  stage.sleep(900);
  expect(stage.engine.state.idlers).toBe(1);
  stage.sleep(200);
  stage.turn([OP_ACCEPT, 0, -ECANCELED]);
  settle(stage);
  expect([stage.engine.state.idlers, stage.pending(OP_ACCEPT, 0)?.max]).toEqual([2, 6]);
  expect([stage.count('closedOrderly'), stage.count('unserved')], 'no client has ended').toEqual([0, 0]);
});

test('servers that refuse are asked once a second', () => {
  const stage = idling(2, { servers: 1 });
  settle(stage, -ECONNREFUSED);
  expect([stage.engine.state.idlers, connectionsUsed(stage.tables), stage.count('connectFailed')]).toEqual([0, 0, 2]);
  stage.change((draft) => (draft.farms.blacklistMs[0] = 0));
  for (let second = 1; second <= 5; second++) {
    stage.sleep(1020);
    if (stage.loop.cancelled.size > 0) stage.finishCancelled();
  }
  expect(stage.count('unserved')).toBe(0);
  expect(placesTaken(stage.tables)).toBeLessThanOrEqual(8);
});

test('where one cannot be had, no other is tried in the same turn', () => {
  const stage = idling(6, { servers: 1, configure: (draft) => (draft.servers.max[FIRST_SERVER] = 3) });
  settle(stage);
  expect(stage.engine.state.idlers, 'one place is left to a client').toBe(2);
  const tries = (): number => stage.tables.connections.generation.reduce((sum, generation) => sum + generation, 0);
  const before = tries();
  stage.sleep(1020);
  if (stage.loop.cancelled.size > 0) stage.finishCancelled();
  expect(tries() - before).toBe(1);
});

test('fewer are wanted: those with the lowest numbers are closed', () => {
  const stage = idling(3);
  settle(stage);
  stage.change((draft) => (draft.settings.idlers[0] = 1));
  stage.turn();
  stage.finishCancelled();
  expect([stage.loop.closed, stage.engine.state.idlers]).toEqual([
    [
      [100, CLOSE_ORDERLY],
      [101, CLOSE_ORDERLY],
    ],
    1,
  ]);
  stage.sleep(2000);
  expect(stage.engine.state.idlers).toBe(1);
});

test('they leave a place to clients, and one goes whenever the last is taken', () => {
  const stage = idling(10, { connMax: 4 });
  settle(stage);
  expect([stage.engine.state.idlers, stage.pending(OP_ACCEPT, 0)?.max]).toEqual([3, 1]);
  for (const left of [2, 1, 0]) {
    stage.accept(50 + left);
    stage.turn([OP_ACCEPT, 0, 0]);
    stage.finishCancelled();
    expect([left, stage.engine.state.idlers, stage.pending(OP_ACCEPT, 0)?.max]).toEqual([left, left, 1]);
    settle(stage);
  }
  stage.accept(60);
  stage.turn([OP_ACCEPT, 0, 0]);
  expect([connectionsUsed(stage.tables), stage.pending(OP_ACCEPT, 0)]).toEqual([4, undefined]);
});

test('they leave a place to the clients of each listener, also when another comes', () => {
  const stage = idling(10, { connMax: 4 });
  settle(stage);
  stage.change((draft) => {
    draft.listeners.fd[1] = 4;
    draft.settings.listenerCount[0] = 2;
  });
  for (let round = 0; round < 3; round++) {
    stage.finishCancelled();
    settle(stage);
    stage.sleep(1020);
  }
  stage.finishCancelled();
  expect([stage.engine.state.idlers, stage.pending(OP_ACCEPT, 0)?.max, stage.pending(OP_ACCEPT, 1)?.max]).toEqual([
    2, 1, 1,
  ]);
});

test('accepts that have reserved all room give it back, once a second at most, and clients go on', () => {
  const stage = new Stage({ connMax: 4 });
  expect(stage.pending(OP_ACCEPT, 0)?.max).toBe(4);
  stage.change((draft) => (draft.settings.idlers[0] = 2));
  stage.turn();
  stage.turn([OP_ACCEPT, 0, -ECANCELED]);
  settle(stage);
  expect([stage.engine.state.idlers, stage.pending(OP_ACCEPT, 0)?.max]).toEqual([2, 2]);
});

test('a server that says more than 1 MiB to one is left, and has another after a second', () => {
  const stage = idling(1);
  settle(stage);
  for (let i = 0; i < 64; i++) stage.turn([OP_RECV, 1, SMALL, 3 * SMALL]);
  expect([stage.engine.state.idlers, stage.loop.closed]).toEqual([1, []]);
  stage.turn([OP_RECV, 1, 1, 3 * SMALL]);
  expect([stage.engine.state.idlers, stage.loop.closed]).toEqual([0, [[100, CLOSE_ORDERLY]]]);
  expect(stage.loop.released, 'no buffer is kept').toHaveLength(65);
  stage.sleep(1020);
  stage.finishCancelled();
  settle(stage);
  expect([stage.engine.state.idlers, stage.pending(OP_RECV, 1)?.op]).toEqual([1, OP_RECV]);
});

test('the emergency server has none, whoever fails', () => {
  const stage = idling(2, { configure: (draft) => (draft.farms.emergencyServer[0] = EMERGENCY) });
  for (const left of [1, 0]) {
    settle(stage, -ECONNREFUSED);
    expect([stage.engine.state.idlers, inFlightOf(stage.tables, EMERGENCY)]).toEqual([left, 0]);
  }
  expect(connectionsUsed(stage.tables)).toBe(0);
});

test.each([
  ['is taken away', (draft: ConfigBank) => draft.servers.endpoint.fill(0, FIRST_AT, FIRST_AT + ENDPOINT_SIZE)],
  ['moves', (draft: ConfigBank) => (draft.servers.endpoint[FIRST_AT + ENDPOINT_SIZE - 1] = 7)],
])('one whose server %s is closed; what else changes is no reason', (_what, change) => {
  const stage = idling(3);
  settle(stage);
  stage.change((draft) => (draft.servers.max[FIRST_SERVER] = 20));
  stage.turn();
  expect(stage.engine.state.idlers).toBe(3);
  stage.change(change);
  stage.turn();
  stage.finishCancelled();
  expect(stage.loop.closed).toEqual([[101, CLOSE_ORDERLY]]);
});

test('a table that idlers fill is no pause: they make room', () => {
  const stage = idling(10, { connMax: 4 });
  settle(stage);
  for (const left of [2, 1, 0]) {
    stage.accept(50 + left);
    stage.turn([OP_ACCEPT, 0, 0]);
    expect(stage.count('pausedFull'), `${left} idlers are left`).toBe(0);
    stage.finishCancelled();
    settle(stage);
  }
  stage.accept(60);
  stage.turn([OP_ACCEPT, 0, 0]);
  expect([stage.engine.state.idlers, stage.count('pausedFull')]).toEqual([0, 1]);
});

/** Two idlers at the one server, which has three places. */
function crowded(): Stage {
  const stage = idling(6, { servers: 1, configure: (draft) => (draft.servers.max[FIRST_SERVER] = 3) });
  settle(stage);
  return stage;
}

test('at a server with a limit each leaves its place before a client is turned away, and none is taken twice', () => {
  const stage = crowded();
  stage.accept(50, 51, 52);
  expect(inFlight(stage)[0]).toBe(3);
  stage.finishCancelled();
  stage.sleep(40);
  settle(stage);
  expect([inFlight(stage)[0], stage.engine.state.idlers, stage.count('connected')]).toEqual([3, 0, 5]);
  stage.finishCancelled();
  stage.accept(53);
  stage.finishCancelled();
  expect([stage.count('unserved'), stage.engine.state.idlersAt[FIRST_SERVER]], 'the server is full').toEqual([1, 0]);
});

test('a client whose idler is slow to leave waits for it', () => {
  const stage = crowded();
  stage.accept(50, 51);
  stage.sleep(500);
  expect([inFlight(stage)[0], stage.count('unserved')]).toEqual([3, 0]);
  stage.finishCancelled();
  stage.sleep(40);
  expect([stage.count('unserved'), stage.loop.closed.length]).toEqual([0, 2]);
  settle(stage);
  expect(stage.count('connected')).toBe(4);
});

test('nobody waits for an idler whose server may not be tried', () => {
  const stage = crowded();
  stage.change((draft) => (draft.farms.blacklistMs[0] = 30_000));
  blacklist(stage.tables, FIRST_SERVER, 2 ** 30);
  stage.turn();
  stage.finishCancelled();
  stage.accept(50, 51);
  expect([stage.count('unserved'), stage.engine.state.idlers]).toEqual([2, 2]);
});

test('idlers end with Pen', () => {
  const stage = idling(2);
  settle(stage);
  requestStop(stage.tables, STOP_ABORT);
  stage.turn();
  stage.finishCancelled();
  expect(stage.deadlineUs).toBe(STOP);
  expect(stage.loop.closed.map(([, how]) => how)).toEqual([CLOSE_ABORT, CLOSE_ABORT]);
  expect([connectionsUsed(stage.tables), placesTaken(stage.tables), stage.engine.state.wheel.count]).toEqual([0, 0, 0]);
});
