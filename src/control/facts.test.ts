import { describe, expect, test } from 'vitest';
import { ENDPOINT_SIZE, KIND_IPV4, KIND_UNIX, writeEndpoint, type Endpoint } from '../base/endpoint.ts';
import { EMPTY_CONFIGURATION, serverAt } from '../config/model.ts';
import { parseAclEntry } from '../config/access-list.ts';
import { ClientVisit, creditClient, touchClient } from '../table/clients.ts';
import { configAt, currentVersion } from '../table/publish.ts';
import {
  CONNECTION_CONNECTING,
  CONNECTION_DRAINING,
  CONNECTION_ENDING,
  CONNECTION_OPEN,
  CONNECTION_PARKED,
  SIDE_ENDED,
} from '../table/schema.ts';
import { blacklistedUntil, requestClose, takeCloseRequest, takeInFlight } from '../table/shared.ts';
import { createTables, openTables } from '../table/tables.ts';
import { addTraffic } from '../table/traffic.ts';
import { controlledBalancer } from './actions.ts';
import { mayControl } from './control-access.ts';
import { tableFacts } from './facts.ts';
import { ABUSE_ROW, EMERGENCY_ROW, FIRST_SERVER_ROW, publish } from './publisher.ts';

const NOW_MS = 1_000_000;

/** Tables of a balancer of two workers, with slots 0 to 63 and 64 to 127. */
function stage() {
  const tables = openTables(createTables());
  const configuration = {
    ...EMPTY_CONFIGURATION,
    servers: [serverAt({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 80 })],
    acls: EMPTY_CONFIGURATION.acls.with(4, [parseAclEntry(['permit', '10.0.0.0/8'], '')]),
  };
  publish(tables, configuration, [], { descriptorMax: 100 });
  tables.sides.fd.fill(-1, 0, 256);
  tables.workers.slotFirst.set([0, 64]);
  tables.workers.slotEnd.set([64, 128]);
  const facts = tableFacts({ tables, pid: 17, nowMs: () => NOW_MS, connMax: () => 100 });
  const connect = (slot: number, row: Partial<Record<'state' | 'server' | 'client', number>>): void => {
    tables.connections.state[slot] = row.state ?? CONNECTION_OPEN;
    tables.connections.server[slot] = row.server ?? FIRST_SERVER_ROW;
    tables.connections.client[slot] = row.client ?? 0;
    tables.sides.fd.set([slot * 2 + 1000, slot * 2 + 1001], slot * 2);
    tables.sides.bytesIn.set([20, 300], slot * 2);
  };
  const visit = (endpoint: Endpoint, agoMs: number): ClientVisit => {
    const record = new Uint8Array(ENDPOINT_SIZE);
    writeEndpoint(endpoint, record, 0);
    const visit = new ClientVisit();
    touchClient(tables, configAt(tables, currentVersion(tables)), 0, 0, record, 0, NOW_MS - agoMs, visit);
    return visit;
  };
  return { tables, configuration, facts, connect, visit };
}

describe('servers', () => {
  test('have the bytes of finished connections and of those that run', () => {
    const { tables, facts, connect } = stage();
    addTraffic(tables, 0, FIRST_SERVER_ROW, 1, 2);
    addTraffic(tables, 1, FIRST_SERVER_ROW, 10, 20);
    connect(3, {});
    connect(70, { state: CONNECTION_DRAINING });
    connect(5, { server: FIRST_SERVER_ROW + 1 });
    // Of these the bytes are credited already, or were not sent to a server.
    connect(6, { state: CONNECTION_ENDING });
    connect(7, { state: CONNECTION_CONNECTING });
    takeInFlight(tables, FIRST_SERVER_ROW, 0);
    const factsOf = facts.servers();
    expect(factsOf(0)).toEqual({ inFlight: 1, sent: 51, received: 622 });
    expect(factsOf(1)).toEqual({ inFlight: 0, sent: 20, received: 300 });
    expect(factsOf(2)).toEqual({ inFlight: 0, sent: 0, received: 0 });
  });
});

describe('clients', () => {
  test('are those that came lately, with the bytes of what runs', () => {
    const { tables, facts, connect, visit } = stage();
    const first = visit({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 5 }, 400_000);
    const second = visit({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 2), port: 6 }, 2000);
    visit({ kind: KIND_UNIX, path: '' }, 1000);
    creditClient(tables, 0, first.row, first.generation, 7, 8);
    connect(1, { client: second.row });
    expect([...facts.clients(300)].flat()).toEqual([
      { address: '127.0.0.2', connects: 1, sent: 300, received: 20 },
      { address: 'unix', connects: 1, sent: 0, received: 0 },
    ]);
    expect([...facts.clients(400)].flat()[0]).toEqual({ address: '127.0.0.1', connects: 1, sent: 7, received: 8 });
    expect([...facts.clients(0)].flat()).toEqual([]);
  });

  test('are all told, however many there are', () => {
    const { facts, visit } = stage();
    for (let i = 0; i < 2000; i++) visit({ kind: KIND_IPV4, ip: Uint8Array.of(10, 1, i >> 8, i & 255), port: 1 }, 0);
    expect(new Set([...facts.clients(1)].flat().map(({ address }) => address)).size).toBe(2000);
  });
});

describe('a connection', () => {
  test.each([
    ['connecting', CONNECTION_CONNECTING, 1],
    ['open', CONNECTION_OPEN, 2],
    ['draining', CONNECTION_DRAINING, 2],
    ['parked', CONNECTION_PARKED, 32],
  ])('that is %s', (_, state, told) => {
    const { facts, connect } = stage();
    connect(70, { state, client: 5 });
    expect(facts.connection(70)).toEqual({ state: told, downFd: 1140, upFd: 1141, client: 4, server: 0 });
  });

  test('tells whose end was seen', () => {
    const { tables, facts, connect } = stage();
    connect(0, {});
    tables.sides.marks[0] = SIDE_ENDED | 8;
    expect(facts.connection(0)?.state, 'client').toBe(2 + 8);
    tables.sides.marks[1] = SIDE_ENDED;
    expect(facts.connection(0)?.state, 'both').toBe(2 + 4 + 8);
    tables.sides.marks[0] = 8;
    expect(facts.connection(0)?.state, 'server').toBe(2 + 4);
  });

  test.each([
    [FIRST_SERVER_ROW + 3, 3],
    [EMERGENCY_ROW, -1],
    [ABUSE_ROW, -2],
    [0, -3],
  ])('at server row %d has server %d', (server, index) => {
    const { facts, connect } = stage();
    connect(0, { server });
    expect(facts.connection(0)?.server).toBe(index);
  });

  test('that is not in use, and one that cannot be', () => {
    const { facts, connect } = stage();
    const unused = { state: 0, downFd: -1, upFd: -1, client: 0, server: 0 };
    expect([facts.connection(0), facts.connection(99)]).toEqual([unused, unused]);
    for (const number of [-1, 100, 2 ** 18, 2 ** 31 - 1, -(2 ** 31)]) expect(facts.connection(number)).toBeUndefined();
    connect(100, {});
    expect(facts.connection(100)?.state, 'beyond conn_max, but there').toBe(2);
  });

  test('is found by its descriptors', () => {
    const { facts, connect } = stage();
    connect(70, {});
    expect(facts.connections()).toContain(70);
    expect([1140, 1141, 1139, 0, -1].map((fd) => facts.connectionOf(fd))).toEqual([70, 70, -1, -1, -1]);
  });
});

describe('actions', () => {
  const controlled = ({ tables, configuration }: ReturnType<typeof stage>, woken: number[] = []) =>
    controlledBalancer(
      { tables, configuration, apply: () => Promise.resolve(), wake: (worker) => void woken.push(worker) },
      { nowMs: () => NOW_MS, exit: () => void woken.push(-1) },
    );

  test('blacklist until a time, or no more', async () => {
    const staged = stage();
    await controlled(staged).act({ kind: 'blacklist', server: 0, seconds: 60 });
    expect(blacklistedUntil(staged.tables, FIRST_SERVER_ROW)).toBe(NOW_MS / 100 + 600);
    await controlled(staged).act({ kind: 'blacklist', server: 0, seconds: 0 });
    expect(blacklistedUntil(staged.tables, FIRST_SERVER_ROW)).toBe(0);
  });

  test('close asks the worker that owns the slot', async () => {
    const staged = stage();
    const woken: number[] = [];
    await controlled(staged, woken).act({ kind: 'close', connection: 70 });
    expect([takeCloseRequest(staged.tables, 0), takeCloseRequest(staged.tables, 1), woken]).toEqual([-1, 70, [1]]);
    await controlled(staged, woken).act({ kind: 'close', connection: 500 });
    expect(woken, 'nobody owns that one').toEqual([1]);
  });

  test('close waits until the one before is taken', async () => {
    const staged = stage();
    requestClose(staged.tables, 0, 1);
    const done = controlled(staged).act({ kind: 'close', connection: 2 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(takeCloseRequest(staged.tables, 0)).toBe(1);
    await done;
    expect(takeCloseRequest(staged.tables, 0)).toBe(2);
  });

  test('exit', async () => {
    const woken: number[] = [];
    await controlled(stage(), woken).act({ kind: 'exit' });
    expect(woken).toEqual([-1]);
  });
});

test('commands are taken from those whom the list permits', () => {
  const { tables } = stage();
  const from = (acl: number, address: string | undefined): boolean => mayControl(tables, acl, address);
  expect(from(0, '192.0.2.1'), 'an empty list').toBe(true);
  expect([from(4, '10.1.2.3'), from(4, '192.0.2.1'), from(4, '::ffff:10.1.2.3')]).toEqual([true, false, true]);
  expect([from(4, 'fe80::1%eth0'), from(4, undefined), from(4, 'nonsense')]).toEqual([false, true, false]);
});
