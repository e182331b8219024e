import { beforeEach, describe, expect, test } from 'vitest';
import { PEER_SIZE, ipText } from '../base/endpoint.ts';
import { checkClients, peerOf } from './addresses.suite.ts';
import {
  ClientPage,
  ClientVisit,
  clientsOf,
  creditClient,
  forgetClients,
  readClients,
  rememberServer,
  touchClient,
} from './clients.ts';
import { beginPublish, commitPublish, configAt, currentVersion } from './publish.ts';
import { createTables, openTables, type Tables } from './tables.ts';

const WORKER = 3;
const FARM = 5;
const visit = new ClientVisit();
let tables: Tables;

function configure(settings: { max?: number; trackingMs?: number; prefix?: number }): void {
  const draft = beginPublish(tables, { farms: FARM + 2 })!;
  draft.farms.clientsMax.fill(settings.max ?? 100);
  draft.farms.trackingMs.fill(settings.trackingMs ?? 0);
  draft.farms.clientPrefix.fill(settings.prefix ?? 128);
  commitPublish(tables);
}

function touch(
  text: string,
  nowMs = 0,
  farm = FARM,
): { row: number; generation: number; server: number; isNew: boolean } {
  const config = configAt(tables, currentVersion(tables));
  touchClient(tables, config, WORKER, farm, peerOf(text), 0, nowMs, visit);
  const { row, generation, server, isNew } = visit;
  return { row, generation, server, isNew };
}

/** All clients of a farm, read `size` at a time. */
function read(farm = FARM, size = 2): Record<string, number | string>[] {
  const page = new ClientPage(size);
  const all = [];
  let from = 1;
  do {
    from = readClients(tables, WORKER, farm, from, page);
    for (let i = 0; i < page.count; i++) {
      all.push({
        row: page.rows[i]!,
        address: ipText(page.peers, i * PEER_SIZE),
        server: page.servers[i]!,
        connects: page.connects[i]!,
        lastMs: page.lastMs[i]!,
        sent: page.sent[i]!,
        received: page.received[i]!,
      });
    }
  } while (from !== 0);
  return all;
}

const addresses = (farm = FARM): unknown[] => read(farm).map((client) => client['address']);

beforeEach(() => {
  tables = openTables(createTables(1));
  configure({});
});

describe('a client', () => {
  test('is new once, and then known with its server', () => {
    const first = touch('10.0.0.1');
    expect(first).toMatchObject({ isNew: true, server: 0 });
    rememberServer(tables, WORKER, first.row, first.generation, 65_535);
    expect(touch('10.0.0.1')).toEqual({ ...first, isNew: false, server: 65_535 });
    rememberServer(tables, WORKER, first.row, first.generation, 0);
    expect(touch('10.0.0.1')).toMatchObject({ isNew: false, server: 0 });
  });

  test('is told apart by every byte of its address, and by farm', () => {
    const texts = ['::1', '1::1', '1:0:1::1', '1:0:1::2', '0.0.0.1', '1.0.0.1', '1.0.0.2', 'unix', '::'];
    const rows = texts.map((text) => touch(text).row);
    expect(new Set(rows).size).toBe(texts.length);
    expect(touch('::1', 0, FARM + 1)).toMatchObject({ isNew: true });
    expect(texts.map((text) => touch(text).row)).toEqual(rows);
    expect(clientsOf(tables, FARM)).toBe(texts.length);
    expect(addresses()).toEqual(texts);
    expect(addresses(FARM + 1)).toEqual(['::1']);
    checkClients(tables);
  });

  test('is the same whether its IPv4 address is mapped or not', () => {
    expect(touch('::ffff:1.2.3.4').row).toBe(touch('1.2.3.4').row);
    expect(addresses()).toEqual(['1.2.3.4']);
  });

  test('is a whole subnet when 64 bits count', () => {
    configure({ prefix: 64 });
    const { row } = touch('2001:db8::1:2:3:4');
    expect(touch('2001:db8::ffff:0:0:1')).toMatchObject({ row, isNew: false });
    expect(touch('2001:db8:0:1::1').row).not.toBe(row);
    expect(touch('1.2.3.4').row).not.toBe(touch('1.2.3.5').row);
    expect(touch('unix').isNew).toBe(true);
  });

  test('starts anew when it comes too late', () => {
    configure({ trackingMs: 100 });
    const first = touch('10.0.0.1', 1000);
    rememberServer(tables, WORKER, first.row, first.generation, 7);
    creditClient(tables, WORKER, first.row, first.generation, 5, 6);
    expect(touch('10.0.0.1', 1100)).toMatchObject({ isNew: false, server: 7 });
    expect(read()).toMatchObject([{ connects: 2, lastMs: 1100, server: 7, sent: 5, received: 6 }]);
    expect(touch('10.0.0.1', 1200.5)).toMatchObject({ row: first.row, isNew: true, server: 0 });
    expect(read()).toMatchObject([{ connects: 1, lastMs: 1200.5, server: 0, sent: 0, received: 0 }]);
  });

  test('keeps the bytes it sent and received', () => {
    const { row, generation } = touch('10.0.0.1');
    creditClient(tables, WORKER, row, generation, 2 ** 40, 3);
    creditClient(tables, WORKER, row, generation, 1, 4);
    expect(read()).toEqual([
      { row, address: '10.0.0.1', server: 0, connects: 1, lastMs: 0, sent: 2 ** 40 + 1, received: 7 },
    ]);
  });
});

describe('a farm', () => {
  test('that is full lets the client go that came longest ago', () => {
    configure({ max: 2 });
    const first = touch('10.0.0.1');
    touch('10.0.0.2');
    touch('10.0.0.1');
    touch('10.0.0.3');
    expect(new Set(addresses())).toEqual(new Set(['10.0.0.1', '10.0.0.3']));
    expect(touch('10.0.0.1')).toMatchObject({ isNew: false, row: first.row });
    checkClients(tables);
  });

  test('never writes to the client that has the row now', () => {
    configure({ max: 1 });
    const first = touch('10.0.0.1');
    const second = touch('10.0.0.2');
    expect(second.row).toBe(first.row);
    expect(second.generation).not.toBe(first.generation);
    rememberServer(tables, WORKER, first.row, first.generation, 9);
    creditClient(tables, WORKER, first.row, first.generation, 1, 1);
    expect(read()).toMatchObject([{ address: '10.0.0.2', server: 0, sent: 0, received: 0 }]);
  });

  test('whose limit shrinks follows as clients come', () => {
    for (let i = 0; i < 10; i++) touch(`10.0.0.${i}`);
    configure({ max: 3 });
    for (let i = 0; i < 4; i++) touch('10.0.0.9');
    expect(addresses()).toEqual(['10.0.0.7', '10.0.0.8', '10.0.0.9']);
    configure({ max: 4 });
    touch('10.0.0.1');
    expect(clientsOf(tables, FARM)).toBe(4);
    checkClients(tables);
  });

  test('that may have none remembers none', () => {
    configure({ max: 0 });
    expect(touch('10.0.0.1')).toEqual({ row: 0, generation: 0, server: 0, isNew: true });
    rememberServer(tables, WORKER, 0, 0, 1);
    creditClient(tables, WORKER, 0, 0, 1, 1);
    expect(checkClients(tables)).toMatchObject({ live: 0, free: 0, buckets: 1 });
  });

  test('that is gone is forgotten in pieces', () => {
    for (let i = 0; i < 5; i++) touch(`10.0.0.${i}`);
    touch('10.0.0.1', 0, FARM + 1);
    expect(forgetClients(tables, WORKER, FARM, 2)).toBe(3);
    expect(addresses()).toEqual(['10.0.0.2', '10.0.0.3', '10.0.0.4']);
    expect(forgetClients(tables, WORKER, FARM, 20)).toBe(0);
    expect(addresses(FARM + 1)).toEqual(['10.0.0.1']);
    expect(checkClients(tables)).toMatchObject({ live: 1, free: 5 });
  });
});
