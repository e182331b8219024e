import { expect, test } from 'vitest';
import { KIND_IPV4, KIND_UNIX } from '../base/endpoint.ts';
import { idleFacts, type Facts, type ProcessFacts, type View } from './command.ts';
import { farmOf, UNNAMED } from './farms.ts';
import { EMPTY_CONFIGURATION, serverAt } from './model.ts';
import type { ProcessRow } from './process-row.ts';
import { NO_SERVER_FACTS, unusedConnection } from './rows.ts';
import { escaped, statusPage } from './status-page.ts';

const HOSTILE = `</td><script>alert("1")</script>&'\u0007\n`;
const NOW: ProcessFacts = {
  localTime: '2026-11-27 10:32:07',
  row: { current: 1, clients_max: 2048, conn_max: 500, used: 2, last: 9 } as ProcessRow,
};
const facts: Facts = {
  ...idleFacts(1),
  servers: () => (index) => ({
    ...NO_SERVER_FACTS,
    connections: 1,
    sent: 10 + index,
    received: 20,
    failed_at: 1795775557,
  }),
  clients: () => [[{ client: 6, address: HOSTILE, age: 4, server: 1, connects: 3, sent: 6, received: 2 }], []],
  connections: () => [9],
  connection: () => ({ ...unusedConnection(9), state: 2, downfd: 30, upfd: 31, pending_down: 5, client: 6, server: 1 }),
};
const view: View = {
  state: {
    ...EMPTY_CONFIGURATION,
    servers: [
      serverAt({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 80 }, { max: 5, hard: 7, weight: 3, prio: 2 }),
      undefined,
    ],
    emergency: serverAt({ kind: KIND_UNIX, path: `/run/${HOSTILE}` }),
  },
  facts,
};
const page = (seen = view): string => [...statusPage(seen, NOW)].join('');
const farmed: View = {
  state: { ...view.state, farms: new Map([['web', { ...farmOf(view.state, UNNAMED), servers: view.state.servers }]]) },
  facts: { ...facts, farm: () => facts },
};

/** The cells of its tables, as programs read them: a tag on each line. */
function tablesOf(html: string): string[][][] {
  return [...html.matchAll(/<table[^>]*>\n([^]*?)<\/table>/g)].map(([, rows = '']) =>
    [...rows.matchAll(/<tr>\n((?:<t[dh][^>]*>.*<\/t[dh]>\n)*)<\/tr>\n/g)].map(([, cells = '']) =>
      [...cells.matchAll(/<t[dh][^>]*>(.*)<\/t[dh]>/g)].map(([, text = '']) => text),
    ),
  );
}

test('it has the tables and columns of the original, a cell on each line', () => {
  const hostile = '&lt;/td&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;\ufffd\ufffd';
  expect(tablesOf(page())).toEqual([
    [
      'server,address,status,port,connections,max soft,max hard,sent,received,weight,prio'.split(','),
      ['0', '127.0.0.1', '1795775557', '80', '1', '5', '7', '10', '20', '3', '2'],
      ['1', '0.0.0.0', '1795775557', '0', '1', '0', '0', '11', '20', '0', '0'],
      ['-1', `/run/${hostile}`, '1795775557', '1', '1', '0', '0', '9', '20', '0', '0'],
    ],
    ['client,address,age(secs),last server,connects,sent,received'.split(','), ['6', hostile, '4', '1', '3', '6', '2']],
    [
      'connection,downfd,upfd,pending data down,pending data up,client,server'.split(','),
      ['9', '30', '31', '5', '0', '6', '1'],
    ],
  ]);
});

test('farms with names have tables of servers and clients behind all others', () => {
  const [tables, all] = [tablesOf(page()), tablesOf(page(farmed))];
  expect(all).toEqual([...tables, ...tables.slice(0, 2)]);
  expect(page(farmed)).toContain('<h2>Farm web</h2><p>2 servers</p>');
});

test('its sentences are those that programs look for', () => {
  for (const line of [
    'Time 2026-11-27 10:32:07, 2 servers, 1 current',
    'Max number of clients: 2048',
    'Number of connections: 500 max, 2 used, 9 last',
  ]) {
    expect(page()).toContain(`<p>${line}</p>`);
  }
  expect(page()).toContain('<title>Pen status page</title>');
});

test('C6: every tag that is opened is closed where it has to be, and nothing stands beside the tags but text', () => {
  const open: string[] = [];
  const html = page(farmed)
    .replace('<!DOCTYPE html>', '')
    .replace(/<style>[^]*?<\/style>/, '');
  for (const [token, , name = ''] of html.matchAll(/<(\/?)([a-z0-9]+)(?: [a-z]+="[^"<>]*")*>|[<>]/g)) {
    expect(name, token).not.toBe('');
    if (name === 'meta') continue;
    if (token.startsWith('</')) expect(open.pop()).toBe(name);
    else open.push(name);
  }
  expect(open).toEqual([]);
  expect(html).not.toMatch(/&(?!(?:amp|lt|gt|quot|#39);)/);
  // It needs nothing from elsewhere, and runs nothing.
  expect(page()).not.toMatch(/<script|<link|<img|url\(|@import|https?:/);
});

test('C6: what no page may hold is replaced', () => {
  expect(escaped('\0\x1b\x7f\u0085\ud800x')).toBe('\ufffd\ufffd\ufffd\ufffd\ufffdx');
  expect(escaped('é😀 ordinary')).toBe('é😀 ordinary');
});
