import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  ENDPOINT_SIZE,
  endpointText,
  type Endpoint,
  KIND_IPV4,
  KIND_IPV6,
  KIND_NONE,
  KIND_UNIX,
  PEER_SIZE,
  UNIX_PATH_MAX,
  writeEndpoint,
} from '../base/endpoint.ts';
import { AF_INET, AF_INET6, AF_UNIX, decodePeer, encodeSockaddr, familyOf, SOCKADDR_SIZE } from './sockaddr.ts';

const port = fc.integer({ min: 0, max: 65_535 });
const ipv4 = fc.record({
  kind: fc.constant(KIND_IPV4),
  ip: fc.uint8Array({ minLength: 4, maxLength: 4 }),
  port,
});
const ipv6 = fc.record({
  kind: fc.constant(KIND_IPV6),
  ip: fc.uint8Array({ minLength: 16, maxLength: 16 }).filter((ip) => ip[0] !== 0),
  port,
  scope: fc.integer({ min: 0, max: 0xff_ff_ff_ff }),
});
const internet: fc.Arbitrary<Endpoint> = fc.oneof(ipv4, ipv6);

function record(endpoint: Endpoint): Uint8Array {
  const bytes = new Uint8Array(ENDPOINT_SIZE);
  writeEndpoint(endpoint, bytes, 0);
  return bytes;
}

test('an internet address survives the way to the kernel and back, at any offset', () => {
  fc.assert(
    fc.property(internet, fc.nat(40), fc.nat(40), fc.nat(40), (endpoint, from, to, back) => {
      const endpoints = new Uint8Array(from + ENDPOINT_SIZE).fill(0xaa);
      writeEndpoint(endpoint, endpoints, from);
      const target = new Uint8Array(to + SOCKADDR_SIZE).fill(0xbb);
      const peers = new Uint8Array(back + PEER_SIZE + 8).fill(0xcc);
      const length = encodeSockaddr(endpoints, from, target, to);
      decodePeer(target, to, length, peers, back);
      expect(peers.subarray(back, back + PEER_SIZE)).toEqual(endpoints.subarray(from, from + PEER_SIZE));
      // Nothing outside its place is touched.
      expect(peers.subarray(0, back).every((byte) => byte === 0xcc)).toBe(true);
      expect(peers.subarray(back + PEER_SIZE).every((byte) => byte === 0xcc)).toBe(true);
      expect(target.subarray(to + length).every((byte) => byte === 0xbb)).toBe(true);
    }),
  );
});

test('the bytes are those of sockaddr_in and sockaddr_in6', () => {
  const target = new Uint8Array(SOCKADDR_SIZE);
  expect(encodeSockaddr(record({ kind: KIND_IPV4, ip: Uint8Array.of(1, 2, 3, 4), port: 0x1234 }), 0, target, 0)).toBe(
    16,
  );
  expect([...target.subarray(0, 16)]).toEqual([2, 0, 0x12, 0x34, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
  const ip = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
  expect(encodeSockaddr(record({ kind: KIND_IPV6, ip, port: 80, scope: 0x0102 }), 0, target, 0)).toBe(28);
  expect([...target.subarray(0, 28)]).toEqual([10, 0, 0, 80, 0, 0, 0, 0, ...ip, 2, 1, 0, 0]);
});

test('a unix path keeps its bytes and ends with a NUL; the peer is just "unix"', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '/', '.', '-', 'Z'), minLength: 1, maxLength: UNIX_PATH_MAX }),
      (path) => {
        const target = new Uint8Array(SOCKADDR_SIZE).fill(0xbb);
        const length = encodeSockaddr(record({ kind: KIND_UNIX, path }), 0, target, 0);
        expect(length).toBe(2 + path.length + 1);
        expect([...target.subarray(0, length)]).toEqual([1, 0, ...new TextEncoder().encode(path), 0]);
        const peers = new Uint8Array(PEER_SIZE).fill(0xcc);
        decodePeer(target, 0, length, peers, 0);
        expect([...peers]).toEqual([KIND_UNIX, ...Array.from({ length: PEER_SIZE - 1 }, () => 0)]);
        expect(endpointText(peers, 0)).toBe('unix');
      },
    ),
  );
});

test('an IPv4 client of an IPv6 listener is an IPv4 client', () => {
  fc.assert(
    fc.property(ipv4, (endpoint) => {
      const mapped = new Uint8Array(28);
      mapped.set([10, 0, endpoint.port >> 8, endpoint.port & 255]);
      mapped.set([255, 255, ...endpoint.ip], 18);
      const peers = new Uint8Array(PEER_SIZE);
      decodePeer(mapped, 0, 28, peers, 0);
      expect(peers).toEqual(record(endpoint).subarray(0, PEER_SIZE));
    }),
  );
});

test('what is no address gives no address', () => {
  const target = new Uint8Array(SOCKADDR_SIZE);
  expect(encodeSockaddr(new Uint8Array(ENDPOINT_SIZE), 0, target, 0)).toBe(0);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 28 }), (bytes) => {
      const family = bytes.length < 2 ? 0 : bytes[0]! | (bytes[1]! << 8);
      const whole =
        (family === AF_INET && bytes.length >= 16) || (family === AF_INET6 && bytes.length >= 28) || family === AF_UNIX;
      fc.pre(!whole);
      const peers = new Uint8Array(PEER_SIZE).fill(0xcc);
      decodePeer(bytes, 0, bytes.length, peers, 0);
      expect(peers.every((byte) => byte === 0)).toBe(true);
    }),
  );
  expect([KIND_IPV4, KIND_IPV6, KIND_UNIX, KIND_NONE, 7].map(familyOf)).toEqual([AF_INET, AF_INET6, AF_UNIX, -1, -1]);
});
