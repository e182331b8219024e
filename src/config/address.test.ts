import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ENDPOINT_SIZE,
  endpointText,
  KIND_IPV4,
  KIND_IPV6,
  KIND_UNIX,
  writeEndpoint,
  type Endpoint,
} from '../base/endpoint.ts';
import { defaultPort, isName, literalEndpoint, parseListen, parseServer, unixEndpoint } from './address.ts';
import { ConfigError } from './model.ts';

const LONG_PATH = `/${'x'.repeat(200)}`;

describe('a listen address', () => {
  test.each([
    ['80', { host: '0.0.0.0', port: '80' }],
    ['http', { host: '0.0.0.0', port: 'http' }],
    [':80', { host: '0.0.0.0', port: '80' }],
    ['127.0.0.1:80', { host: '127.0.0.1', port: '80' }],
    ['www:http', { host: 'www', port: 'http' }],
    ['[::1]:80', { host: '::1', port: '80' }],
    ['[127.0.0.1]:80', { host: '127.0.0.1', port: '80' }],
    ['::1:2222', { host: '::1', port: '2222' }],
    [':::10000', { host: '::', port: '10000' }],
    ['/run/pen.sock', { path: '/run/pen.sock' }],
    ['./pen.sock', { path: './pen.sock' }],
  ])('%s', (text, wanted) => {
    expect(parseListen(text, 'listen address')).toEqual(wanted);
  });

  test.each([
    ['', "listen address: '' has no port; write host:port, [ipv6]:port or /path"],
    ['127.0.0.1:', "listen address: '127.0.0.1:' has no port; write host:port, [ipv6]:port or /path"],
    ['[]:80', "listen address: '[]:80' has no host; write host:port, [ipv6]:port or /path"],
    ['[::1]', "listen address: '[::1]' has no port; write host:port, [ipv6]:port or /path"],
    ['[::1]:', "listen address: '[::1]:' has no port; write host:port, [ipv6]:port or /path"],
    ['::', "listen address: '::' has no port; write host:port, [ipv6]:port or /path"],
    [LONG_PATH, `listen address: the socket path has 201 bytes, at most 104 are possible: ${LONG_PATH}`],
  ])('%s is refused', (text, message) => {
    expect(() => parseListen(text, 'listen address')).toThrow(
      new ConfigError('', '').constructor as typeof ConfigError,
    );
    expect(() => parseListen(text, 'listen address')).toThrow(message);
  });
});

describe('a server', () => {
  test.each([
    ['h', { host: 'h', port: '8080' }, {}],
    ['h:', { host: 'h', port: '8080' }, {}],
    ['h:81', { host: 'h', port: '81' }, {}],
    ['h:http', { host: 'h', port: 'http' }, {}],
    ['h::5', { host: 'h', port: '8080' }, { max: 5 }],
    ['h:81:1', { host: 'h', port: '81' }, { max: 1 }],
    ['h:81:1:2', { host: 'h', port: '81' }, { max: 1, hard: 2 }],
    ['h:81:1:2:3', { host: 'h', port: '81' }, { max: 1, hard: 2, weight: 3 }],
    ['h:81:1:2:3:4', { host: 'h', port: '81' }, { max: 1, hard: 2, weight: 3, prio: 4 }],
    ['h:81::2::4', { host: 'h', port: '81' }, { hard: 2, prio: 4 }],
    ['h:81:2147483647', { host: 'h', port: '81' }, { max: 2147483647 }],
    ['127.0.0.1:81', { host: '127.0.0.1', port: '81' }, {}],
    ['[::1]', { host: '::1', port: '8080' }, {}],
    ['[::1]:81:5', { host: '::1', port: '81' }, { max: 5 }],
    ['[fe80::1%2]:81', { host: 'fe80::1%2', port: '81' }, {}],
    ['[www]:81', { host: 'www', port: '81' }, {}],
    ['/run/app.sock', { path: '/run/app.sock' }, {}],
    ['/run/app.sock:1:5', { path: '/run/app.sock' }, { max: 5 }],
    ['[/run/a:b.sock]:1:5', { path: '/run/a:b.sock' }, { max: 5 }],
  ])('%s', (text, address, limits) => {
    expect(parseServer(text, 'server', '8080')).toEqual({ address, limits, hasListenerPort: false });
  });

  test.each([
    ['', "server: '' has no host; write host:port, [ipv6]:port or /path"],
    [':80', "server: ':80' has no host"],
    ['[]:80', "server: '[]:80' has no host"],
    ['::1', "server: '::1' is an IPv6 address; write it in brackets: [::1]:port"],
    ['1::2', "server: '1::2' is an IPv6 address; write it in brackets: [1::2]:port"],
    ['2001:db8::1', "server: '2001:db8::1' is an IPv6 address; write it in brackets"],
    ['fe80::1%2', "server: 'fe80::1%2' is an IPv6 address; write it in brackets"],
    ['::1:80:5', "'::1:80:5' is an IPv6 address; write it in brackets"],
    ['/run/x:abc:5', "server '/run/x:abc:5', port: 'abc' is not a whole number"],
    ['[::1:80', "server: '[::1:80' has no closing bracket; write [ipv6]:port"],
    ['[::1]80', "server: '[::1]80' has text after the closing bracket"],
    ['h:80:1:2:3:4:5', 'too many fields; write host:port:max:hard:weight:prio, an IPv6 address in brackets'],
    ['h:80:abc:5', "server 'h:80:abc:5', max: 'abc' is not a whole number from 0 to 2147483647"],
    ['h:80:-1', "server 'h:80:-1', max: '-1' is not a whole number from 0 to 2147483647"],
    ['h:80: 1', "server 'h:80: 1', max: ' 1' is not a whole number from 0 to 2147483647"],
    ['h:80:1:0x5', "server 'h:80:1:0x5', hard: '0x5' is not a whole number"],
    ['h:80:1:2:1e3', "server 'h:80:1:2:1e3', weight: '1e3' is not a whole number"],
    ['h:80:1:2:3:2147483648', "server 'h:80:1:2:3:2147483648', prio: '2147483648' is not a whole number"],
    [LONG_PATH, 'the socket path has 201 bytes, at most 104 are possible'],
  ])('%s is refused', (text, message) => {
    expect(() => parseServer(text, 'server', '8080')).toThrow(message);
  });

  test('may have the port of the listener a client comes by', () => {
    const follower = { address: { host: 'h', port: '0' }, limits: {}, hasListenerPort: true };
    expect(parseServer('h:listener', 'server', '8080')).toEqual(follower);
    expect(parseServer('h', 'server', 'listener')).toEqual(follower);
    expect(parseServer('/run/x', 'server', 'listener').hasListenerPort).toBe(false);
  });

  test.each([
    [[], undefined],
    [['80'], '80'],
    [['127.0.0.1:0'], undefined],
    [['80', '127.0.0.1:80'], '80'],
    [['80', '443'], 'listener'],
    [['/run/x'], undefined],
    [['80', '/run/x'], '80'],
    [['80', '127.0.0.1:0'], 'listener'],
  ])('without a port has, behind listeners at %j, %s', (listen, port) => {
    expect(defaultPort(listen)).toBe(port);
  });

  test('without a port needs a listener that has one', () => {
    expect(() => parseServer('h', '-e', undefined)).toThrow(
      "-e: 'h' needs a port, because the listener has no fixed one",
    );
    expect(parseServer('/run/app.sock', 'server', undefined).address).toEqual({ path: '/run/app.sock' });
  });

  test('what was parsed can be written again and means the same', () => {
    const field = fc.integer({ min: 0, max: 2 ** 31 - 1 });
    const host = fc.oneof(
      fc.ipV4().map((address) => [address, address] as const),
      fc.ipV6().map((address) => [`[${address}]`, address] as const),
      fc.domain().map((name) => [name, name] as const),
    );
    fc.assert(
      fc.property(
        host,
        fc.nat(65_535),
        field,
        field,
        field,
        field,
        ([written, bare], port, max, hard, weight, prio) => {
          const text = [written, port, max, hard, weight, prio].join(':');
          const address = { host: bare, port: String(port) };
          expect(parseServer(text, 'server', undefined)).toEqual({
            address,
            limits: { max, hard, weight, prio },
            hasListenerPort: false,
          });
        },
      ),
    );
  });

  test('whatever somebody writes is understood or refused as a mistake of theirs', () => {
    const piece = fc.constantFrom(':', '[', ']', '/', '%', '::', '1', '80', 'h', '-', ' ', '127.0.0.1', '\u0000', 'é');
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
        (text) => {
          for (const parse of [parseListen, parseServer]) {
            try {
              parse(text, 'here', '80');
            } catch (error) {
              expect(error).toBeInstanceOf(ConfigError);
              expect((error as ConfigError).message).toContain('here');
            }
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a literal address', () => {
  function text(endpoint: Endpoint | undefined): string | undefined {
    if (!endpoint) return undefined;
    const bytes = new Uint8Array(ENDPOINT_SIZE);
    writeEndpoint(endpoint, bytes, 0);
    return endpointText(bytes, 0);
  }

  test.each([
    ['127.0.0.1', '127.0.0.1:80'],
    ['127.1', '127.0.0.1:80'],
    ['::1', '[::1]:80'],
    ['2001:DB8:0:0:0:0:0:1', '[2001:db8::1]:80'],
    ['::ffff:192.0.2.1', '192.0.2.1:80'],
    ['::ffff:c000:201', '192.0.2.1:80'],
  ])('%s is %s', (host, wanted) => {
    expect(text(literalEndpoint(host, 80, 'here'))).toBe(wanted);
  });

  test.each([
    'www',
    'www.example.org',
    'fe80',
    '1.2.3.4.5',
    '256.1.1.1',
    ':::',
    '1:2:3:4:5:6:7:8:9',
    '[::1]',
    'localhost',
    '-1',
  ])('%s is a name', (host) => {
    expect(literalEndpoint(host, 80, 'here')).toBeUndefined();
  });

  test('a zone is kept as its number', () => {
    expect(literalEndpoint('fe80::1%3', 80, 'here')).toMatchObject({ kind: KIND_IPV6, scope: 3 });
    expect(literalEndpoint('fe80::1', 80, 'here')).toMatchObject({ kind: KIND_IPV6, scope: 0 });
    expect(text(literalEndpoint('fe80::1%3', 80, 'here'))).toBe('[fe80::1%3]:80');
  });

  test.each(['', '4294967296', 'a b', 'far-too-long-name'])("zone '%s' is a mistake", (zone) => {
    const wanted = `here: zone '${zone}' is not the name or the number of an interface, as in fe80::1%eth0 or fe80::1%2`;
    expect(() => literalEndpoint(`fe80::1%${zone}`, 80, 'here')).toThrow(wanted);
    expect(isName(`fe80::1%${zone}`, 'here')).toBe(false);
  });

  test.each(['eth0', 'br-0.7', '1x', 'fifteen-letters'])(
    "zone '%s' is the name of an interface, to be looked up",
    (zone) => {
      expect(literalEndpoint(`fe80::1%${zone}`, 80, 'here')).toBeUndefined();
      expect(isName(`fe80::1%${zone}`, 'here')).toBe(true);
    },
  );

  test('an IPv4-mapped address is the IPv4 address', () => {
    expect(literalEndpoint('::ffff:10.0.0.1', 1, 'here')).toEqual({
      kind: KIND_IPV4,
      ip: Uint8Array.of(10, 0, 0, 1),
      port: 1,
    });
  });

  test('a unix address is its path', () => {
    expect(unixEndpoint('/x')).toEqual({ kind: KIND_UNIX, path: '/x' });
  });

  test('the printed form reads as the same address', () => {
    const zoned = fc.tuple(fc.ipV6(), fc.integer({ min: 1, max: 999_999_999 })).map(([ip, zone]) => `${ip}%${zone}`);
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), zoned), fc.nat(65_535), (host, port) => {
        const endpoint = literalEndpoint(host, port, 'here')!;
        const printed = text(endpoint)!;
        const read = parseListen(printed, 'here');
        expect('host' in read && literalEndpoint(read.host, Number(read.port), 'here')).toEqual(endpoint);
      }),
    );
  });
});
