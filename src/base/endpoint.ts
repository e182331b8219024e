/**
 * A transport address as 128 bytes that mean the same to every loop, table and test; only the loops know sockaddr.
 *
 * Layout (all numbers big-endian, so that equal addresses are equal bytes everywhere):
 * ```
 *  0  kind        u8   0 none, 4 IPv4, 6 IPv6, 1 unix
 *  1  pathLength  u8   bytes of the unix path, 0 otherwise
 *  2  port        u16  0 for unix
 *  4  scope       u32  IPv6 zone index, 0 otherwise
 *  8  ip          16   IPv6 bytes; IPv4 as ::ffff:a.b.c.d
 * 24  path        104  unix path without the closing NUL
 * ```
 * A peer of an accepted connection uses the first 24 bytes only (a unix client has no path).
 */
export const ENDPOINT_SIZE = 128;
export const PEER_SIZE = 24;

export const ENDPOINT_KIND = 0;
export const ENDPOINT_PATH_LENGTH = 1;
export const ENDPOINT_PORT = 2;
export const ENDPOINT_SCOPE = 4;
export const ENDPOINT_IP = 8;
export const ENDPOINT_PATH = 24;
/** Longest unix path we accept, in bytes: what fits here; the kernel's own limit is 107. */
export const UNIX_PATH_MAX = ENDPOINT_SIZE - ENDPOINT_PATH;

export const KIND_NONE = 0;
export const KIND_UNIX = 1;
export const KIND_IPV4 = 4;
export const KIND_IPV6 = 6;

export type Endpoint =
  | { readonly kind: typeof KIND_IPV4; readonly ip: Uint8Array; readonly port: number }
  | { readonly kind: typeof KIND_IPV6; readonly ip: Uint8Array; readonly port: number; readonly scope: number }
  | { readonly kind: typeof KIND_UNIX; readonly path: string };

/** Writes `endpoint` as 128 bytes at `offset`; bytes it does not use become 0. */
export function writeEndpoint(endpoint: Endpoint, target: Uint8Array, offset: number): void {
  target.fill(0, offset, offset + ENDPOINT_SIZE);
  target[offset + ENDPOINT_KIND] = endpoint.kind;
  if (endpoint.kind === KIND_UNIX) {
    const path = encodePath(endpoint.path);
    target[offset + ENDPOINT_PATH_LENGTH] = path.length;
    target.set(path, offset + ENDPOINT_PATH);
    return;
  }
  setPort(target, offset, endpoint.port);
  if (endpoint.kind === KIND_IPV4) {
    target[offset + ENDPOINT_IP + 10] = 255;
    target[offset + ENDPOINT_IP + 11] = 255;
    target.set(endpoint.ip, offset + ENDPOINT_IP + 12);
    return;
  }
  target.set(endpoint.ip, offset + ENDPOINT_IP);
  for (let i = 0; i < 4; i++) target[offset + ENDPOINT_SCOPE + i] = (endpoint.scope >>> (24 - 8 * i)) & 255;
}

/** An endpoint as ENDPOINT_SIZE bytes. */
export function endpointRecord(endpoint: Endpoint): Uint8Array {
  const record = new Uint8Array(ENDPOINT_SIZE);
  writeEndpoint(endpoint, record, 0);
  return record;
}

/** Whether both are the same address. */
export function isSameEndpoint(one: Endpoint, other: Endpoint | undefined): boolean {
  if (one === other) return true;
  if (!other) return false;
  const record = endpointRecord(other);
  return endpointRecord(one).every((byte, at) => byte === record[at]);
}

/** One of the four 32-bit words of the IP address, as i32; word 0 is the first. */
export function ipWord(source: Uint8Array, offset: number, word: number): number {
  const at = offset + ENDPOINT_IP + word * 4;
  return (
    ((source[at] ?? 0) << 24) | ((source[at + 1] ?? 0) << 16) | ((source[at + 2] ?? 0) << 8) | (source[at + 3] ?? 0)
  );
}

/** True for an address that means IPv4, in either notation (`1.2.3.4`, `::ffff:1.2.3.4`). */
export function isIpv4(source: Uint8Array, offset: number): boolean {
  return ipWord(source, offset, 0) === 0 && ipWord(source, offset, 1) === 0 && ipWord(source, offset, 2) === 0xffff;
}

/** The port, 0 for unix. */
export function portOf(source: Uint8Array, offset: number): number {
  return ((source[offset + ENDPOINT_PORT] ?? 0) << 8) | (source[offset + ENDPOINT_PORT + 1] ?? 0);
}

/** Changes the port of an endpoint that has one. */
export function setPort(target: Uint8Array, offset: number, port: number): void {
  target[offset + ENDPOINT_PORT] = port >>> 8;
  target[offset + ENDPOINT_PORT + 1] = port & 255;
}

/** The text a person would write: `1.2.3.4:80`, `[::1]:80`, `/run/x.sock`, `unix` for a client without a path. */
export function endpointText(source: Uint8Array, offset: number): string {
  const kind = source[offset + ENDPOINT_KIND];
  if (kind === KIND_UNIX) {
    const length = source[offset + ENDPOINT_PATH_LENGTH] ?? 0;
    if (length === 0) return 'unix';
    return decodePath(source.subarray(offset + ENDPOINT_PATH, offset + ENDPOINT_PATH + length));
  }
  if (kind !== KIND_IPV4 && kind !== KIND_IPV6) return 'none';
  const port = portOf(source, offset);
  const ip = ipText(source, offset);
  if (kind === KIND_IPV4) return `${ip}:${port}`;
  let scope = 0;
  for (let i = 0; i < 4; i++) scope = scope * 256 + source[offset + ENDPOINT_SCOPE + i];
  return scope === 0 ? `[${ip}]:${port}` : `[${ip}%${scope}]:${port}`;
}

/** The address alone, without port: `1.2.3.4`, `::1` (RFC 5952), `unix`. */
export function ipText(source: Uint8Array, offset: number): string {
  const kind = source[offset + ENDPOINT_KIND];
  if (kind === KIND_UNIX) return 'unix';
  const ip = source.subarray(offset + ENDPOINT_IP, offset + ENDPOINT_IP + 16);
  if (kind === KIND_IPV4) return `${ip[12]}.${ip[13]}.${ip[14]}.${ip[15]}`;
  return ipv6Text(ip);
}

/** RFC 5952 section 4: lower case, no leading zeros, the longest run of zero groups (two or more) as `::`. */
function ipv6Text(ip: Uint8Array): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((ip[i] ?? 0) << 8) | (ip[i + 1] ?? 0));
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && groups[i + run] === 0) run++;
    if (run > length) {
      start = i;
      length = run;
    }
  }
  const hex = groups.map((group) => group.toString(16));
  if (start < 0) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

/** UTF-8 by hand: this room has neither Buffer nor TextEncoder. */
function encodePath(path: string): Uint8Array {
  const bytes: number[] = [];
  for (const char of path) {
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
  if (bytes.length > UNIX_PATH_MAX)
    throw new RangeError(`unix path has ${bytes.length} bytes, at most ${UNIX_PATH_MAX} are possible: ${path}`);
  return Uint8Array.from(bytes);
}

function decodePath(bytes: Uint8Array): string {
  let escaped = '';
  for (const byte of bytes) escaped += `%${byte.toString(16).padStart(2, '0')}`;
  return decodeURIComponent(escaped);
}
