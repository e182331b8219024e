/**
 * Translates between the endpoint records that everybody else speaks and the kernel's sockaddr structures.
 *
 * Pure bytes: no system call, no allocation, usable from any thread.
 * @source ip(7), ipv6(7), unix(7); layouts of Linux, equal on x86-64 and arm64 (both little-endian).
 */
import {
  ENDPOINT_IP,
  ENDPOINT_KIND,
  ENDPOINT_PATH,
  ENDPOINT_PATH_LENGTH,
  ENDPOINT_PORT,
  ENDPOINT_SCOPE,
  KIND_IPV4,
  KIND_IPV6,
  KIND_NONE,
  KIND_UNIX,
  PEER_SIZE,
} from '../base/endpoint.ts';

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** Room that any sockaddr needs here: family, 104 bytes of path, NUL; rounded up. */
export const SOCKADDR_SIZE = 128;

const SOCKADDR_IN_SIZE = 16;
const SOCKADDR_IN6_SIZE = 28;

const FAMILY = 0;
const UN_PATH = 2;
const IN_PORT = 2;
const IN_ADDRESS = 4;
const IN6_PORT = 2;
const IN6_ADDRESS = 8;
const IN6_SCOPE = 24;

/** The address family of an endpoint kind, or -1 for one we cannot open a socket for. */
export function familyOf(kind: number): number {
  if (kind === KIND_IPV4) return AF_INET;
  if (kind === KIND_IPV6) return AF_INET6;
  return kind === KIND_UNIX ? AF_UNIX : -1;
}

/**
 * Writes the sockaddr of an endpoint record.
 *
 * @param target receives at most SOCKADDR_SIZE bytes at `targetOffset`.
 * @returns the length to pass with the address, or 0 when the record holds no address (KIND_NONE).
 */
export function encodeSockaddr(
  endpoints: Uint8Array,
  offset: number,
  target: Uint8Array,
  targetOffset: number,
): number {
  switch (endpoints[offset + ENDPOINT_KIND]) {
    case KIND_IPV4:
      target.fill(0, targetOffset, targetOffset + SOCKADDR_IN_SIZE);
      target[targetOffset + FAMILY] = AF_INET;
      copy(endpoints, offset + ENDPOINT_PORT, 2, target, targetOffset + IN_PORT);
      copy(endpoints, offset + ENDPOINT_IP + 12, 4, target, targetOffset + IN_ADDRESS);
      return SOCKADDR_IN_SIZE;
    case KIND_IPV6:
      target.fill(0, targetOffset, targetOffset + SOCKADDR_IN6_SIZE);
      target[targetOffset + FAMILY] = AF_INET6;
      copy(endpoints, offset + ENDPOINT_PORT, 2, target, targetOffset + IN6_PORT);
      copy(endpoints, offset + ENDPOINT_IP, 16, target, targetOffset + IN6_ADDRESS);
      // The zone index is in the byte order of the machine; everything else in that of the network.
      for (let i = 0; i < 4; i++)
        target[targetOffset + IN6_SCOPE + i] = endpoints[offset + ENDPOINT_SCOPE + 3 - i] ?? 0;
      return SOCKADDR_IN6_SIZE;
    case KIND_UNIX: {
      const length = endpoints[offset + ENDPOINT_PATH_LENGTH] ?? 0;
      target[targetOffset + FAMILY] = AF_UNIX;
      target[targetOffset + FAMILY + 1] = 0;
      copy(endpoints, offset + ENDPOINT_PATH, length, target, targetOffset + UN_PATH);
      target[targetOffset + UN_PATH + length] = 0;
      return UN_PATH + length + 1;
    }
    default:
      return 0;
  }
}

/**
 * Writes the canonical peer record (PEER_SIZE bytes) of a sockaddr that the kernel filled in.
 *
 * IPv4 clients of an IPv6 listener (`::ffff:a.b.c.d`) become IPv4, so that one client is one address whichever
 * listener it comes through. A unix client is KIND_UNIX and nothing else; an unknown family is KIND_NONE.
 *
 * @param length what the kernel reported; shorter than the family's structure counts as unknown.
 */
export function decodePeer(
  source: Uint8Array,
  sourceOffset: number,
  length: number,
  peers: Uint8Array,
  peersOffset: number,
): void {
  peers.fill(0, peersOffset, peersOffset + PEER_SIZE);
  const family =
    length < 2 ? 0 : (source[sourceOffset + FAMILY] ?? 0) | ((source[sourceOffset + FAMILY + 1] ?? 0) << 8);
  if (family === AF_UNIX) {
    peers[peersOffset + ENDPOINT_KIND] = KIND_UNIX;
  } else if (family === AF_INET && length >= SOCKADDR_IN_SIZE) {
    peers[peersOffset + ENDPOINT_KIND] = KIND_IPV4;
    copy(source, sourceOffset + IN_PORT, 2, peers, peersOffset + ENDPOINT_PORT);
    peers[peersOffset + ENDPOINT_IP + 10] = 255;
    peers[peersOffset + ENDPOINT_IP + 11] = 255;
    copy(source, sourceOffset + IN_ADDRESS, 4, peers, peersOffset + ENDPOINT_IP + 12);
  } else if (family === AF_INET6 && length >= SOCKADDR_IN6_SIZE) {
    copy(source, sourceOffset + IN6_PORT, 2, peers, peersOffset + ENDPOINT_PORT);
    copy(source, sourceOffset + IN6_ADDRESS, 16, peers, peersOffset + ENDPOINT_IP);
    const mapped = isMapped(source, sourceOffset + IN6_ADDRESS);
    peers[peersOffset + ENDPOINT_KIND] = mapped ? KIND_IPV4 : KIND_IPV6;
    if (mapped) return;
    for (let i = 0; i < 4; i++) peers[peersOffset + ENDPOINT_SCOPE + i] = source[sourceOffset + IN6_SCOPE + 3 - i] ?? 0;
  } else {
    peers[peersOffset + ENDPOINT_KIND] = KIND_NONE;
  }
}

/** RFC 4291 section 2.5.5.2: ten zero bytes, then two of ones. */
function isMapped(source: Uint8Array, offset: number): boolean {
  for (let i = 0; i < 10; i++) if (source[offset + i] !== 0) return false;
  return source[offset + 10] === 255 && source[offset + 11] === 255;
}

/** A loop instead of `set(subarray)`: these are a few bytes, and a view per connection would be garbage. */
function copy(
  source: Uint8Array,
  sourceOffset: number,
  length: number,
  target: Uint8Array,
  targetOffset: number,
): void {
  for (let i = 0; i < length; i++) target[targetOffset + i] = source[sourceOffset + i] ?? 0;
}
