import { expect, test } from 'vitest';
import { ENDPOINT_SIZE, KIND_IPV4, KIND_IPV6, KIND_UNIX, writeEndpoint, type Endpoint } from '../base/endpoint.ts';
import { EMPTY_FARM } from '../config/farms.ts';
import { EMPTY_CONFIGURATION, serverAt, type Configuration } from '../config/model.ts';
import { createEndingRing, writeEnding, type Ending } from '../table/endings.ts';
import { openRecordRing } from '../table/records.ts';
import * as schema from '../table/schema.ts';
import { ConnectionLines, ENDS } from './connection-lines.ts';
import { EMERGENCY_ROW, FIRST_SERVER_ROW, NO_ROWS, planRows } from './farm-rows.ts';

const WALL = Date.UTC(2026, 10, 28, 6, 10, 3, 500);
const NOW = 1000;
const SERVER: Endpoint = { kind: KIND_IPV4, ip: Uint8Array.of(10, 0, 0, 11), port: 80 };
const CLIENT: Endpoint = { kind: KIND_IPV4, ip: Uint8Array.of(192, 0, 2, 7), port: 51_234 };
const ENDED: Ending = {
  server: FIRST_SERVER_ROW,
  reason: schema.REASON_ORDERLY,
  farm: 0,
  startedMs: NOW,
  openedMs: NOW + 0.75,
  endedMs: NOW + 12.5,
  bytesUp: 120,
  bytesDown: 2 ** 40,
  connection: 70_000,
  failovers: 2,
  port: 443,
};

type Told = readonly (readonly [Ending, Endpoint])[];

const USUAL = {
  ...EMPTY_CONFIGURATION,
  servers: [serverAt(SERVER)],
  emergency: serverAt({ kind: KIND_UNIX, path: '/run/"sorry"' }),
};

function linesOf(...endings: Told): string {
  return linesIn(USUAL, endings);
}

function linesIn(configuration: Configuration, endings: Told): string {
  const ring = openRecordRing(createEndingRing());
  for (const [ending, client] of endings) {
    const record = new Uint8Array(ENDPOINT_SIZE);
    writeEndpoint(client, record, 0);
    writeEnding(ring, ending, new Uint32Array(record.buffer), 0);
  }
  ring.publish();
  const lines = new ConnectionLines();
  lines.follow(configuration, planRows(NO_ROWS, configuration));
  lines.begin(WALL - NOW);
  expect(ring.drain((at) => lines.add(ring, at))).toBe(true);
  expect([lines.count, lines.ends[lines.count - 1]]).toEqual([endings.length, lines.length]);
  return lines.bytes.toString('utf8', 0, lines.length);
}

test('a connection is a line of JSON that tells all about it', () => {
  expect(linesOf([ENDED, CLIENT])).toBe(
    '{"level":30,"time":1795846203513,"msg":"connection","connection":70000,"client":"192.0.2.7:51234","server":"10.0.0.11:80",' +
      '"started":"2026-11-28T06:10:03.500Z","wait_ms":0.75,"duration_ms":12.5,"bytes_up":120,"bytes_down":1099511627776,' +
      '"failovers":2,"end":"orderly"}\n',
  );
});

test('a server at the port of the listener has the one that its client came by', () => {
  const follower = serverAt({ ...SERVER, port: 0 }, { hasListenerPort: true });
  const emergency = serverAt({ kind: KIND_UNIX, path: '/run/x:0' });
  const lines = linesIn({ ...EMPTY_CONFIGURATION, servers: [follower], emergency }, [
    [ENDED, CLIENT],
    [{ ...ENDED, server: EMERGENCY_ROW }, CLIENT],
    [{ ...ENDED, failovers: 65_535, port: 65_535 }, CLIENT],
  ]);
  expect(lines).toContain('"server":"10.0.0.11:443"');
  expect(lines).toContain('"server":"/run/x:0"');
  expect(lines).toMatch(/"server":"10.0.0.11:65535",.*"failovers":65535/);
});

test('a farm that has a name is named', () => {
  const servers = [serverAt(SERVER)];
  const farms = new Map([['shop', { ...EMPTY_FARM, servers: [serverAt({ ...SERVER, port: 81 })] }]]);
  const configuration = { ...EMPTY_CONFIGURATION, servers, farms };
  const rows = planRows(NO_ROWS, configuration);
  const { row, servers: of } = rows.farms.get('shop')!;
  expect(linesIn(configuration, [[{ ...ENDED, farm: row, server: of[0]! }, CLIENT]])).toContain(
    '"msg":"connection","farm":"shop","connection":70000,"client":"192.0.2.7:51234","server":"10.0.0.11:81"',
  );
  expect(linesIn(configuration, [[{ ...ENDED, farm: row, server: 0 }, CLIENT]])).toContain('"farm":"shop"');
});

test('what there was not is null; names cannot end a string', () => {
  const ipv6: Endpoint = { kind: KIND_IPV6, ip: new Uint8Array(16).fill(0xfe), port: 1, scope: 3 };
  const none = { ...ENDED, server: 0, openedMs: 0, reason: schema.REASON_DENIED };
  const lines = linesOf(
    [none, ipv6],
    [
      { ...ENDED, server: EMERGENCY_ROW },
      { kind: KIND_UNIX, path: '' },
    ],
  )
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines).toEqual([
    expect.objectContaining({
      server: null,
      wait_ms: null,
      end: 'denied',
      client: expect.stringMatching(/^\[fe.*%3\]:1$/),
    }),
    expect.objectContaining({ server: '/run/"sorry"', client: 'unix' }),
  ]);
});

test('each reason has a word, but for that of idlers, which have no client', () => {
  const reasons = Object.entries(schema).filter(([name]) => name.startsWith('REASON_'));
  expect(reasons.length).toBe(8);
  for (const [name, reason] of reasons) {
    expect(ENDS[reason as number]).toBe(name === 'REASON_IDLER' ? undefined : name.slice(7).toLowerCase());
  }
});
