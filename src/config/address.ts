/**
 * Addresses as people write them: `80`, `host:80`, `[::1]:80`, `/run/x.sock`, and the server form
 * `host[:port[:max[:hard[:weight[:prio]]]]]`.
 *
 * Pure text work: names are left as names, for `control/resolver.ts` to look up. Literal addresses never see a
 * resolver.
 */
import ipaddr from 'ipaddr.js';
import {
  ENDPOINT_SIZE,
  ipText,
  KIND_IPV4,
  KIND_IPV6,
  KIND_UNIX,
  UNIX_PATH_MAX,
  writeEndpoint,
  type Endpoint,
} from '../base/endpoint.ts';
import { ConfigError } from './model.ts';
import { parseWhole, shorten } from './numbers.ts';
import { printable } from './words.ts';

/** An address whose host or service may still be a name. */
export type WrittenAddress = { readonly path: string } | { readonly host: string; readonly port: string };

export interface WrittenServer {
  /** Port 0 where it is that of the listener. */
  readonly address: WrittenAddress;
  readonly hasListenerPort: boolean;
  /** Only those that are written. */
  readonly limits: { readonly [key in (typeof LIMITS)[number]]?: number };
}

/** What follows the port of a server, in this order. */
const LIMITS = ['max', 'hard', 'weight', 'prio'] as const;

const ANY_IPV4 = '0.0.0.0';
const FIELD_MAX = 2 ** 31 - 1;
const PORT_MAX = 65_535;
/** Longest name of a host, and what one looks like; letters of other scripts are for the system to translate. */
const NAME_MAX = 253;
const NAME = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_.-]*$/u;
/** The name of an interface: Linux keeps 16 bytes for it and its closing NUL. What is all digits is its number. */
const INTERFACE = /^(?![0-9]+$)[\w.@-]{1,15}$/;
/** Linux keeps 108 bytes for the path and its closing NUL. */
const LINUX_PATH_MAX = Math.min(107, UNIX_PATH_MAX);

/** `[host:]port` split at the last colon, or a unix path when it contains a slash. */
export function parseListen(text: string, where: string): WrittenAddress {
  printable(text, where);
  if (text.includes('/')) return { path: checkPath(text, where) };
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed?.[1] === '') throw noHost(text, where);
  if (bracketed) return { host: bracketed[1] ?? '', port: needPort(bracketed[2], text, where) };
  const colon = text.lastIndexOf(':');
  if (colon < 0) return { host: ANY_IPV4, port: needPort(text, text, where) };
  return { host: text.slice(0, colon) || ANY_IPV4, port: needPort(text.slice(colon + 1), text, where) };
}

/**
 * The port of servers that have none: the listener's, unless the system is to choose it; where there are listeners at
 * several ports, that of the one each client comes by.
 *
 * @errors ConfigError.
 */
export function defaultPort(listen: readonly string[]): string | undefined {
  const addresses = listen.map((text) => parseListen(text, 'listen address'));
  const ports = new Set(addresses.flatMap((address) => ('port' in address ? [address.port] : [])));
  const [port] = ports;
  if (ports.size > 1) return LISTENER;
  return port === '0' ? undefined : port;
}

/** As the port of a server: that of the listener each client comes by. */
export const LISTENER = 'listener';

/** `host[:port[:max[:hard[:weight[:prio]]]]]`; without a port the listener's is used. */
export function parseServer(text: string, where: string, defaultPort: string | undefined): WrittenServer {
  printable(text, where);
  if (ipaddr.IPv6.isValid(text)) {
    throw new ConfigError(where, `'${text}' is an IPv6 address; write it in brackets: [${text}]:port`);
  }
  if (text.startsWith('[') && !text.includes(']')) {
    throw new ConfigError(where, `'${text}' has no closing bracket; write [ipv6]:port`);
  }
  const bracketed = /^\[([^\]]*)\](.*)$/.exec(text);
  const host = bracketed ? (bracketed[1] ?? '') : (text.split(':', 1)[0] ?? '');
  const tail = bracketed ? (bracketed[2] ?? '') : text.slice(host.length);
  if (host === '') throw noHost(text, where);
  if (tail !== '' && !tail.startsWith(':'))
    throw new ConfigError(where, `'${text}' has text after the closing bracket`);
  const fields = tail === '' ? [] : tail.slice(1).split(':');
  if (fields.length > 5) {
    throw new ConfigError(
      where,
      `'${text}' has too many fields; write host:port:max:hard:weight:prio, an IPv6 address in brackets`,
    );
  }
  const [port = '', ...rest] = fields;
  const number = (field: string, name: string): number =>
    parseWhole(field, `${where} '${text}', ${name}`, 0, FIELD_MAX);
  const written = LIMITS.map((name, index) => [name, rest[index] ?? ''] as const).filter(([, field]) => field !== '');
  const limits = Object.fromEntries(written.map(([name, field]) => [name, number(field, name)]));
  if (host.includes('/')) {
    if (port !== '') number(port, 'port');
    return { address: { path: checkPath(host, where) }, hasListenerPort: false, limits };
  }
  const service = port === '' ? defaultPort : port;
  if (service === undefined)
    throw new ConfigError(where, `'${text}' needs a port, because the listener has no fixed one`);
  const hasListenerPort = service === LISTENER;
  return { address: { host, port: hasListenerPort ? '0' : service }, hasListenerPort, limits };
}

/**
 * A literal address as an endpoint, or undefined when `host` is a name, or has a zone that is one.
 * @errors ConfigError for a zone that can be neither the number nor the name of an interface.
 */
export function literalEndpoint(host: string, port: number, where: string): Endpoint | undefined {
  if (ipaddr.IPv4.isValid(host))
    return { kind: KIND_IPV4, ip: Uint8Array.from(ipaddr.IPv4.parse(host).toByteArray()), port };
  const [address = '', zone = ''] = host.split('%', 2);
  if (!ipaddr.IPv6.isValid(address)) return undefined;
  const ipv6 = ipaddr.IPv6.parse(address);
  if (ipv6.isIPv4MappedAddress())
    return { kind: KIND_IPV4, ip: Uint8Array.from(ipv6.toIPv4Address().toByteArray()), port };
  if (host.includes('%') && !/^[0-9]{1,9}$/.test(zone)) {
    if (INTERFACE.test(zone)) return undefined;
    const right = 'the name or the number of an interface, as in fe80::1%eth0 or fe80::1%2';
    throw new ConfigError(where, `zone '${shorten(zone)}' is not ${right}`);
  }
  const scope = Number(zone);
  return { kind: KIND_IPV6, ip: Uint8Array.from(ipv6.toByteArray()), port, scope };
}

/**
 * True for a host name and for an address with the name of an interface, which must be looked up; false for a literal
 * address.
 *
 * @errors ConfigError for what can be none of these, so that no nonsense is asked of name servers. A zone that is
 * nonsense is for `literalEndpoint` to complain about.
 */
export function isName(host: string, where: string): boolean {
  if (ipaddr.IPv4.isValid(host)) return false;
  const [address = '', zone = ''] = host.split('%', 2);
  if (ipaddr.IPv6.isValid(address)) return INTERFACE.test(zone) && !ipaddr.IPv6.parse(address).isIPv4MappedAddress();
  if (host.length <= NAME_MAX && NAME.test(host)) return true;
  throw new ConfigError(where, `'${shorten(host)}' is neither an address nor the name of a host`);
}

/** A host without port, an IPv6 address in brackets or not, or the path of a unix socket. */
export function parseHost(text: string, where: string): string {
  printable(text, where);
  if (text.includes('/')) return checkPath(text, where);
  const host = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  if (host === '') throw noHost(text, where);
  return host;
}

/** One for all: a record each would be garbage outside of V8's heap, tens of thousands in one answer. */
const scratch = new Uint8Array(ENDPOINT_SIZE);

/** The address alone, such as `parseHost` reads it. */
export function hostText(endpoint: Endpoint): string {
  if (endpoint.kind === KIND_UNIX) return endpoint.path;
  writeEndpoint(endpoint, scratch, 0);
  const ip = ipText(scratch, 0);
  return endpoint.kind === KIND_IPV6 && endpoint.scope !== 0 ? `${ip}%${endpoint.scope}` : ip;
}

/**
 * A port number, or that of a service.
 *
 * @param portMin 0 where that means something, else 1.
 * @param servicePort the port of a service name, undefined for one that nobody knows.
 * @errors ConfigError.
 */
export function portNumber(
  text: string,
  where: string,
  portMin: number,
  servicePort: (name: string) => number | undefined,
): number {
  if (/^[0-9]{1,5}$/.test(text) && Number(text) <= PORT_MAX && Number(text) >= portMin) return Number(text);
  const port = /^[0-9]/.test(text) ? undefined : servicePort(text);
  if (port !== undefined) return port;
  throw new ConfigError(
    where,
    `port '${text}' is neither a number from ${portMin} to ${PORT_MAX} nor a service in /etc/services`,
  );
}

export function unixEndpoint(path: string): Endpoint {
  return { kind: KIND_UNIX, path };
}

function noHost(text: string, where: string): ConfigError {
  return new ConfigError(where, `'${text}' has no host; write host:port, [ipv6]:port or /path`);
}

function needPort(port: string | undefined, text: string, where: string): string {
  if (port !== undefined && port !== '') return port;
  throw new ConfigError(where, `'${text}' has no port; write host:port, [ipv6]:port or /path`);
}

function checkPath(path: string, where: string): string {
  const length = Buffer.byteLength(path);
  if (length <= LINUX_PATH_MAX) return path;
  throw new ConfigError(where, `the socket path has ${length} bytes, at most ${LINUX_PATH_MAX} are possible: ${path}`);
}
