import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { KIND_IPV4 } from '../base/endpoint.ts';
import { idleFacts, type Facts, type ProcessFacts, type View } from '../config/command.ts';
import { farmOf, UNNAMED } from '../config/farms.ts';
import { EMPTY_CONFIGURATION, serverAt } from '../config/model.ts';
import type { ProcessRow } from '../config/process-row.ts';
import { NO_SERVER_FACTS, unusedConnection } from '../config/rows.ts';
import { StatisticsFile, statisticsLines } from './statistics.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'pen-statistics-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));

const server = (port: number) =>
  serverAt({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port }, { max: 5, hard: 7 });

const NOW: ProcessFacts = {
  localTime: '2026-11-27 10:32:07',
  row: { current: 1, clients_max: 2048, conn_max: 500, used: 1, last: 4 } as ProcessRow,
};

/** A balancer that has moved something. */
function viewOf(webStats = ''): View {
  const facts: Facts = {
    ...idleFacts(1),
    process: () => NOW,
    servers: () => (index) => ({ ...NO_SERVER_FACTS, connections: Math.abs(index), sent: 10, received: 20 }),
    clients: () => [[{ client: 6, address: '10.0.0.1', age: 4, server: 1, connects: 3, sent: 6, received: 2 }], []],
    connections: (from) => [4, 9].filter((number) => number >= from),
    connection: (number) =>
      number === 4
        ? { ...unusedConnection(4), state: 2, downfd: 30, upfd: 31, pending_down: 5, client: 6, server: 1 }
        : unusedConnection(number),
  };
  const { settings } = EMPTY_CONFIGURATION;
  const servers = [server(80), undefined, server(81)];
  const state = { ...EMPTY_CONFIGURATION, servers, emergency: server(90), settings: { ...settings, webStats } };
  return { state, facts };
}

test('servers, clients and connections in use have a line each', () => {
  expect([...statisticsLines(viewOf(), NOW)]).toEqual([
    'Time 2026-11-27 10:32:07, 3 servers, 1 current',
    'Server 0: address 127.0.0.1, status 0, port 80, 0 connections (5 soft, 7 hard), 10 sent, 20 received',
    'Server 1: address 0.0.0.0, status 0, port 0, 1 connections (0 soft, 0 hard), 10 sent, 20 received',
    'Server 2: address 127.0.0.1, status 0, port 81, 2 connections (5 soft, 7 hard), 10 sent, 20 received',
    'Server -1: address 127.0.0.1, status 0, port 90, 1 connections (5 soft, 7 hard), 10 sent, 20 received',
    'Max number of clients: 2048',
    'Client 6: address 10.0.0.1, last used 4 seconds ago, last server 1, 3 connects, 6 sent, 2 received',
    'Number of connections: 500 max, 1 used, 4 last',
    'Connection 4: state 2, downfd 30, upfd 31, pending 5 down, 0 up, client 6, server 1',
  ]);
});

test('farms with names have lines of their own behind all others', () => {
  const { state, facts } = viewOf();
  const listen = [{ text: '81', endpoint: server(81).endpoint }];
  const farms = new Map([
    ['web', { ...farmOf(EMPTY_CONFIGURATION, UNNAMED), servers: [server(82)], listen }],
    ['mail', farmOf(EMPTY_CONFIGURATION, UNNAMED)],
  ]);
  const inFarm: Facts = { ...facts, clients: () => [] };
  const lines = [...statisticsLines({ state: { ...state, farms }, facts: { ...facts, farm: () => inFarm } }, NOW)];
  expect(lines.slice(9)).toEqual([
    'Farm web: 1 servers, listening on 81',
    'Server 0: address 127.0.0.1, status 0, port 82, 0 connections (5 soft, 7 hard), 10 sent, 20 received',
    'Farm mail: 0 servers',
  ]);
});

test('the file has the page; however many ask at once, one is written at a time, and one more after it', async () => {
  const path = join(FOLDER, 'page.html');
  let views = 0;
  const file = new StatisticsFile(() => (views++, viewOf(path)), expect.unreachable);
  await Promise.all([file.write(), file.write(), file.write()]);
  expect(views).toBe(1);
  const first = file.write();
  await Promise.resolve();
  await Promise.resolve();
  await Promise.all([first, file.write(), file.write()]);
  expect(views).toBe(3);
  expect(readFileSync(path, 'utf8')).toMatch(/^<!DOCTYPE html>[^]*<td>10\.0\.0\.1<\/td>[^]*<\/html>\n$/);
});

test('why it cannot be written is said once, and again when it has worked meanwhile', async () => {
  const said: string[] = [];
  let path = join(FOLDER, 'none', 'page.html');
  const file = new StatisticsFile(
    () => viewOf(path),
    (text) => said.push(text),
  );
  for (let i = 0; i < 3; i++) await file.write();
  expect(said).toEqual([`web_stats: cannot write the status page to '${path}': the folder does not exist`]);
  path = join(FOLDER, 'link');
  symlinkSync('/dev/null', path);
  await file.write();
  expect(said[1]).toBe(
    `web_stats: cannot write the status page to '${path}': it is a symbolic link, which is not followed`,
  );
  rmSync(path);
  await file.write();
  rmSync(path);
  symlinkSync('/dev/null', path);
  await file.write();
  expect(said).toHaveLength(3);
});
