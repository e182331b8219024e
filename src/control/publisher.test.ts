import { describe, expect, test } from 'vitest';
import type { Fd } from '../base/brand.ts';
import { ENDPOINT_SIZE, endpointRecord, endpointText, KIND_IPV4, KIND_IPV6, KIND_UNIX } from '../base/endpoint.ts';
import { isServerSet } from '../balance/servers.ts';
import {
  DEFAULT_SETTINGS,
  EMPTY_CONFIGURATION,
  serverAt,
  type Configuration,
  type ServerConfig,
  type Settings,
} from '../config/model.ts';
import { memberAt } from '../table/members.ts';
import { configAt, currentVersion, noteVersion, registerWorker, rowsUsed, unregisterWorker } from '../table/publish.ts';
import { FARM_F_STUBBORN } from '../table/schema.ts';
import { UNNAMED } from '../config/farms.ts';
import { createTables, openTables, type ConfigBank, type Tables } from '../table/tables.ts';
import { EMERGENCY_ROW, FIRST_SERVER_ROW } from './farm-rows.ts';
import { movedServers, publish, rowsInForce } from './publisher.ts';

const LIMITS = { descriptorMax: 960 };
const LISTEN = { kind: KIND_IPV4, ip: Uint8Array.of(0, 0, 0, 0), port: 8080 } as const;
const LISTENERS = [{ fd: 17 as Fd, endpoint: endpointRecord(LISTEN), farm: UNNAMED }];

function server(last: number, limits: Partial<ServerConfig> = {}): ServerConfig {
  const endpoint = { kind: KIND_IPV4, ip: Uint8Array.of(192, 0, 2, last), port: 80 } as const;
  return { ...serverAt(endpoint), ...limits };
}

function configuration(
  servers: readonly ServerConfig[],
  settings: Partial<Settings> = {},
  emergency?: ServerConfig,
): Configuration {
  return { ...EMPTY_CONFIGURATION, servers, emergency, settings: { ...DEFAULT_SETTINGS, ...settings } };
}

function live(tables: Tables): ConfigBank {
  return configAt(tables, currentVersion(tables));
}

function addresses(tables: Tables): string[] {
  const bank = live(tables);
  return Array.from({ length: bank.farms.serverCount[0]! }, (_, index) =>
    endpointText(bank.servers.endpoint, memberAt(bank, 0, index) * ENDPOINT_SIZE),
  );
}

describe('what is published can be read by a worker', () => {
  test('servers with their limits, in their order', () => {
    const tables = openTables(createTables());
    const servers = [server(1, { max: 10, hard: 20, weight: 3, prio: 4 }), server(2)];
    expect(publish(tables, configuration(servers), LISTENERS, LIMITS)).toBe(true);
    expect(addresses(tables)).toEqual(['192.0.2.1:80', '192.0.2.2:80']);
    const bank = live(tables).servers;
    const limits = [bank.max, bank.hard, bank.weight, bank.prio].map((column) => column[FIRST_SERVER_ROW]);
    expect(limits).toEqual([10, 20, 3, 4]);
  });

  test('a unix server by its path', () => {
    const tables = openTables(createTables());
    publish(
      tables,
      configuration([server(1, { endpoint: { kind: KIND_UNIX, path: '/run/ä.sock' } })]),
      LISTENERS,
      LIMITS,
    );
    expect(addresses(tables)).toEqual(['/run/ä.sock']);
  });

  test('the unspecified address as an empty slot, whatever its port', () => {
    const tables = openTables(createTables());
    const any4 = { kind: KIND_IPV4, ip: new Uint8Array(4), port: 80 } as const;
    const any6 = { kind: KIND_IPV6, ip: new Uint8Array(16), port: 80, scope: 0 } as const;
    const servers = [server(1, { endpoint: any4 }), server(2), server(3, { endpoint: any6 })];
    publish(tables, configuration(servers), LISTENERS, LIMITS);
    const isSet = servers.map((_, index) => isServerSet(live(tables), FIRST_SERVER_ROW + index));
    expect(isSet).toEqual([false, true, false]);
    // And also when another server stood there before.
    publish(tables, configuration([server(1), server(2), server(3)]), LISTENERS, LIMITS);
    publish(tables, configuration(servers), LISTENERS, LIMITS);
    expect(addresses(tables)).toEqual(['none', '192.0.2.2:80', 'none']);
  });

  test('times in milliseconds, switches as flags', () => {
    const tables = openTables(createTables());
    const settings = {
      blacklist: 5,
      timeout: 2,
      idleTimeout: 60,
      halfClosedTimeout: 7,
      stubborn: true,
      tcpNodelay: false,
    };
    publish(tables, configuration([server(1)], { ...settings, tcpFastclose: 'both' }), LISTENERS, LIMITS);
    const { farms, settings: row } = live(tables);
    expect(farms.flags[0]).toBe(FARM_F_STUBBORN);
    expect([farms.blacklistMs[0], farms.connectTimeoutMs[0], farms.idleTimeoutMs[0]]).toEqual([5000, 2000, 60_000]);
    expect([farms.halfClosedTimeoutMs[0], farms.fastclose[0]]).toEqual([7000, 3]);
    expect([row.tcpNoDelay[0], row.keepAlive[0], row.descriptorMax[0]]).toEqual([0, 0, 960]);
    expect([row.connMax[0], row.pendingMax[0], row.acceptBatch[0]]).toEqual([500, 100, 100]);
  });

  test('the listener with its descriptor', () => {
    const tables = openTables(createTables());
    publish(tables, configuration([server(1)]), LISTENERS, LIMITS);
    const { listeners, settings } = live(tables);
    expect([settings.listenerCount[0], listeners.fd[0], endpointText(listeners.endpoint, 0)]).toEqual([
      1,
      17,
      '0.0.0.0:8080',
    ]);
  });

  test.each([
    ['off', 0],
    ['up', 1],
    ['down', 2],
    ['both', 3],
  ] as const)('tcp_fastclose %s', (tcpFastclose, wanted) => {
    const tables = openTables(createTables());
    publish(tables, configuration([server(1)], { tcpFastclose }), LISTENERS, LIMITS);
    expect(live(tables).farms.fastclose[0]).toBe(wanted);
  });

  test('the emergency server stands outside the servers that are chosen in turn', () => {
    const tables = openTables(createTables());
    publish(tables, configuration([server(1)], {}, server(9, { max: 1 })), LISTENERS, LIMITS);
    const { farms, servers } = live(tables);
    const row = farms.emergencyServer[0]!;
    expect(endpointText(servers.endpoint, row * ENDPOINT_SIZE)).toBe('192.0.2.9:80');
    expect(servers.max[row]).toBe(1);
    expect(row).toBeLessThan(FIRST_SERVER_ROW);
    expect(addresses(tables)).toEqual(['192.0.2.1:80']);
  });

  test('without an emergency server the farm has none', () => {
    const tables = openTables(createTables());
    publish(tables, configuration([server(1)]), LISTENERS, LIMITS);
    expect(live(tables).farms.emergencyServer[0]).toBe(0);
    expect(live(tables).farms.abuseServer[0]).toBe(0);
  });
});

describe('publishing again', () => {
  test('replaces everything; removed servers leave nothing behind', () => {
    const tables = openTables(createTables());
    publish(tables, configuration([server(1), server(2), server(3)], { stubborn: true }), LISTENERS, LIMITS);
    publish(tables, configuration([server(4)]), LISTENERS, LIMITS);
    expect(addresses(tables)).toEqual(['192.0.2.4:80']);
    expect(rowsUsed(tables, 'servers')).toBe(FIRST_SERVER_ROW + 1);
    expect(isServerSet(live(tables), FIRST_SERVER_ROW + 1)).toBe(false);
    expect(live(tables).farms.flags[0]).toBe(0);
  });

  test('is refused while a worker still reads the bank that would be filled, and changes nothing', () => {
    const tables = openTables(createTables());
    publish(tables, configuration([server(1)]), LISTENERS, LIMITS);
    registerWorker(tables, 0);
    expect(publish(tables, configuration([server(2)]), LISTENERS, LIMITS)).toBe(true);
    const version = currentVersion(tables);
    const seen = configAt(tables, version - 1);
    expect(publish(tables, configuration([server(3)]), LISTENERS, LIMITS)).toBe(false);
    expect(currentVersion(tables)).toBe(version);
    expect(addresses(tables)).toEqual(['192.0.2.2:80']);
    expect(endpointText(seen.servers.endpoint, FIRST_SERVER_ROW * ENDPOINT_SIZE)).toBe('192.0.2.1:80');
  });

  test('is possible again once the worker has moved on, or is gone', () => {
    const tables = openTables(createTables());
    registerWorker(tables, 0);
    publish(tables, configuration([server(1)]), LISTENERS, LIMITS);
    noteVersion(tables, 0, currentVersion(tables));
    expect(publish(tables, configuration([server(2)]), LISTENERS, LIMITS)).toBe(true);
    expect(publish(tables, configuration([server(3)]), LISTENERS, LIMITS)).toBe(false);
    unregisterWorker(tables, 0);
    expect(publish(tables, configuration([server(3)]), LISTENERS, LIMITS)).toBe(true);
    expect(addresses(tables)).toEqual(['192.0.2.3:80']);
  });
});

test('which rows stand for another address: those that moved, or are another kind of server', () => {
  const tables = openTables(createTables());
  const more = configuration([server(1), server(2), server(3), server(4)], {}, server(9));
  const before = configuration([server(1), server(2), server(3)], {}, server(9));
  publish(tables, more, LISTENERS, LIMITS);
  publish(tables, before, LISTENERS, LIMITS, more);
  const rows = (servers: readonly ServerConfig[], emergency?: ServerConfig): number[] =>
    movedServers(rowsInForce(tables), configuration(servers, {}, emergency), before);
  expect(rows([server(1), server(2, { max: 7 }), server(3)], server(9))).toEqual([]);
  expect(rows([server(1), server(4), server(3)], server(8))).toEqual([FIRST_SERVER_ROW + 1, EMERGENCY_ROW]);
  expect(rows([server(1), server(2), server(3), server(4)], server(9)), 'one comes back').toEqual([
    FIRST_SERVER_ROW + 3,
  ]);
  expect(movedServers(rowsInForce(tables), before, before)).toEqual([]);
});
