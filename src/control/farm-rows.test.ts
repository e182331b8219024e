import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Fd } from '../base/brand.ts';
import { ENDPOINT_SIZE, endpointText, KIND_IPV4 } from '../base/endpoint.ts';
import { parseAclEntry } from '../config/access-list.ts';
import { EMPTY_FARM, farmOf, UNNAMED, withFarm, viewOfFarm, type Farm } from '../config/farms.ts';
import { EMPTY_CONFIGURATION, serverAt, type Configuration, type ServerConfig } from '../config/model.ts';
import { touchClient, ClientVisit, clientsOf } from '../table/clients.ts';
import { FARMS_MAX, SERVERS_MAX } from '../table/limits.ts';
import { memberAt } from '../table/members.ts';
import { configAt, currentVersion, noteVersion, registerWorker, rowsUsed } from '../table/publish.ts';
import { CONNECTION_FREE, CONNECTION_OPEN } from '../table/schema.ts';
import { blacklist, blacklistedUntil, connectsOf, countConnect, moveCursor, readCursor } from '../table/shared.ts';
import { createTables, openTables, type ConfigBank, type Tables } from '../table/tables.ts';
import { addTraffic, trafficUp } from '../table/traffic.ts';
import { ABUSE_ROW, EMERGENCY_ROW, FIRST_SERVER_ROW } from './farm-rows.ts';
import { checkRows, publish, rowsInForce, type OpenListener } from './publisher.ts';

const LIMITS = { descriptorMax: 100 };

function server(number: number): ServerConfig {
  const ip = Uint8Array.of(10, number >> 16, (number >> 8) & 255, number & 255);
  return serverAt({ kind: KIND_IPV4, ip, port: 80 });
}

function serversFrom(first: number, count: number): ServerConfig[] {
  return Array.from({ length: count }, (_, index) => server(first + index));
}

/** A configuration with one farm as it is said. */
function having(state: Configuration, name: string, farm: Partial<Omit<Farm, 'settings'>>): Configuration {
  return withFarm(state, name, { ...viewOfFarm(state, name), ...farm });
}

function without(state: Configuration, name: string): Configuration {
  const farms = new Map(state.farms);
  farms.delete(name);
  return { ...state, farms };
}

function listener(farm: string): OpenListener {
  return { fd: 17 as Fd, endpoint: new Uint8Array(ENDPOINT_SIZE), farm };
}

/** Tables that configurations are published in one after the other. */
class Published {
  readonly tables: Tables = openTables(createTables());
  state: Configuration = EMPTY_CONFIGURATION;
  private previous: Configuration | undefined;

  publish(state: Configuration, listeners: readonly OpenListener[] = []): void {
    expect(publish(this.tables, state, listeners, LIMITS, this.previous)).toBe(true);
    this.state = this.previous = state;
  }

  get bank(): ConfigBank {
    return configAt(this.tables, currentVersion(this.tables));
  }

  row(farm: string): number {
    return rowsInForce(this.tables).farms.get(farm)!.row;
  }

  /** Rows of a farm's servers, as workers find them. */
  rows(farm: string): number[] {
    const { bank } = this;
    const row = this.row(farm);
    return Array.from({ length: bank.farms.serverCount[row]! }, (_, index) => memberAt(bank, row, index));
  }

  /** Addresses of a farm's servers, as workers find them, emergency and abuse server last. */
  addresses(farm: string): string[] {
    const { farms } = this.bank;
    const row = this.row(farm);
    return [...this.rows(farm), farms.emergencyServer[row]!, farms.abuseServer[row]!].map((at) => this.addressAt(at));
  }

  addressAt(row: number): string {
    return endpointText(this.bank.servers.endpoint, row * ENDPOINT_SIZE);
  }
}

describe('several farms', () => {
  const begun = (): Published => {
    const published = new Published();
    let state = having(EMPTY_CONFIGURATION, UNNAMED, { servers: serversFrom(0, 2) });
    state = having(state, 'a', { servers: serversFrom(100, 2), emergency: server(190) });
    state = having(state, 'b', { servers: serversFrom(200, 2) });
    published.publish(state);
    return published;
  };

  test('have their own servers', () => {
    const published = begun();
    expect(published.addresses(UNNAMED)).toEqual(['10.0.0.0:80', '10.0.0.1:80', 'none', 'none']);
    expect(published.addresses('a')).toEqual(['10.0.0.100:80', '10.0.0.101:80', '10.0.0.190:80', 'none']);
    expect(published.addresses('b')).toEqual(['10.0.0.200:80', '10.0.0.201:80', 'none', 'none']);
    expect(published.rows(UNNAMED)).toEqual([FIRST_SERVER_ROW, FIRST_SERVER_ROW + 1]);
  });

  test('keep their rows when one between others grows, and what is noted of their servers', () => {
    const published = begun();
    const before = ['a', 'b'].map((name) => published.rows(name));
    before[1]!.forEach((row) => blacklist(published.tables, row, 99));
    published.publish(having(published.state, 'a', { servers: serversFrom(100, 5) }));
    published.publish(having(published.state, UNNAMED, { servers: serversFrom(0, 3) }));
    expect(published.rows('a').slice(0, 2)).toEqual(before[0]);
    expect(published.rows('b')).toEqual(before[1]);
    expect(published.addresses('a').slice(0, 5)).toEqual(serversFrom(100, 5).map((_, i) => `10.0.0.${100 + i}:80`));
    expect(published.addresses(UNNAMED).slice(0, 3)).toEqual(['10.0.0.0:80', '10.0.0.1:80', '10.0.0.2:80']);
    expect(before[1]!.map((row) => blacklistedUntil(published.tables, row))).toEqual([99, 99]);
  });

  test('have their own settings', () => {
    const published = begun();
    const { settings } = viewOfFarm(published.state, 'b');
    published.publish(
      withFarm(published.state, 'b', {
        ...viewOfFarm(published.state, 'b'),
        settings: { ...settings, tracking: 7, clientsMax: 3, idleTimeout: 9 },
      }),
    );
    const { farms } = published.bank;
    const told = (name: string): (number | undefined)[] =>
      [farms.trackingMs, farms.clientsMax, farms.idleTimeoutMs].map((column) => column[published.row(name)]);
    expect(told('b')).toEqual([7000, 3, 9000]);
    expect([told('a'), told(UNNAMED)]).toEqual([
      [0, 2048, 0],
      [0, 2048, 0],
    ]);
  });

  test('have their own listeners', () => {
    const published = begun();
    published.publish(published.state, ['b', UNNAMED, 'a'].map(listener));
    const rows = ['b', UNNAMED, 'a'].map((name) => published.row(name));
    expect([...published.bank.listeners.farm.subarray(0, 3)]).toEqual(rows);
    expect(new Set(rows).size).toBe(3);
  });

  test('share the lists of access, and keep them when lists get other rows', () => {
    const published = begun();
    const entry = parseAclEntry(['permit', '10.0.0.0/8'], '');
    const named = (...names: string[]): Configuration['namedAcls'] => new Map(names.map((name) => [name, [entry]]));
    const guarded = (name: string, acl: string): Configuration =>
      having(published.state, name, { servers: [{ ...server(1), acl }], abuse: { ...server(2), acl } });
    published.publish({ ...published.state, namedAcls: named('x', 'y') });
    published.publish(guarded('a', 'y'));
    const acls = (): (number | undefined)[] =>
      [...published.rows('a'), published.bank.farms.abuseServer[published.row('a')]!].map(
        (row) => published.bank.servers.acl[row],
      );
    expect(acls()).toEqual([11, 11]);
    published.publish({ ...published.state, namedAcls: named('y') });
    expect(acls()).toEqual([10, 10]);
    expect(() => published.publish({ ...published.state, namedAcls: new Map() })).toThrow(
      "acl: list 'y' would be gone, but farm a abuse uses it",
    );
    expect(() => published.publish(guarded('b', 'z'))).toThrow("farm b abuse: there is no access list 'z'");
  });
});

describe('a farm that is gone', () => {
  const LATER = 1_000_000;

  /** A farm is gone that had a connection, a client and a history; a worker has seen neither. */
  function gone() {
    const published = new Published();
    const { tables } = published;
    registerWorker(tables, 0);
    const follow = (): void => noteVersion(tables, 0, currentVersion(tables));
    follow();
    published.publish(having(EMPTY_CONFIGURATION, UNNAMED, { servers: [server(1)] }));
    follow();
    published.publish(having(published.state, 'a', { servers: [server(2), server(3)] }), [listener('a')]);
    follow();
    const [row, rows] = [published.row('a'), published.rows('a')];
    tables.workers.slotEnd[0] = 10;
    tables.connections.state[4] = CONNECTION_OPEN;
    tables.connections.farm[4] = row;
    const peer = new Uint8Array(ENDPOINT_SIZE).fill(1);
    touchClient(tables, published.bank, 0, row, peer, 0, 1, new ClientVisit());
    moveCursor(tables, row, 0, 1);
    for (const each of rows) {
      countConnect(tables, each);
      addTraffic(tables, 0, each, 5, 6);
      blacklist(tables, each, LATER);
    }
    /** What is left of it. */
    const traces = (): number[] => [
      clientsOf(tables, row),
      readCursor(tables, row),
      ...rows.flatMap((each) => [connectsOf(tables, each), trafficUp(tables, each), blacklistedUntil(tables, each)]),
    ];
    const again = (name: string, listeners: readonly OpenListener[] = []): number => {
      follow();
      published.publish(having(published.state, name, { servers: [server(8)] }), listeners);
      return published.row(name);
    };
    return { published, tables, row, rows, follow, traces, again };
  }

  test('serves those who wait at its listeners, and has its rows until its last connection has ended', () => {
    const { published, tables, row, rows, follow, traces, again } = gone();
    const before = traces();
    published.publish(without(published.state, 'a'), [listener('a')]);
    expect(published.bank.listeners.farm[0]).toBe(row);
    expect([...Array(2).keys()].map((index) => memberAt(published.bank, row, index))).toEqual(rows);
    expect(rows.map((each) => published.addressAt(each))).toEqual(['10.0.0.2:80', '10.0.0.3:80']);
    tables.connections.state[4] = CONNECTION_FREE;
    expect(again('b', [listener('a')]), 'somebody may still come').not.toBe(row);
    follow();
    published.publish(published.state, [listener('a')]);
    tables.connections.state[4] = CONNECTION_OPEN;
    follow();
    published.publish(published.state, []);
    expect(again('c'), 'somebody is there').not.toBe(row);
    expect(rows.map((each) => published.addressAt(each))).toEqual(['10.0.0.2:80', '10.0.0.3:80']);
    expect(traces()).toEqual(before);
    tables.connections.state[4] = CONNECTION_FREE;
    expect(again('d')).toBe(row);
    expect(published.addresses('d')).toEqual(['10.0.0.8:80', 'none', 'none']);
    expect(rows).toContain(published.rows('d')[0]);
    expect(traces().every((trace) => trace === 0)).toBe(true);
  });

  test('keeps them while a connect to one of its servers is counted', () => {
    const { published, tables, row, rows, again } = gone();
    tables.connections.state[4] = CONNECTION_FREE;
    tables.servers.inFlight[rows[1]!] = 1;
    published.publish(without(published.state, 'a'), []);
    expect(again('b')).not.toBe(row);
    tables.servers.inFlight[rows[1]!] = 0;
    expect(again('c')).toBe(row);
  });

  test('that is made again is a new one', () => {
    const { published, row, rows, again } = gone();
    published.publish(without(published.state, 'a'), []);
    expect(again('a')).not.toBe(row);
    expect(rows).not.toContain(published.rows('a')[0]);
  });

  test('has the lists of access that it had, or serves nobody any more', () => {
    const { published, row, follow } = gone();
    const entry = parseAclEntry(['deny', '10.0.0.0/8'], '');
    const namedAcls = new Map(['x', 'y'].map((name) => [name, [entry]]));
    const settings = { ...EMPTY_FARM.settings, clientAcl: 'y' };
    const farms = new Map([['a', { ...farmOf(published.state, 'a'), settings }]]);
    published.publish({ ...published.state, farms, namedAcls });
    follow();
    const is = (): (number | undefined)[] =>
      [published.bank.farms.clientAcl, published.bank.farms.serverCount].map((column) => column[row]);
    expect(is()).toEqual([11, 2]);
    published.publish(without({ ...published.state, namedAcls: new Map([['y', [entry]]]) }, 'a'));
    follow();
    expect(is()).toEqual([10, 2]);
    published.publish({ ...published.state, namedAcls: new Map() });
    expect(is()).toEqual([0, 0]);
  });
});

describe('when there is no room', () => {
  test('for another farm, that is said, and nothing changes', () => {
    const published = new Published();
    const farms = new Map(Array.from({ length: FARMS_MAX - 1 }, (_, i) => [`f${i}`, EMPTY_FARM]));
    published.publish({ ...EMPTY_CONFIGURATION, farms });
    const more = having(published.state, 'more', { servers: [server(1)] });
    const reason = 'farm more: there is room for 256 farms, the one without a name included';
    expect(() => checkRows(published.tables, more, published.state)).toThrow(reason);
    expect(() => published.publish(more)).toThrow(reason);
    expect(published.rows('f7')).toEqual([]);
    published.publish(without(published.state, 'f7'));
    published.publish(having(published.state, 'more', {}));
    expect(new Set([...rowsInForce(published.tables).farms.values()].map(({ row }) => row)).size).toBe(FARMS_MAX);
  });

  test('for another server, neither', () => {
    const published = new Published();
    const count = SERVERS_MAX - FIRST_SERVER_ROW;
    published.publish(having(EMPTY_CONFIGURATION, 'a', { servers: serversFrom(0, count) }));
    const reason = 'server: there is room for 65532 servers of all farms together';
    expect(() => published.publish(having(published.state, UNNAMED, { servers: [server(1)] }))).toThrow(reason);
    expect(() => published.publish(having(published.state, 'b', { abuse: server(1) }))).toThrow(`farm b ${reason}`);
    published.publish(having(without(published.state, 'a'), UNNAMED, { abuse: server(1) }));
    published.publish(having(published.state, UNNAMED, { servers: [server(1)] }));
    expect(published.addresses(UNNAMED)).toEqual(['10.0.0.1:80', 'none', '10.0.0.1:80']);
    expect(rowsUsed(published.tables, 'servers')).toBe(FIRST_SERVER_ROW + 1);
  });
});

test('whatever comes and goes, each position names the right server, and no two farms share a row', () => {
  const step = fc.record({
    name: fc.constantFrom(UNNAMED, 'a', 'b', 'c', 'd'),
    isGone: fc.boolean(),
    servers: fc.nat(6),
    holes: fc.nat(3),
    hasEmergency: fc.boolean(),
    hasAbuse: fc.boolean(),
  });
  const published = new Published();
  let number = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      for (const { name, isGone, servers, holes, hasEmergency, hasAbuse } of steps) {
        const next = Array.from({ length: servers }, (_, i) => (i === holes ? undefined : server(number++ & 0xffff)));
        const farm = {
          servers: next,
          emergency: hasEmergency ? server(number++ & 0xffff) : undefined,
          abuse: hasAbuse ? server(number++ & 0xffff) : undefined,
        };
        published.publish(
          isGone && name !== UNNAMED ? without(published.state, name) : having(published.state, name, farm),
        );
        expectRight(published);
      }
    }),
    { numRuns: 200 },
  );
});

function expectRight(published: Published): void {
  const { bank, state } = published;
  const rows: number[] = [];
  for (const name of [UNNAMED, ...state.farms.keys()]) {
    const { servers, emergency, abuse } = farmOf(state, name);
    const wanted = [...servers, emergency, abuse].map((each) =>
      each ? `10.${[...(each.endpoint as { ip: Uint8Array }).ip].slice(1).join('.')}:80` : 'none',
    );
    expect(published.addresses(name)).toEqual(wanted);
    const members = published.rows(name);
    expect(members.map((row) => bank.servers.place[row])).toEqual(members.map((_, index) => index + 1));
    const extras = [bank.farms.emergencyServer[published.row(name)]!, bank.farms.abuseServer[published.row(name)]!];
    rows.push(...members, ...extras.filter((row) => row !== 0));
    expect(extras.map((row) => bank.servers.place[row])).toEqual([0, 0]);
    if (name === UNNAMED)
      expect(extras.filter(Boolean).every((row) => [EMERGENCY_ROW, ABUSE_ROW].includes(row))).toBe(true);
  }
  expect(new Set(rows).size).toBe(rows.length);
  expect(rows).not.toContain(0);
}
