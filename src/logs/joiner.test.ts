import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Joiner } from './joiner.ts';

const SERVER = '127.0.0.2';

class Desk {
  readonly lines: string[] = [];
  readonly joiner: Joiner;
  now = 1000;

  constructor(requestsMax = 1000, waitSeconds = 1) {
    this.joiner = new Joiner({ requestsMax, waitSeconds }, (line) => this.lines.push(line));
  }

  pen(client: string, request: string, server = SERVER): void {
    this.joiner.take(`+ ${client} ${server} ${request}\n`, '127.0.0.9', this.now);
  }

  web(line: string, from = SERVER): void {
    this.joiner.take(line, from, this.now);
  }

  /** Who is named for a request, once there has been time. */
  client(request: string, from = SERVER): string {
    this.web(`10.9.9.9 - - [09/Jan/2002:00:28:50 +0100] "${request}" 404 268\n`, from);
    this.joiner.flush(Infinity);
    return this.lines.at(-1)?.split(' ', 1)[0] ?? '';
  }
}

const LINE = '10.9.9.9 - - [09/Jan/2002:00:28:50 +0100] "GET /a HTTP/1.0" 404 268';

describe('as the original', () => {
  test('a line gets the client that Pen has seen', () => {
    const desk = new Desk();
    desk.pen('1.1.1.1', 'GET /a HTTP/1.0');
    desk.web(`${LINE}\n`);
    expect(desk.lines).toEqual(['1.1.1.1 - - [09/Jan/2002:00:28:50 +0100] "GET /a HTTP/1.0" 404 268']);
  });

  test('other servers and other requests are left as they are', () => {
    const desk = new Desk();
    desk.pen('1.1.1.1', 'GET /a HTTP/1.0');
    expect(desk.client('GET /a HTTP/1.0', '127.0.0.3')).toBe('10.9.9.9');
    expect(desk.client('GET /a HTTP/1.0 more')).toBe('10.9.9.9');
  });

  test('a later client of the same request is named for a later line', () => {
    const desk = new Desk();
    desk.pen('1.1.1.1', 'GET /a');
    expect(desk.client('GET /a')).toBe('1.1.1.1');
    desk.pen('2.2.2.2', 'GET /a');
    expect([desk.client('GET /a'), desk.client('GET /a')]).toEqual(['2.2.2.2', '2.2.2.2']);
  });
});

describe('where the original is wrong', () => {
  test('as many requests are kept as are asked for', () => {
    const desk = new Desk(4);
    for (let at = 1; at <= 5; at++) desk.pen(`1.1.1.${at}`, `REQ${at}`);
    const found = [1, 2, 3, 4, 5].map((at) => desk.client(`REQ${at}`));
    expect(found).toEqual(['10.9.9.9', '1.1.1.2', '1.1.1.3', '1.1.1.4', '1.1.1.5']);
  });

  test('two clients with the same request are named once each, in their order', () => {
    const desk = new Desk();
    desk.pen('1.1.1.1', 'GET /a');
    desk.pen('2.2.2.2', 'GET /a');
    expect([desk.client('GET /a'), desk.client('GET /a')]).toEqual(['1.1.1.1', '2.2.2.2']);
  });

  test('a request that no line ever came for is not in the way', () => {
    const desk = new Desk();
    desk.pen('1.1.1.1', 'GET /a');
    desk.now += 60;
    desk.pen('2.2.2.2', 'GET /a');
    expect(desk.client('GET /a')).toBe('2.2.2.2');
  });

  test('a shorter request is another one, and so is none', () => {
    const desk = new Desk();
    desk.pen('1.1.1.1', 'GET /abc');
    expect([desk.client('GET /ab'), desk.client('')]).toEqual(['10.9.9.9', '10.9.9.9']);
  });

  test.each([98, 99, 100, 101, 150, 1000, 5000])('requests of %i bytes are found', (length) => {
    const desk = new Desk();
    desk.pen('1.1.1.1', `GET /${'x'.repeat(length - 5)}`);
    expect(desk.client(`GET /${'x'.repeat(length - 5)}`)).toBe('1.1.1.1');
  });

  test('long requests are told apart by all that Pen says of them, else by 99 bytes', () => {
    const desk = new Desk();
    const long = `GET /${'x'.repeat(94)}`;
    for (const [client, end] of [
      ['1.1.1.1', 'a'],
      ['2.2.2.2', 'b'],
      ['3.3.3.3', ''],
    ] as const)
      desk.pen(client, long + end);
    expect(['b', 'a', 'c', 'd'].map((end) => desk.client(long + end))).toEqual([
      '2.2.2.2',
      '1.1.1.1',
      '3.3.3.3',
      '3.3.3.3',
    ]);
    expect(desk.client(long.slice(0, 98))).toBe('10.9.9.9');
  });

  test('a line waits for what Pen says about it, and the others keep their order', () => {
    const desk = new Desk();
    desk.web('9.9.9.9 - "GET /late" 1\n');
    desk.web('9.9.9.9 - no quotes\n');
    desk.web('9.9.9.9 - "GET /never" 1\n');
    expect(desk.lines).toEqual([]);
    expect(desk.joiner.deadline).toBe(1001);
    desk.now += 0.5;
    desk.pen('1.1.1.1', 'GET /late');
    expect(desk.lines).toEqual(['1.1.1.1 - "GET /late" 1', '9.9.9.9 - no quotes']);
    desk.joiner.flush(1001);
    expect(desk.lines[2]).toBe('9.9.9.9 - "GET /never" 1');
    expect(desk.joiner.deadline).toBeUndefined();
    desk.pen('3.3.3.3', 'GET /never');
    expect(desk.client('GET /never')).toBe('3.3.3.3');
  });

  test('of lines that wait for the same, the first gets the first', () => {
    const desk = new Desk();
    for (const at of [1, 2, 3]) desk.web(`9.9.9.9 - "GET /" ${at}`);
    for (const at of [1, 2, 3]) desk.pen(`${at}.1.1.1`, 'GET /');
    expect(desk.lines).toEqual([1, 2, 3].map((at) => `${at}.1.1.1 - "GET /" ${at}`));
  });

  test('no line waits where that is not wanted', () => {
    const desk = new Desk(10, 0);
    desk.web(LINE);
    expect(desk.lines).toEqual([LINE]);
  });

  test('lines that wait are bounded in number and in bytes', () => {
    const desk = new Desk();
    for (let at = 0; at < 10_005; at++) desk.web(`9.9.9.9 - "GET /${at}" 1`);
    expect(desk.lines).toHaveLength(5);
    const long = new Desk();
    for (let at = 0; at < 300; at++) long.web(`9.9.9.9 - "GET /${at}" ${'x'.repeat(64_000)}`);
    expect(long.lines.length).toBeGreaterThan(30);
  });

  test('servers with IPv6 addresses, and IPv4 ones that came through IPv6', () => {
    const desk = new Desk();
    desk.pen('2001:db8::1', 'GET /', '2001:DB8::0:6');
    desk.pen('1.1.1.1', 'GET /', '127.0.0.2');
    expect(desk.client('GET /', '2001:db8::6')).toBe('2001:db8::1');
    expect(desk.client('GET /', '::ffff:127.0.0.2')).toBe('1.1.1.1');
  });
});

describe('whoever sends', () => {
  test('makes one line of a datagram, with nothing in it that moves a cursor', () => {
    const desk = new Desk();
    desk.pen('1.1.1.1', 'GET /a HTTP/1.0');
    desk.web(`${LINE}\n9.9.9.9 - - forged\x1b[2J\r\n`);
    expect(desk.lines).toEqual([
      '1.1.1.1 - - [09/Jan/2002:00:28:50 +0100] "GET /a HTTP/1.0" 404 268\\x0A9.9.9.9 - - forged\\x1B[2J',
    ]);
  });

  test('puts nothing but an address in the place of the client', () => {
    const desk = new Desk();
    for (const client of ['evil', '1.1.1.1\n', '<b>', '-']) desk.pen(client, 'GET /');
    desk.joiner.take('+ 1.1.1.1 www1 GET /', '1.1.1.1', 1000);
    desk.joiner.take('\n', '1.1.1.1', 1000);
    desk.joiner.take('', '1.1.1.1', 1000);
    expect(desk.client('GET /')).toBe('10.9.9.9');
    expect(desk.joiner.counts).toEqual({ requests: 0, found: 0, missed: 1, malformed: 7 });
  });

  test('ends nothing, forges no line, and all is counted', () => {
    const piece = fc.oneof(
      fc.constantFrom('+ ', '1.1.1.1 ', '127.0.0.2 ', '"', 'GET / HTTP/1.0', '\n', '\\', '\\x', ' - [', '::1 ', '\0'),
      fc.uint8Array({ maxLength: 9 }).map((some) => Buffer.from(some).toString('latin1')),
      fc.nat(200).map((length) => 'x'.repeat(length)),
    );
    const datagram = fc.array(piece, { maxLength: 9 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(fc.array(datagram, { maxLength: 30 }), fc.constantFrom(1, 5, 1000), (datagrams, requestsMax) => {
        const desk = new Desk(requestsMax);
        for (const each of datagrams) {
          desk.now += 0.1;
          desk.web(each);
        }
        desk.joiner.flush(Infinity);
        const { requests, found, missed, malformed } = desk.joiner.counts;
        expect(requests + found + missed + malformed).toBe(datagrams.length);
        expect(desk.lines).toHaveLength(found + missed);
        for (const line of desk.lines)
          expect(Buffer.from(line, 'latin1').toString()).not.toMatch(/(?!\t)\p{Cc}|\ufffd/u);
      }),
      { numRuns: 1000 },
    );
  });

  test('costs no more than its length', () => {
    const desk = new Desk();
    for (const unit of ['\\', '\\"', '"', '[', '\r', '+ ', ' ', '\xc2\x80', '"\\x']) {
      for (let at = 0; at < 20; at++) desk.web(unit.repeat(65_507 / unit.length));
    }
    desk.joiner.flush(Infinity);
    expect(desk.lines).toHaveLength(160);
  });
});
