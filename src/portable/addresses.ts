/** Between the addresses of `node:net`, which are text, and endpoint records. */
import { networkInterfaces } from 'node:os';
import { isIP, type Socket } from 'node:net';
import {
  ENDPOINT_KIND,
  ENDPOINT_SCOPE,
  ENDPOINT_SIZE,
  endpointText,
  ipText,
  KIND_IPV4,
  KIND_IPV6,
  KIND_UNIX,
  PEER_SIZE,
  portOf,
  writeEndpoint,
} from '../base/endpoint.ts';

/** What `node:net` connects to or listens on. */
export type NetAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** @returns undefined when the record holds no address that can be used. */
export function netAddress(endpoints: Uint8Array, offset: number): NetAddress | undefined {
  const kind = endpoints[offset + ENDPOINT_KIND];
  if (kind === KIND_UNIX) return { path: endpointText(endpoints, offset) };
  if (kind !== KIND_IPV4 && kind !== KIND_IPV6) return undefined;
  const scope = kind === KIND_IPV6 ? scopeOf(endpoints, offset) : 0;
  const zone = scope === 0 ? '' : `%${interfaceNamed(scope) ?? scope}`;
  const host = `${ipText(endpoints, offset)}${zone}`;
  // Whatever Node does not take for an address it would look up.
  return isIP(host) === 0 ? undefined : { host, port: portOf(endpoints, offset) };
}

/** Where a socket is to come from, as `net.Socket.connect` has it; unix sockets ignore it. */
export function localAddress(source: Uint8Array): { readonly localAddress?: string } {
  const address = netAddress(source, 0);
  return address && 'host' in address ? { localAddress: address.host } : {};
}

/**
 * Writes who is at the other end of an accepted socket (PEER_SIZE bytes).
 * @returns false when the client has gone already, so that nobody knows any more.
 */
export function writePeer(socket: Socket, isUnix: boolean, peers: Uint8Array, offset: number): boolean {
  const record = new Uint8Array(ENDPOINT_SIZE);
  if (isUnix) record[ENDPOINT_KIND] = KIND_UNIX;
  else if (!writeAddress(socket.remoteAddress, socket.remotePort ?? 0, record)) return false;
  peers.set(record.subarray(0, PEER_SIZE), offset);
  return true;
}

/** Writes an address as a whole record; IPv4 in IPv6 becomes IPv4. @returns false when it is no address. */
export function writeAddress(text: string | undefined, port: number, record: Uint8Array): boolean {
  const [address = '', zone] = (text ?? '').split('%');
  const ipv4 = /(?:^|^::ffff:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/i.exec(address);
  if (ipv4) {
    writeEndpoint({ kind: KIND_IPV4, ip: Uint8Array.from(ipv4.slice(1), Number), port }, record, 0);
    return true;
  }
  if (!address.includes(':')) return false;
  writeEndpoint({ kind: KIND_IPV6, ip: ipv6Bytes(address), port, scope: zone ? scopeNamed(zone) : 0 }, record, 0);
  return true;
}

/** @param text as the system writes it: groups in hexadecimal, at most one run of zeros left out. */
function ipv6Bytes(text: string): Uint8Array {
  const [head = '', tail] = text.split('::');
  const first = groups(head);
  const last = groups(tail ?? '');
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  first.forEach((group, i) => view.setUint16(i * 2, group));
  last.forEach((group, i) => view.setUint16(16 - (last.length - i) * 2, group));
  return bytes;
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function scopeOf(endpoints: Uint8Array, offset: number): number {
  return new DataView(endpoints.buffer, endpoints.byteOffset + offset + ENDPOINT_SCOPE, 4).getUint32(0);
}

/** Link-local addresses are rare, so the interfaces are asked for each time: they come and go. */
function interfaceNamed(scope: number): string | undefined {
  return Object.entries(networkInterfaces()).find(([, addresses]) =>
    addresses?.some((one) => one.scopeid === scope),
  )?.[0];
}

function scopeNamed(zone: string): number {
  const named = networkInterfaces()[zone]?.find((one) => one.scopeid !== undefined && one.scopeid !== 0)?.scopeid;
  return named ?? (Number(zone) || 0);
}
