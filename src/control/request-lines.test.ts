import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ENDPOINT_SIZE, KIND_IPV4, KIND_IPV6, KIND_UNIX, writeEndpoint, type Endpoint } from '../base/endpoint.ts';
import { hostText } from '../config/address.ts';
import { EMPTY_CONFIGURATION, serverAt, type Configuration } from '../config/model.ts';
import { openRecordRing } from '../table/records.ts';
import { createRequestRing, PEER_WORDS, REQUEST_TEXT_MAX, writeRequest } from '../table/requests.ts';
import { NO_ROWS, planRows } from './farm-rows.ts';
import { RequestLines } from './request-lines.ts';

const LOCAL: Endpoint = { kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 2), port: 5000 };
const LOG_SERVER: Endpoint = { kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 10_000 };
/** From row 3 on. */
const SERVERS: readonly Endpoint[] = [
  { kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 80 },
  { kind: KIND_IPV6, ip: Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), port: 80, scope: 0 },
  { kind: KIND_UNIX, path: '/run/a b' },
];
const IPV4_SERVER = 3;
type LogFormat = 'file' | 'datagrams';

function configured(format: LogFormat): Configuration {
  const log = format === 'file' ? { text: '/x', endpoint: undefined } : { text: 'x:1', endpoint: LOG_SERVER };
  const servers = SERVERS.map((endpoint) => serverAt(endpoint));
  return { ...EMPTY_CONFIGURATION, servers, settings: { ...EMPTY_CONFIGURATION.settings, log } };
}

const NOW = 5000;
const WALL = 1_795_381_793_400;

interface Said {
  readonly from?: Endpoint;
  readonly server?: number;
  readonly bytes: Uint8Array;
}

function follow(lines: RequestLines, format: LogFormat): void {
  const configuration = configured(format);
  lines.follow(configuration, planRows(NO_ROWS, configuration));
}

/** What becomes of things that clients have said. */
function linesOf(format: LogFormat, ...all: Said[]): Buffer[] {
  const ring = openRecordRing(createRequestRing());
  const textMax = format === 'file' ? 100 : REQUEST_TEXT_MAX;
  for (const { from = LOCAL, server = IPV4_SERVER, bytes } of all) {
    const record = new Uint8Array(ENDPOINT_SIZE);
    writeEndpoint(from, record, 0);
    const peers = new Uint32Array(record.buffer, 0, PEER_WORDS);
    // Not at the start, as in an arena.
    const arena = Buffer.concat([Buffer.from('xyz'), bytes, Buffer.from('more')]);
    writeRequest(ring, NOW, server, peers, 0, arena, 3, bytes.length, textMax);
  }
  ring.publish();
  const lines = new RequestLines();
  follow(lines, format);
  lines.begin(WALL - NOW);
  expect(ring.drain((at) => lines.add(ring, at))).toBe(true);
  const found: Buffer[] = [];
  for (let i = 0; i < lines.count; i++) {
    found.push(Buffer.from(lines.bytes.subarray(i === 0 ? 0 : lines.ends[i - 1], lines.ends[i])));
  }
  expect(Buffer.concat(found).length).toBe(lines.length);
  return found;
}

const said = (text: string, more: Partial<Said> = {}): Said => ({ bytes: Buffer.from(text), ...more });
const texts = (format: LogFormat, ...all: Said[]): string[] => linesOf(format, ...all).map(String);

test('lines of a file are those of the original', () => {
  expect(
    texts('file', said('GET /a b HTTP/1.0\r\nHost: x\r\n\r\n'), said('\nsecond'), said('no end'), said('\r\n')),
  ).toEqual([
    '127.0.0.2 1795381793 127.0.0.1 GET /a b HTTP/1.0\n',
    '127.0.0.2 1795381793 127.0.0.1 \n',
    '127.0.0.2 1795381793 127.0.0.1 no end\n',
    '127.0.0.2 1795381793 127.0.0.1 \n',
  ]);
});

test('a hundred bytes are kept in a file, and a whole datagram has 1024', () => {
  const long = 'x'.repeat(3000);
  expect(texts('file', said(long))).toEqual([`127.0.0.2 1795381793 127.0.0.1 ${'x'.repeat(100)}\n`]);
  const [datagram = ''] = texts(
    'datagrams',
    said(long, { from: { kind: KIND_IPV6, ip: new Uint8Array(16).fill(0xab), port: 1, scope: 0 } }),
  );
  expect(datagram.length).toBe(1024);
  expect(datagram).toMatch(/^\+ abab:abab:abab:abab:abab:abab:abab:abab 127\.0\.0\.1 x+\n$/);
});

test('datagrams are those of the original', () => {
  expect(texts('datagrams', said('GET / HTTP/1.0\r\n'), said('\n'))).toEqual([
    '+ 127.0.0.2 127.0.0.1 GET / HTTP/1.0\n',
    '+ 127.0.0.2 127.0.0.1 \n',
  ]);
});

test('L1: whatever a client says is one line of printable characters', () => {
  const hostile = Buffer.from('GET /\x1b[2J\0\x7f"\t\\\x80\x9b\xff\r\n127.0.0.9 1 127.0.0.1 GET /forged\n', 'latin1');
  expect(texts('file', { bytes: hostile })).toEqual(['127.0.0.2 1795381793 127.0.0.1 GET /.[2J..".\\...\n']);
  const format = fc.constantFrom<LogFormat>('file', 'datagrams');
  fc.assert(
    fc.property(format, fc.uint8Array({ maxLength: 2000 }), (which, bytes) => {
      const [line, ...others] = texts(which, { bytes });
      expect(others).toEqual([]);
      expect(line).toMatch(/^[ -~]*\n$/);
      const text = Buffer.from(bytes)
        .toString('latin1')
        .split(/[\r\n]/)[0]!
        .replace(/[^ -~]/g, '.');
      const [, body = ''] = /^(?:\+ )?127\.0\.0\.2 (?:\d+ )?127\.0\.0\.1 (.*)\n$/.exec(line!)!;
      expect(text.startsWith(body) && (body === text || body.length >= 100)).toBe(true);
    }),
  );
});

test('addresses are written as everywhere else', () => {
  const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((ip): Endpoint => ({ kind: KIND_IPV4, ip, port: 1 }));
  const ipv6 = fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((ip): Endpoint => ({ kind: KIND_IPV6, ip, port: 1, scope: 0 }));
  fc.assert(
    fc.property(fc.array(fc.oneof(ipv4, ipv6), { maxLength: 20 }), (clients) => {
      const lines = texts('file', ...clients.map((from) => said('x', { from })));
      expect(lines).toEqual(clients.map((from) => `${hostText(from)} 1795381793 127.0.0.1 x\n`));
    }),
  );
  const unix: Endpoint = { kind: KIND_UNIX, path: '' };
  expect(texts('file', said('x', { from: unix, server: 5 }), said('y', { from: unix, server: 4 }))).toEqual([
    'unix 1795381793 /run/a.b x\n',
    'unix 1795381793 2001:db8::1 y\n',
  ]);
});

test('what does not fit stays for the next time', () => {
  const ring = openRecordRing(createRequestRing());
  const lines = new RequestLines();
  follow(lines, 'file');
  const peers = new Uint32Array(PEER_WORDS);
  const bytes = Buffer.from('x'.repeat(200));
  let written = 0;
  while (ring.dropped() === 0) {
    writeRequest(ring, written, IPV4_SERVER, peers, 0, bytes, 0, written % 200, 200);
    written++;
  }
  ring.publish();
  let [count, isAll] = [0, false];
  for (let round = 0; round < 100 && !isAll; round++) {
    lines.begin(0);
    isAll = ring.drain((at) => lines.add(ring, at));
    expect(lines.count).toBeGreaterThan(0);
    count += lines.count;
  }
  expect([isAll, count]).toEqual([true, written - 1]);
});
