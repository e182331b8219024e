import { describe, expect, test } from 'vitest';
import { ENDPOINT_SIZE, KIND_IPV4, PEER_SIZE, KIND_UNIX, writeEndpoint, type Endpoint } from '../base/endpoint.ts';
import { DEFAULT_SETTINGS, EMPTY_CONFIGURATION, serverAt } from '../config/model.ts';
import { parseAclEntry } from '../config/access-list.ts';
import { ClientVisit, creditClient, rememberServer, touchClient } from '../table/clients.ts';
import { addTo } from '../table/columns.ts';
import { beginPublish, commitPublish, configAt, currentVersion } from '../table/publish.ts';
import {
  CONNECTION_CONNECTING,
  CONNECTION_DRAINING,
  CONNECTION_ENDING,
  CONNECTION_OPEN,
  CONNECTION_PARKED,
  SIDE_ENDED,
} from '../table/schema.ts';
import {
  blacklist,
  blacklistedUntil,
  clearBlacklist,
  requestClose,
  shun,
  takeCloseRequest,
  takeConnection,
  takeInFlight,
} from '../table/shared.ts';
import { createTables, openTables } from '../table/tables.ts';
import { addTraffic } from '../table/traffic.ts';
import { controlledBalancer } from './actions.ts';
import { mayControl } from './control-access.ts';
import { tableFacts } from './facts.ts';
import { ABUSE_ROW, EMERGENCY_ROW, FIRST_SERVER_ROW } from './farm-rows.ts';
import { publish } from './publisher.ts';

const NOW_MS = 1_000_000;
const WALL_S = 1_800_000_000;

/** Tables of a balancer of two workers, with slots 0 to 63 and 64 to 127. */
function stage() {
  const tables = openTables(createTables());
  const configuration = {
    ...EMPTY_CONFIGURATION,
    settings: { ...DEFAULT_SETTINGS, connMax: 100 },
    servers: [serverAt({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 80 })],
    acls: EMPTY_CONFIGURATION.acls.with(4, [parseAclEntry(['permit', '10.0.0.0/8'], '')]),
  };
  const limits = { descriptorMax: 100 };
  const [server] = configuration.servers;
  const larger = { ...configuration, servers: [server, server, server, server] };
  publish(tables, larger, [], limits);
  publish(tables, configuration, [], limits, larger);
  tables.sides.fd.fill(-1, 0, 256);
  tables.workers.slotFirst.set([0, 64]);
  tables.workers.slotEnd.set([64, 128]);
  const clock = { nowMs: NOW_MS };
  const facts = tableFacts({
    tables,
    pid: 17,
    version: '1.2.3',
    loop: 'sim',
    nowMs: () => clock.nowMs,
    wallTime: () => ({ seconds: WALL_S, text: 'now' }),
    configuration: () => configuration,
  });
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
  return { tables, configuration, facts, clock, connect, visit };
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
    const factsOf = facts.servers(0, 2);
    expect(factsOf(0)).toMatchObject({ connections: 1, sent: 51, received: 622 });
    expect(factsOf(1)).toMatchObject({ connections: 0, sent: 20, received: 300 });
    expect(factsOf(2)).toMatchObject({ connections: 0, sent: 0, received: 0 });
  });
});

describe('a server that failed', () => {
  test('tells when, on the clock of people, and for how much longer it is passed over', () => {
    const { tables, facts, clock } = stage();
    blacklist(tables, FIRST_SERVER_ROW, NOW_MS / 100 + 300 - 20);
    shun(tables, EMERGENCY_ROW, NOW_MS / 100 + 605);
    expect(facts.servers(0, 0)(0)).toMatchObject({ failed_at: WALL_S - 2, blacklisted: 28 });
    expect(facts.servers(-1, -2)(-1)).toMatchObject({ failed_at: WALL_S + 30, blacklisted: 61 });
    expect(facts.servers(-1, -2)(-2)).toMatchObject({ failed_at: 0, blacklisted: 0 });
    clock.nowMs += 60_000;
    expect(facts.servers(0, 0)(0), 'nothing has worked since').toMatchObject({ failed_at: WALL_S - 2, blacklisted: 0 });
    clearBlacklist(tables, FIRST_SERVER_ROW);
    expect(facts.servers(0, 0)(0)).toMatchObject({ failed_at: 0 });
  });
});

test('bytes of a server never become fewer, whatever a worker does while main reads', () => {
  const { tables, facts, connect } = stage();
  const told = (): number => facts.servers(0, 0)(0).sent;
  connect(3, {});
  expect(told()).toBe(20);
  // It has ended, and its bytes are not credited yet.
  connect(3, { state: CONNECTION_ENDING });
  expect(told()).toBe(20);
  addTraffic(tables, 0, FIRST_SERVER_ROW, 20, 300);
  expect(told()).toBe(20);
  connect(3, {});
  expect(told()).toBe(40);
});

test('the process tells the sums of its workers, and who came last', () => {
  const { tables, facts, clock, connect, visit } = stage();
  addTo(tables.counters.accepted, 0, 3);
  addTo(tables.counters.accepted, 1, 4);
  for (let i = 0; i < 2; i++) takeConnection(tables);
  const { row, generation } = visit({ kind: KIND_IPV4, ip: Uint8Array.of(10, 0, 0, 1), port: 5 }, 10);
  visit({ kind: KIND_IPV4, ip: Uint8Array.of(10, 0, 0, 2), port: 5 }, 9);
  expect(facts.process()?.row.current, 'nobody has a server yet').toBe(0);
  rememberServer(tables, 0, row, generation, 5);
  expect(facts.process()?.row.current, 'another one came later').toBe(0);
  visit({ kind: KIND_IPV4, ip: Uint8Array.of(10, 0, 0, 1), port: 5 }, 8);
  connect(70, {});
  connect(3, {});
  tables.connections.startedMs[70] = 9;
  tables.connections.startedMs[3] = 5;
  clock.nowMs += 5500;
  const { localTime, row: told } = facts.process() ?? {};
  expect(localTime).toBe('now');
  expect(told).toMatchObject({ pid: 17, version: '1.2.3', loop: 'sim', workers: 1, listen: '', uptime: 5 });
  expect(told).toMatchObject({ time: WALL_S, current: 4, last: 70, used: 2, accepted: 7, conn_max: 100 });
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
      { client: 1, address: '127.0.0.2', age: 2, server: -3, connects: 1, sent: 300, received: 20 },
      { client: 2, address: 'unix', age: 1, server: -3, connects: 1, sent: 0, received: 0 },
    ]);
    expect([...facts.clients(400)].flat()[0]).toMatchObject({ address: '127.0.0.1', sent: 7, received: 8 });
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
    expect(facts.connection(70)).toMatchObject({ state: told, downfd: 1140, upfd: 1141, client: 4, server: 0 });
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
    const unused = { state: 0, downfd: -1, upfd: -1, client: 0, server: 0 };
    for (const number of [0, 99]) expect(facts.connection(number)).toMatchObject(unused);
    for (const number of [-1, 100, 2 ** 18, 2 ** 31 - 1, -(2 ** 31)]) expect(facts.connection(number)).toBeUndefined();
    connect(100, {});
    expect(facts.connection(100)?.state, 'beyond conn_max, but there').toBe(2);
  });

  test('tells what it holds, what it has moved, and for how long', () => {
    const { tables, facts, connect } = stage();
    connect(3, {});
    tables.sides.heldLength.set([900, 5000], 6);
    tables.sides.sentLength.set([900, 1000], 6);
    tables.connections.startedMs[3] = NOW_MS - 61_500;
    tables.connections.progressMs[3] = NOW_MS - 999;
    tables.connections.peer.set([KIND_IPV4, 0, 0x12, 0x34], 3 * PEER_SIZE);
    tables.connections.peer.set([10, 0, 0, 9], 3 * PEER_SIZE + 8 + 12);
    expect(facts.connection(3)).toMatchObject({ pending_up: 0, pending_down: 4000, bytes_up: 20, bytes_down: 300 });
    expect(facts.connection(3)).toMatchObject({ age: 61, idle: 0, address: '10.0.0.9:4660' });
  });

  test('is listed page by page, over all workers', () => {
    const { facts, connect } = stage();
    for (const slot of [3, 5, 70, 71]) connect(slot, {});
    expect([facts.connections(0, 3), facts.connections(71, 3), facts.connections(72, 3)]).toEqual([
      [3, 5, 70],
      [71],
      [],
    ]);
  });

  test('is found by its descriptors', () => {
    const { facts, connect } = stage();
    connect(70, {});
    expect(facts.connections(0, 5)).toEqual([70]);
    expect([1140, 1141, 1139, 0, -1].map((fd) => facts.connectionOf(fd))).toEqual([70, 70, -1, -1, -1]);
  });
});

describe('actions', () => {
  const controlled = ({ tables, configuration }: ReturnType<typeof stage>, woken: number[] = []) =>
    controlledBalancer(
      {
        tables,
        configuration,
        apply: () => Promise.resolve(),
        prepare: () => Promise.reject(new Error('nothing is prepared')),
        wake: (worker) => void woken.push(worker),
      },
      { nowMs: () => NOW_MS, exit: () => void woken.push(-1), writeStatistics: () => Promise.resolve() },
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
  const from = (acl: number, address: string | undefined): boolean => {
    beginPublish(tables)!.settings.controlAcl[0] = acl;
    commitPublish(tables);
    return mayControl(tables, address);
  };
  expect(from(0, '192.0.2.1'), 'an empty list').toBe(true);
  expect([from(4, '10.1.2.3'), from(4, '192.0.2.1'), from(4, '::ffff:10.1.2.3')]).toEqual([true, false, true]);
  expect([from(4, 'fe80::1%eth0'), from(4, undefined), from(4, 'nonsense')]).toEqual([false, true, false]);
});
