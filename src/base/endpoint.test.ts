import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ENDPOINT_IP,
  ENDPOINT_PATH_LENGTH,
  ENDPOINT_PORT,
  ENDPOINT_SIZE,
  endpointText,
  ipText,
  KIND_IPV4,
  KIND_IPV6,
  KIND_UNIX,
  PEER_SIZE,
  UNIX_PATH_MAX,
  writeEndpoint,
  type Endpoint,
} from './endpoint.ts';

function bytesOf(endpoint: Endpoint): Uint8Array {
  const bytes = new Uint8Array(ENDPOINT_SIZE).fill(0xaa);
  writeEndpoint(endpoint, bytes, 0);
  return bytes;
}

function ipv6(...groups: number[]): Endpoint {
  const ip = Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 255]));
  return { kind: KIND_IPV6, ip, port: 80, scope: 0 };
}

describe('the text of an endpoint', () => {
  test('IPv4 with port', () => {
    expect(endpointText(bytesOf({ kind: KIND_IPV4, ip: Uint8Array.of(192, 0, 2, 255), port: 65535 }), 0)).toBe(
      '192.0.2.255:65535',
    );
  });

  /** @source RFC 5952 sections 4.1 to 4.3 */
  test.each([
    [[0, 0, 0, 0, 0, 0, 0, 0], '::'],
    [[0, 0, 0, 0, 0, 0, 0, 1], '::1'],
    [[1, 0, 0, 0, 0, 0, 0, 0], '1::'],
    [[0x2001, 0xdb8, 0, 0, 0, 0, 2, 1], '2001:db8::2:1'],
    [[0x2001, 0xdb8, 0, 1, 1, 1, 1, 1], '2001:db8:0:1:1:1:1:1'],
    [[0x2001, 0, 0, 1, 0, 0, 0, 1], '2001:0:0:1::1'],
    [[0x2001, 0xdb8, 0, 0, 1, 0, 0, 1], '2001:db8::1:0:0:1'],
    [[0xabcd, 0xef, 0xf, 1, 2, 3, 4, 5], 'abcd:ef:f:1:2:3:4:5'],
  ])('IPv6 %j is %s', (groups, text) => {
    expect(endpointText(bytesOf(ipv6(...groups)), 0)).toBe(`[${text}]:80`);
    expect(ipText(bytesOf(ipv6(...groups)), 0)).toBe(text);
  });

  test('a unix path is itself, also when it is not ASCII', () => {
    for (const path of ['/run/x.sock', '/tmp/späße', '/tmp/日本', '/tmp/🖊️', '/tmp/a%20b']) {
      expect(endpointText(bytesOf({ kind: KIND_UNIX, path }), 0)).toBe(path);
    }
  });

  test('a unix client has no path, and says what it is', () => {
    const peer = bytesOf({ kind: KIND_UNIX, path: '' });
    expect(endpointText(peer.subarray(0, PEER_SIZE), 0)).toBe('unix');
    expect(ipText(peer, 0)).toBe('unix');
  });

  test('an empty record is none', () => {
    expect(endpointText(new Uint8Array(ENDPOINT_SIZE), 0)).toBe('none');
  });

  test('an IPv6 text means the bytes it was made of, and is as the platform writes it', () => {
    const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
    fc.assert(
      fc.property(fc.tuple(group, group, group, group, group, group, group, group), (groups) => {
        const [first, second, third, fourth, fifth, sixth] = groups;
        // The platform writes ::ffff:a.b.c.d and ::a.b.c.d its own way; those are IPv4 to us anyway.
        fc.pre((first | second | third | fourth | fifth) !== 0 || (sixth !== 0xffff && sixth !== 0));
        const text = ipText(bytesOf(ipv6(...groups)), 0);
        expect(`[${text}]`).toBe(new URL(`http://[${text}]/`).hostname);
        const full = groups.map((value) => value.toString(16)).join(':');
        expect(new URL(`http://[${text}]/`).hostname).toBe(new URL(`http://[${full}]/`).hostname);
      }),
    );
  });
});

describe('the bytes of an endpoint', () => {
  test('what a kind does not use is 0, whatever was there', () => {
    const bytes = bytesOf({ kind: KIND_IPV4, ip: Uint8Array.of(1, 2, 3, 4), port: 0x1234 });
    const wanted = new Uint8Array(ENDPOINT_SIZE);
    wanted.set([KIND_IPV4, 0, 0x12, 0x34]);
    wanted.set([0xff, 0xff, 1, 2, 3, 4], ENDPOINT_IP + 10);
    expect(bytes).toEqual(wanted);
  });

  test('a neighbour is not touched', () => {
    const bytes = new Uint8Array(ENDPOINT_SIZE * 3).fill(7);
    writeEndpoint({ kind: KIND_UNIX, path: 'x'.repeat(UNIX_PATH_MAX) }, bytes, ENDPOINT_SIZE);
    expect(bytes.subarray(0, ENDPOINT_SIZE).every((byte) => byte === 7)).toBe(true);
    expect(bytes.subarray(ENDPOINT_SIZE * 2).every((byte) => byte === 7)).toBe(true);
  });

  test('numbers are big-endian, the zone keeps all its 32 bits', () => {
    const bytes = bytesOf({ kind: KIND_IPV6, ip: new Uint8Array(16), port: 443, scope: 0xfedc_ba98 });
    expect([...bytes.subarray(ENDPOINT_PORT, ENDPOINT_IP)]).toEqual([1, 187, 0xfe, 0xdc, 0xba, 0x98]);
  });

  test('a path is as long as its UTF-8, up to the limit; beyond it is an error that says both', () => {
    const longest = `/${'é'.repeat(51)}x`;
    expect(Buffer.byteLength(longest)).toBe(UNIX_PATH_MAX);
    expect(bytesOf({ kind: KIND_UNIX, path: longest })[ENDPOINT_PATH_LENGTH]).toBe(UNIX_PATH_MAX);
    expect(() => bytesOf({ kind: KIND_UNIX, path: `${longest}x` })).toThrow(
      `unix path has ${UNIX_PATH_MAX + 1} bytes, at most ${UNIX_PATH_MAX} are possible`,
    );
  });

  test('any path comes back as it was, in the bytes the platform would use', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), (path) => {
        fc.pre(Buffer.byteLength(path) <= UNIX_PATH_MAX);
        const bytes = bytesOf({ kind: KIND_UNIX, path });
        const length = bytes[ENDPOINT_PATH_LENGTH];
        expect(Buffer.from(bytes.subarray(24, 24 + length)).equals(Buffer.from(path))).toBe(true);
        expect(endpointText(bytes, 0)).toBe(path);
      }),
      { numRuns: 40 },
    );
  });
});
