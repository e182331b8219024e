/** Whose turn it is: limits per source, parked connections, access lists, and what is remembered of clients. */
import { describe, expect, test } from 'vitest';
import { ECONNREFUSED, ECONNRESET } from '../base/errno.ts';
import { writeWords } from '../control/access-lists.suite.ts';
import { CLOSE_ABORT, OP_ACCEPT, OP_CONNECT, OP_RECV, OP_SEND, OP_WATCH } from '../loop/loop.ts';
import { ClientPage, clientsOf, readClients } from '../table/clients.ts';
import { lane } from '../table/columns.ts';
import { WORKERS_MAX } from '../table/limits.ts';
import { FARM_F_ROUND_ROBIN } from '../table/schema.ts';
import { connectionsParked, connectionsUsed, inFlightOf, requestStop, STOP_ORDERLY } from '../table/shared.ts';
import { giveSource, servedOf, takeSource } from '../table/sources.ts';
import type { ConfigBank } from '../table/tables.ts';
import { trafficDown, trafficUp } from '../table/traffic.ts';
import { ABUSE, EMERGENCY, FIRST_SERVER, SMALL, Stage } from './stage.suite.ts';
import { CONNECTING, FREE, OPEN, PARKED } from './states.ts';

const OTHER_WORKER = 5;

function states(stage: Stage, ...slots: number[]): number[] {
  return slots.map((slot) => stage.engine.state.state[slot]!);
}

/** Both sides end in order. */
function finish(stage: Stage, slot: number): void {
  if (stage.engine.state.state[slot] === CONNECTING) stage.turn([OP_CONNECT, slot * 2 + 1, 0]);
  stage.turn([OP_RECV, slot * 2, 0], [OP_RECV, slot * 2 + 1, 0]);
  stage.finishCancelled();
}

/** Everything that is counted is given back. */
function expectNothingHeld(stage: Stage): void {
  const { state } = stage.engine;
  expect([connectionsUsed(stage.tables), connectionsParked(stage.tables), state.used, state.parking.count]).toEqual([
    0, 0, 0, 0,
  ]);
  expect([state.connections, state.descriptors, state.wheel.count]).toEqual([0, 0, 0]);
  const servers = [EMERGENCY, ABUSE, FIRST_SERVER, FIRST_SERVER + 1];
  expect(servers.map((server) => inFlightOf(stage.tables, server))).toEqual([0, 0, 0, 0]);
}

/** List 1 permits 127.0.0.`last` and nobody else; it is the farm's. */
function permitOnly(last: number): (draft: ConfigBank) => void {
  return (draft) => {
    writeWords(draft, [[], [`permit 127.0.0.${last}`]]);
    draft.farms.clientAcl[0] = 1;
  };
}

describe('the limit of a source', () => {
  test('those beyond it wait unread and without a server, others are served', () => {
    const stage = new Stage({ sourceMax: 2 });
    const slots = [1, 1, 1, 1, 2].map((from) => stage.acceptFrom(from));
    expect(states(stage, ...slots)).toEqual([CONNECTING, CONNECTING, PARKED, PARKED, CONNECTING]);
    const parked = slots[2]! * 2;
    expect([stage.pending(OP_RECV, parked), stage.pending(OP_CONNECT, parked + 1)]).toEqual([undefined, undefined]);
    expect(stage.pending(OP_WATCH, parked), 'that it leaves is noticed').toBeDefined();
    expect([connectionsUsed(stage.tables), connectionsParked(stage.tables)]).toEqual([3, 2]);
    expect([lane(stage.tables.gauges.used, 0), lane(stage.tables.gauges.parked, 0)]).toEqual([3, 2]);
    expect([stage.count('accepted'), stage.count('parked')]).toEqual([5, 2]);
  });

  test('a place that is freed is the next one’s, in the order in which they came', () => {
    const stage = new Stage({ sourceMax: 1 });
    const [first, second, third] = [1, 1, 1].map((from) => stage.acceptFrom(from)) as [number, number, number];
    finish(stage, first);
    expect(states(stage, second, third)).toEqual([CONNECTING, PARKED]);
    expect(stage.pending(OP_RECV, second * 2), 'it is read now').toBeDefined();
    finish(stage, second);
    expect(states(stage, third)).toEqual([CONNECTING]);
    finish(stage, third);
    expectNothingHeld(stage);
    expect([stage.count('closedOrderly'), stage.count('parked')]).toEqual([3, 2]);
  });

  test('one that comes when a place is free waits behind those who were there before', () => {
    const stage = new Stage({ sourceMax: 1 });
    const [first, second] = [1, 1].map((from) => stage.acceptFrom(from)) as [number, number];
    // Another worker takes the place that is freed here, and frees it again: nobody tells this worker.
    const { peer } = stage.tables.connections;
    stage.engine.state.parking.isSweepDue = false;
    finish(stage, first);
    expect(states(stage, second)).toEqual([CONNECTING]);
    const third = stage.acceptFrom(1);
    const source = stage.engine.state.source[second]!;
    giveSource(stage.tables, OTHER_WORKER, source);
    expect(servedOf(stage.tables, source)).toBe(0);
    const fourth = stage.acceptFrom(1);
    expect(states(stage, third, fourth)).toEqual([CONNECTING, PARKED]);
    // The books of the place given away above are set right again.
    takeSource(stage.tables, OTHER_WORKER, peer, stage.engine.state.peerAt(second), 128, 0);
    for (const slot of [second, third, fourth]) finish(stage, slot);
    expectNothingHeld(stage);
  });

  test('one that another worker frees is noticed within 250 ms, and without parked ones nobody looks', () => {
    const stage = new Stage({ sourceMax: 1 });
    const { peer } = stage.tables.connections;
    const first = stage.acceptFrom(1);
    const source = takeSource(stage.tables, OTHER_WORKER, peer, stage.engine.state.peerAt(first), 128, 0);
    const second = stage.acceptFrom(1);
    finish(stage, first);
    expect(states(stage, second), 'the other worker has the place').toEqual([PARKED]);
    giveSource(stage.tables, OTHER_WORKER, source);
    stage.sleep(270);
    expect(states(stage, second)).toEqual([CONNECTING]);
    expect(stage.engine.state.wheel.isSet(stage.engine.state.timerParking)).toBe(false);
  });

  test('when nobody more may be parked, who comes is reset at once and counted', () => {
    const stage = new Stage({ sourceMax: 1, parkedMax: 1 });
    const slots = [1, 1].map((from) => stage.acceptFrom(from));
    expect(stage.acceptFrom(1)).toBe(-1);
    expect(stage.endings()).toEqual([CLOSE_ABORT]);
    expect([stage.count('refused'), stage.count('parked'), stage.count('accepted')]).toEqual([1, 1, 3]);
    for (const slot of slots) finish(stage, slot);
    expectNothingHeld(stage);
  });

  test('a parked client that resets, or waits longer than an idle one may, is ended', () => {
    const stage = new Stage({ sourceMax: 1, idleTimeoutMs: 2000 });
    const [first, second, third] = [1, 1, 1].map((from) => stage.acceptFrom(from)) as [number, number, number];
    stage.turn([OP_WATCH, second * 2, -ECONNRESET]);
    expect(states(stage, second, third)).toEqual([FREE, PARKED]);
    stage.sleep(1500);
    stage.turn([OP_RECV, first * 2, 1, SMALL]);
    stage.turn([OP_CONNECT, first * 2 + 1, 0]);
    stage.turn([OP_SEND, first * 2 + 1, 1]);
    stage.sleep(550);
    stage.finishCancelled();
    expect(states(stage, first, third)).toEqual([OPEN, FREE]);
    expect([stage.count('closedAbort'), stage.count('closedIdle')]).toEqual([1, 1]);
    finish(stage, first);
    expectNothingHeld(stage);
  });

  test('a new idle limit holds for those who are parked, too', () => {
    const stage = new Stage({ sourceMax: 1 });
    const [, second] = [1, 1].map((from) => stage.acceptFrom(from)) as [number, number];
    stage.sleep(5000);
    stage.change((draft) => (draft.farms.idleTimeoutMs[0] = 6000));
    stage.turn();
    stage.sleep(900);
    expect(states(stage, second)).toEqual([PARKED]);
    stage.sleep(200);
    stage.finishCancelled();
    expect(states(stage, second)).toEqual([FREE]);
  });

  test('a higher limit, or none, lets those in who wait; a lower one waits for who leaves', () => {
    const stage = new Stage({ sourceMax: 1, connMax: 16, pendingMax: 16 });
    const slots = [1, 1, 1, 1].map((from) => stage.acceptFrom(from));
    const raise = (limit: number): void => {
      stage.change((draft) => (draft.settings.sourceMax[0] = limit));
      stage.turn();
      // Room that an accept had reserved is asked back, and used in the turn in which it is free.
      stage.finishCancelled();
    };
    raise(2);
    expect(states(stage, ...slots)).toEqual([CONNECTING, CONNECTING, PARKED, PARKED]);
    raise(0);
    expect(states(stage, ...slots)).toEqual([CONNECTING, CONNECTING, CONNECTING, CONNECTING]);
    raise(3);
    const fifth = stage.acceptFrom(1);
    finish(stage, slots[0]!);
    expect(states(stage, fifth)).toEqual([PARKED]);
    finish(stage, slots[1]!);
    expect(states(stage, fifth)).toEqual([CONNECTING]);
  });

  test('never more than conn_max are served, although accepts have reserved room that those who wait could use', () => {
    const stage = new Stage({ sourceMax: 1, connMax: 3, pendingMax: 16 });
    const slots = [1, 1, 1].map((from) => stage.acceptFrom(from));
    stage.turn([OP_ACCEPT, 0, 0]);
    expect([connectionsUsed(stage.tables), stage.pending(OP_ACCEPT, 0)?.max]).toEqual([1, 1]);
    stage.change((draft) => (draft.settings.sourceMax[0] = 0));
    stage.turn();
    const rest = 'the accept may bring another at any moment';
    expect(states(stage, ...slots), rest).toEqual([CONNECTING, CONNECTING, PARKED]);
    const fourth = stage.acceptFrom(2);
    expect([connectionsUsed(stage.tables), states(stage, fourth)[0]]).toEqual([3, CONNECTING]);
    stage.finishCancelled();
    expect(connectionsUsed(stage.tables)).toBe(3);
    expect(states(stage, ...slots)).toEqual([CONNECTING, CONNECTING, PARKED]);
    finish(stage, fourth);
    expect(states(stage, ...slots)).toEqual([CONNECTING, CONNECTING, CONNECTING]);
  });

  test('never more than pending_max of those who waited seek a server, although accepts have reserved room', () => {
    const stage = new Stage({ sourceMax: 1, connMax: 16, pendingMax: 16 });
    const first = stage.acceptFrom(1);
    const rest = [1, 1, 1].map((from) => stage.acceptFrom(from));
    stage.change((draft) => {
      draft.settings.sourceMax[0] = 0;
      draft.settings.pendingMax[0] = 2;
    });
    stage.turn();
    stage.finishCancelled();
    expect(states(stage, first, ...rest)).toEqual([CONNECTING, CONNECTING, PARKED, PARKED]);
    expect(stage.engine.state.connecting + stage.engine.state.acceptor.reserved).toBe(2);
    stage.turn([OP_CONNECT, first * 2 + 1, 0]);
    stage.finishCancelled();
    expect(states(stage, first, ...rest)).toEqual([OPEN, CONNECTING, CONNECTING, PARKED]);
  });

  test('where a worker has no part of a small pending_max, those who wait in it are served one by one', () => {
    const stage = new Stage({ sourceMax: 1, connMax: 16, pendingMax: 16 });
    const [first, ...rest] = [1, 1, 1].map((from) => stage.acceptFrom(from)) as [number, number, number];
    // As in the second of two workers when all of them together have one.
    stage.change((draft) => {
      draft.settings.sourceMax[0] = 0;
      draft.settings.pendingMax[0] = 0;
    });
    stage.turn();
    stage.finishCancelled();
    let last = first;
    for (const slot of rest) {
      expect(states(stage, slot)).toEqual([PARKED]);
      stage.turn([OP_CONNECT, last * 2 + 1, 0]);
      expect([states(stage, slot), stage.engine.state.connecting]).toEqual([[CONNECTING], 1]);
      last = slot;
    }
  });

  test('does not bind those it trusts', () => {
    const trust = permitOnly(1);
    const stage = new Stage({
      sourceMax: 1,
      configure: (draft) => {
        trust(draft);
        draft.farms.clientAcl[0] = 0;
        draft.settings.trustedAcl[0] = 1;
      },
    });
    const slots = [1, 1, 1, 2, 2].map((from) => stage.acceptFrom(from));
    expect(states(stage, ...slots)).toEqual([CONNECTING, CONNECTING, CONNECTING, CONNECTING, PARKED]);
  });

  test('a stop ends those who wait, too', () => {
    const stage = new Stage({ sourceMax: 1 });
    for (const from of [1, 1, 1]) stage.acceptFrom(from);
    requestStop(stage.tables, STOP_ORDERLY);
    stage.turn();
    stage.finishCancelled();
    expectNothingHeld(stage);
    expect(stage.count('closedStop')).toBe(3);
  });

  test('many who wait for servers that are all down are answered as fast as they can be closed', () => {
    const stage = new Stage({ sourceMax: 1, servers: 1, parkedMax: 20, connMax: 20, pendingMax: 20 });
    const slots = Array.from({ length: 20 }, () => stage.acceptFrom(1));
    stage.turn([OP_CONNECT, slots[0]! * 2 + 1, -ECONNREFUSED]);
    for (let turns = 0; turns < 20; turns++) stage.finishCancelled();
    expect(stage.count('unserved')).toBe(20);
    expectNothingHeld(stage);
  });
});

describe('access', () => {
  test('who is denied is reset when there is no abuse server, and no emergency server is asked', () => {
    const permit = permitOnly(1);
    const stage = new Stage({
      configure: (draft) => {
        permit(draft);
        draft.farms.emergencyServer[0] = EMERGENCY;
      },
    });
    const first = stage.acceptFrom(1);
    expect(stage.acceptFrom(2)).toBe(-1);
    expect([stage.count('denied'), stage.count('unserved')]).toEqual([1, 0]);
    expect(stage.endings()).toEqual([CLOSE_ABORT]);
    finish(stage, first);
    expectNothingHeld(stage);
  });

  test('with an abuse server goes there and nowhere else, even when the farm loses it meanwhile', () => {
    const permit = permitOnly(1);
    const stage = new Stage({
      configure: (draft) => {
        permit(draft);
        draft.farms.emergencyServer[0] = EMERGENCY;
        draft.farms.abuseServer[0] = ABUSE;
      },
    });
    const slot = stage.acceptFrom(2);
    expect(stage.pending(OP_CONNECT, slot * 2 + 1)?.to).toBe('10.0.0.100:80');
    stage.change((draft) => (draft.farms.abuseServer[0] = 0));
    stage.turn([OP_CONNECT, slot * 2 + 1, -ECONNREFUSED]);
    stage.finishCancelled();
    expect(stage.count('unserved')).toBe(1);
    expectNothingHeld(stage);
  });
});

describe('clients', () => {
  const tracked = (draft: ConfigBank): void => {
    draft.farms.clientsMax[0] = 100;
  };

  function clientsIn(stage: Stage): { server: number; connects: number; sent: number; received: number }[] {
    const page = new ClientPage(10);
    readClients(stage.tables, WORKERS_MAX, 0, 1, page);
    return Array.from({ length: page.count }, (_, i) => ({
      server: page.servers[i]!,
      connects: page.connects[i]!,
      sent: page.sent[i]!,
      received: page.received[i]!,
    }));
  }

  test('are remembered with the server they were sent to last', () => {
    const stage = new Stage({ configure: tracked });
    const first = stage.acceptFrom(1);
    expect(clientsIn(stage)).toMatchObject([{ server: 2, connects: 1 }]);
    stage.turn([OP_CONNECT, first * 2 + 1, -ECONNREFUSED]);
    expect(clientsIn(stage)).toMatchObject([{ server: 1, connects: 1 }]);
    const second = stage.acceptFrom(1);
    expect(stage.pending(OP_CONNECT, second * 2 + 1)?.to).toBe('10.0.0.1:80');
    expect(clientsIn(stage)).toMatchObject([{ server: 1, connects: 2 }]);
  });

  test('and with none after the emergency server', () => {
    const stage = new Stage({
      servers: 1,
      configure: (draft) => {
        tracked(draft);
        draft.farms.emergencyServer[0] = EMERGENCY;
      },
    });
    const first = stage.acceptFrom(1);
    stage.turn([OP_CONNECT, first * 2 + 1, -ECONNREFUSED]);
    expect(clientsIn(stage)).toMatchObject([{ server: 0 }]);
  });

  test('both they and the servers are credited with what was received, when the connection ends', () => {
    const stage = new Stage({ configure: tracked });
    const slot = stage.acceptFrom(1);
    stage.turn([OP_RECV, slot * 2, 5, SMALL]);
    stage.turn([OP_CONNECT, slot * 2 + 1, -ECONNREFUSED]);
    stage.turn([OP_CONNECT, slot * 2 + 1, 0]);
    stage.turn([OP_SEND, slot * 2 + 1, 5]);
    stage.turn([OP_RECV, slot * 2 + 1, 70, SMALL]);
    stage.turn([OP_SEND, slot * 2, 70]);
    expect(clientsIn(stage)).toMatchObject([{ sent: 0, received: 0 }]);
    finish(stage, slot);
    expect(clientsIn(stage)).toMatchObject([{ sent: 70, received: 5 }]);
    const rows = [FIRST_SERVER, FIRST_SERVER + 1];
    expect(rows.map((row) => [trafficUp(stage.tables, row), trafficDown(stage.tables, row)])).toEqual([
      [5, 70],
      [0, 0],
    ]);
  });

  test('a server that never stood is not credited with what was meant for it', () => {
    const stage = new Stage({ servers: 1, configure: tracked });
    const slot = stage.acceptFrom(1);
    stage.turn([OP_RECV, slot * 2, 5, SMALL]);
    stage.turn([OP_CONNECT, slot * 2 + 1, -ECONNREFUSED]);
    stage.finishCancelled();
    expect(trafficUp(stage.tables, FIRST_SERVER)).toBe(0);
    expect(clientsIn(stage)).toMatchObject([{ sent: 0, received: 5 }]);
  });

  test('one whose row is somebody else’s by now is credited with nothing', () => {
    const stage = new Stage({ configure: (draft) => (draft.farms.clientsMax[0] = 1) });
    const first = stage.acceptFrom(1);
    stage.turn([OP_CONNECT, first * 2 + 1, 0]);
    stage.acceptFrom(2);
    stage.turn([OP_RECV, first * 2 + 1, 70, SMALL]);
    stage.turn([OP_SEND, first * 2, 70]);
    finish(stage, first);
    expect(clientsIn(stage)).toMatchObject([{ sent: 0, connects: 1 }]);
  });

  test('parked ones come when they are served', () => {
    const stage = new Stage({ sourceMax: 1, configure: tracked });
    const [first] = [1, 1].map((from) => stage.acceptFrom(from)) as [number, number];
    expect(clientsIn(stage)).toMatchObject([{ connects: 1 }]);
    finish(stage, first);
    expect(clientsIn(stage)).toMatchObject([{ connects: 2 }]);
  });

  test('nobody is remembered where nobody is to be', () => {
    const stage = new Stage();
    finish(stage, stage.acceptFrom(1));
    expect(clientsOf(stage.tables, 0)).toBe(0);
    expectNothingHeld(stage);
  });

  test('hard is for those whose last server it is, in round robin too', () => {
    const stage = new Stage({
      configure: (draft) => {
        tracked(draft);
        draft.farms.flags[0] = FARM_F_ROUND_ROBIN;
        for (const row of [FIRST_SERVER, FIRST_SERVER + 1]) {
          draft.servers.max[row] = 1;
          draft.servers.hard[row] = 2;
        }
      },
    });
    const to = [1, 1, 1, 2].map((from) => stage.pending(OP_CONNECT, stage.acceptFrom(from) * 2 + 1)?.to);
    // The third is turned away by 1, where its client is not remembered any more, and known to 0, where it was last.
    expect(to).toEqual(['10.0.0.2:80', '10.0.0.1:80', '10.0.0.1:80', undefined]);
  });
});
