/** What is told about one of several farms, and done to its servers. */
import { expect, test } from 'vitest';
import { ENDPOINT_SIZE, KIND_IPV4, writeEndpoint } from '../base/endpoint.ts';
import { viewOfFarm, withFarm } from '../config/farms.ts';
import { DEFAULT_SETTINGS, EMPTY_CONFIGURATION, serverAt, type Configuration } from '../config/model.ts';
import { ClientVisit, rememberServer, touchClient } from '../table/clients.ts';
import { configAt, currentVersion } from '../table/publish.ts';
import { CONNECTION_OPEN } from '../table/schema.ts';
import { blacklist, blacklistedUntil, countConnect } from '../table/shared.ts';
import { createTables, openTables } from '../table/tables.ts';
import { addTraffic } from '../table/traffic.ts';
import { controlledBalancer } from './actions.ts';
import { tableFacts } from './facts.ts';
import { publish, rowsInForce } from './publisher.ts';

const NOW_MS = 1_000_000;
const LISTEN = { kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 81 } as const;

const server = (last: number) => serverAt({ kind: KIND_IPV4, ip: Uint8Array.of(10, 0, 0, last), port: 80 });

/** Farm `a` has two servers and an emergency server, the one without a name has one. */
function stage() {
  const tables = openTables(createTables());
  const unnamed = { ...EMPTY_CONFIGURATION, servers: [server(1)], settings: { ...DEFAULT_SETTINGS, connMax: 100 } };
  let configuration: Configuration = withFarm(unnamed, 'a', {
    ...viewOfFarm(unnamed, 'a'),
    listen: [{ text: '127.0.0.1:81', endpoint: LISTEN }],
    servers: [server(2), server(3)],
    emergency: server(4),
    settings: { ...unnamed.settings, clientsMax: 7, blacklist: 5 },
  });
  publish(tables, configuration, [], { descriptorMax: 100 });
  const change = (next: Configuration): void => {
    publish(tables, next, [], { descriptorMax: 100 }, configuration);
    configuration = next;
  };
  tables.workers.slotEnd[0] = 64;
  const facts = tableFacts({
    tables,
    pid: 17,
    version: '1.2.3',
    loop: 'sim',
    nowMs: () => NOW_MS,
    wallTime: () => ({ seconds: 5000, text: 'now' }),
    configuration: () => configuration,
  });
  const rows = rowsInForce(tables).farms.get('a')!;
  const connect = (slot: number, farm: number, row: number): void => {
    tables.connections.state[slot] = CONNECTION_OPEN;
    tables.connections.farm[slot] = farm;
    tables.connections.server[slot] = row;
    tables.sides.bytesIn.set([20, 300], slot * 2);
  };
  const visit = (farm: number, last: number, index: number): void => {
    const record = new Uint8Array(ENDPOINT_SIZE);
    writeEndpoint({ kind: KIND_IPV4, ip: Uint8Array.of(10, 1, 0, last), port: 5 }, record, 0);
    const visit = new ClientVisit();
    touchClient(tables, configAt(tables, currentVersion(tables)), 0, farm, record, 0, NOW_MS, visit);
    rememberServer(tables, 0, visit.row, visit.generation, index + 1);
  };
  return { tables, facts, rows, connect, visit, change, configuration: () => configuration };
}

test('servers of a farm have its numbers', () => {
  const { tables, facts, rows, connect } = stage();
  countConnect(tables, rows.servers[1]!);
  addTraffic(tables, 0, rows.servers[1]!, 1, 2);
  connect(3, rows.row, rows.servers[1]!);
  blacklist(tables, rows.emergency, NOW_MS / 100 + 20);
  const a = facts.farm('a').servers(0, 2);
  expect(a(0)).toMatchObject({ connects: 0, sent: 0 });
  expect(a(1)).toMatchObject({ connects: 1, sent: 21, received: 302 });
  expect(a(2)).toMatchObject({ connects: 0, sent: 0 });
  expect(facts.farm('a').servers(-1, -2)(-1)).toMatchObject({ blacklisted: 2, failed_at: 5000 + 2 - 5 });
  expect(facts.farm('a').servers(-1, -2)(-2)).toMatchObject({ blacklisted: 0 });
  expect(facts.servers(0, 1)(1), 'the one without a name has no such server').toMatchObject({ connects: 0 });
  expect(facts.servers(-1, -2)(-1)).toMatchObject({ blacklisted: 0 });
});

test('connections of a farm are its own; those of the process are all', () => {
  const { tables, facts, rows, connect } = stage();
  connect(3, rows.row, rows.servers[1]!);
  connect(4, 0, 3);
  connect(5, rows.row, rows.emergency);
  expect(facts.connections(0, 9)).toEqual([3, 4, 5]);
  expect([facts.farm('a').connections(0, 9), facts.farm('a').connections(4, 9)]).toEqual([[3, 5], [5]]);
  expect(facts.farm('b').connections(0, 9)).toEqual([]);
  expect(facts.connection(3)).toMatchObject({ farm: 'a', server: 1 });
  expect(facts.connection(4)).toMatchObject({ farm: '', server: 0 });
  expect(facts.farm('a').connection(4), 'as one that nobody uses').toEqual({ ...facts.connection(6), connection: 4 });
  expect(facts.farm('b').connection(3)).toMatchObject({ state: 0 });
  expect(facts.connection(5)).toMatchObject({ farm: 'a', server: -1 });
  expect(facts.connection(6)).toMatchObject({ farm: '', state: 0 });
  tables.sides.fd.set([7, 8, 9, 10], 3 * 2);
  expect([7, 10].map((fd) => facts.connectionOf(fd))).toEqual([3, 4]);
  expect([7, 10].map((fd) => facts.farm('a').connectionOf(fd))).toEqual([3, -1]);
});

test('the count of connections is of the farm alone, and those of one that is gone are nobody else’s', () => {
  const { facts, rows, connect, change, configuration } = stage();
  connect(3, rows.row, rows.servers[1]!);
  connect(4, 0, 3);
  connect(5, rows.row, rows.emergency);
  const counts = (): number[] => ['a', 'b'].map((name) => facts.farm(name).connectionCount());
  expect([facts.connectionCount(), ...counts()]).toEqual([1, 2, 0]);
  change({ ...configuration(), farms: new Map() });
  expect([facts.connectionCount(), ...counts()]).toEqual([1, 0, 0]);
  expect(facts.connections(0, 9)).toEqual([3, 4, 5]);
});

test('clients and what is in force are those of the farm', () => {
  const { facts, rows, visit } = stage();
  visit(rows.row, 1, 1);
  visit(0, 2, 0);
  const addresses = (name: string): string[] => [...facts.farm(name).clients(9)].flat().map(({ address }) => address);
  expect([addresses('a'), addresses(''), addresses('b')]).toEqual([['10.1.0.1'], ['10.1.0.2'], []]);
  expect(facts.farm('a').process()?.row).toMatchObject({ current: 1, clients_max: 7, listen: '127.0.0.1:81' });
  expect(facts.process()?.row).toMatchObject({ current: 0, clients_max: 2048, listen: '' });
  expect(facts.farm('b').process()?.row).toMatchObject({ current: 0, clients_max: 2048, listen: '' });
  expect([facts.farm('a').limits(), facts.limits()]).toMatchObject([{ clientsMax: 7 }, { clientsMax: 2048 }]);
});

test('a farm that is gone is told of as long as it has connections; who gets its rows begins at 0', () => {
  const { tables, facts, rows, connect, change, configuration } = stage();
  connect(3, rows.row, rows.servers[1]!);
  addTraffic(tables, 0, rows.servers[0]!, 1, 2);
  expect(facts.farm('a').servers(0, 0)(0).sent).toBe(1);
  const before = configuration();
  change({ ...before, farms: new Map() });
  expect(facts.connection(3)).toMatchObject({ farm: 'a', server: 1 });
  expect(facts.farm('a').servers(0, 0)(0).sent).toBe(0);
  tables.connections.state[3] = 0;
  change({ ...configuration(), farms: new Map([['b', before.farms.get('a')!]]) });
  expect(rowsInForce(tables).farms.get('b')).toMatchObject({ row: rows.row, servers: rows.servers });
  expect(facts.farm('b').servers(0, 0)(0)).toMatchObject({ sent: 0, received: 0 });
});

test('a server is passed over in the farm that is named', async () => {
  const { tables, rows, configuration } = stage();
  const controlled = controlledBalancer(
    {
      tables,
      configuration: configuration(),
      apply: () => Promise.resolve(),
      prepare: () => Promise.reject(new Error('nothing is prepared')),
      wake: () => undefined,
    },
    { nowMs: () => NOW_MS, exit: () => undefined, writeStatistics: () => Promise.resolve() },
  );
  const until = (row: number): number => blacklistedUntil(tables, row);
  await controlled.act({ kind: 'blacklist', farm: 'a', server: 1, seconds: 60 });
  expect([until(rows.servers[1]!), until(rows.servers[0]!), until(3), until(4)].slice(0, 3)).toEqual([10_600, 0, 0]);
  await controlled.act({ kind: 'blacklist', server: 0, seconds: 60 });
  expect([until(3), until(rows.servers[0]!)]).toEqual([10_600, 0]);
  await controlled.act({ kind: 'blacklist', farm: 'b', server: 0, seconds: 60 });
  expect(until(0)).toBe(0);
});
