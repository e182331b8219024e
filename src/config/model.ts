/**
 * Everything that a person configures, as immutable plain data: commands make a new one from an old one, and
 * `control/publisher.ts` writes it into the tables.
 */
import { isSameEndpoint, KIND_IPV4, KIND_UNIX, type Endpoint } from '../base/endpoint.ts';
import { CLIENTS_MAX, CONNECTIONS_MAX, SERVERS_MAX } from '../table/limits.ts';
import type { Farm } from './farms.ts';
import type { Part } from './parts.ts';
import { defaultParkedMax, defaultSourceMax } from '../table/room.ts';

/** An address, and how it was written: people are told what they said. */
export interface WrittenEndpoint {
  readonly text: string;
  readonly endpoint: Endpoint;
}

/** Addresses as one says them to `listen`. */
export function textOfListen(listen: readonly WrittenEndpoint[]): string {
  return listen.map(({ text }) => text).join(' ');
}

/** Whether these are the same addresses, however they are written. */
export function isSamePlace(one: readonly WrittenEndpoint[], other: readonly WrittenEndpoint[]): boolean {
  return one.length === other.length && one.every(({ endpoint }, i) => isSameEndpoint(endpoint, other[i]?.endpoint));
}

export interface ServerConfig {
  /** The unspecified address (0.0.0.0, ::) marks a server that is not used, and so does port 0, unless: */
  readonly endpoint: Endpoint;
  /** Its port, here 0, is that of the listener each client comes by. */
  readonly hasListenerPort: boolean;
  /** Soft and hard limit of connections; 0 none. */
  readonly max: number;
  readonly hard: number;
  readonly weight: number;
  readonly prio: number;
  /** Access list that clients of this server must pass. */
  readonly acl: AclId;
}

/** What a server is before anything is said about it. */
export const UNSET_SERVER: ServerConfig = {
  endpoint: { kind: KIND_IPV4, ip: Uint8Array.of(0, 0, 0, 0), port: 0 },
  hasListenerPort: false,
  max: 0,
  hard: 0,
  weight: 0,
  prio: 0,
  acl: 0,
};

/** A server at an address, with the limits that are named and nothing else. */
export function serverAt(endpoint: Endpoint, limits: Partial<ServerConfig> = {}): ServerConfig {
  return { ...UNSET_SERVER, ...limits, endpoint };
}

/** False for an address that nobody can be reached at; 0.0.0.0 would be this very machine. */
export function isUsed({ endpoint, hasListenerPort }: ServerConfig): boolean {
  if (endpoint.kind === KIND_UNIX) return true;
  return (endpoint.port !== 0 || hasListenerPort) && endpoint.ip.some((byte) => byte !== 0);
}

/** Some client would get a server. */
export function isServed({ servers }: Pick<Configuration, 'servers'>): boolean {
  return servers.some((server) => server !== undefined && isUsed(server));
}

/** An access list: a number below ACL_LISTS, or a name. */
export type AclId = number | string;

/**
 * An entry of an access list: addresses that equal `address` in the bits of the mask, or in the first `prefix` bits;
 * those of a country, by its two letters in capitals; peers of a unix socket.
 */
export type AclEntry =
  | { readonly permits: boolean; readonly kind: 4; readonly address: number; readonly mask: number }
  | { readonly permits: boolean; readonly kind: 6; readonly address: readonly number[]; readonly prefix: number }
  | { readonly permits: boolean; readonly kind: 'country'; readonly code: string }
  | { readonly permits: boolean; readonly kind: 'unix' };

/** Where the request log goes: to the file that the text names, or to an address. The text is as somebody wrote it. */
export interface LogPlace {
  readonly text: string;
  readonly endpoint: Endpoint | undefined;
}

export type Fastclose = 'off' | 'up' | 'down' | 'both';
export type LoopChoice = 'auto' | 'uring' | 'epoll' | 'node';
export type HashChoice = 'off' | 'spread' | 'original';

/** Everything that can be set by a command. Times are seconds, as people write them. */
export interface Settings {
  readonly loop: LoopChoice;
  /** Threads of the data plane. **Default** 1. */
  readonly workers: number;

  /** How a new client is given a server: by the first that is on of prio, leastconn, weight, hash; else in turn. */
  readonly prio: boolean;
  readonly weight: boolean;
  readonly leastconn: boolean;
  readonly hash: HashChoice;
  /** Clients do not keep their server; with hash, the client's port counts too. */
  readonly roundrobin: boolean;
  /** A client whose server fails is closed, not given to another one. */
  readonly stubborn: boolean;
  /** A server is chosen when the client has said something. */
  readonly peek: boolean;
  /** Clients are answered by Pen itself, and given no server. */
  readonly dummy: boolean;
  /** How long a failed server is passed over, s. **Default** 30. */
  readonly blacklist: number;

  /** How long a client keeps its server without coming back, s; 0 for ever. **Default** 0. */
  readonly tracking: number;
  /** Clients remembered at most; 0: nobody has said, so CLIENTS_DEFAULT. */
  readonly clientsMax: number;
  /** Bits of an IPv6 address that tell one client from another. **Default** 128. */
  readonly clientPrefix: 64 | 128;

  /** Access lists that clients and users of the control port must pass. **Default** 0. */
  readonly clientAcl: AclId;
  readonly controlAcl: AclId;
  /** Access list of sources that `sourceMax` does not bind. **Default** `none`, which is no list's name. */
  readonly trustedAcl: AclId;
  /** File that tells countries of addresses; empty: where it is customary, if a list asks for a country. */
  readonly geoip: string;
  /** Connections that one source may have served at once; 0 no limit; auto: see `limitsOf`. **Default** auto. */
  readonly sourceMax: number | 'auto';
  /** Connections beyond `sourceMax` that may wait for their turn, over all sources; auto: see `limitsOf`. **Default** auto. */
  readonly parkedMax: number | 'auto';

  /** Longest wait for one connect, s, at least 1. **Default** 3. */
  readonly timeout: number;
  /** Longest time without progress on an open connection, s; 0 for ever. **Default** 0. */
  readonly idleTimeout: number;
  /** The same once one direction has ended, s; 0: the idle timeout applies. **Default** 0. */
  readonly halfClosedTimeout: number;
  /** Connections in use at once; 0: nobody has said, so CONNECTIONS_DEFAULT, or fewer where descriptors do not suffice. */
  readonly connMax: number;
  /** Connections that wait for their server at once. **Default** 100. */
  readonly pendingMax: number;
  /** Connections accepted per wake-up. **Default** 100. */
  readonly acceptBatch: number;
  /** Clients that may wait in the kernel's backlog. **Default** 500. */
  readonly backlog: number;
  readonly tcpFastclose: Fastclose;
  readonly tcpNodelay: boolean;
  readonly keepalive: boolean;
  /** Where connections to servers come from, port 0. **Default** as the system likes. */
  readonly source: Endpoint | undefined;
  /** Connections to servers that are kept without a client. **Default** 0. */
  readonly idlers: number;

  /** How much is told while running; 0 what matters. **Default** 0. */
  readonly debug: number;
  /** Dumps show characters instead of numbers. */
  readonly ascii: boolean;
  /** A process that ends with an error ends by SIGABRT. */
  readonly abortOnError: boolean;
  /** The command `exit` is obeyed. */
  readonly exitEnabled: boolean;
  /** The file that the status page is written to; empty: none. */
  readonly webStats: string;
  /** The request log; undefined: there is none. */
  readonly log: LogPlace | undefined;
  /** The log of connections, a file; undefined: there is none. */
  readonly connectionLog: LogPlace | undefined;
  /** Where the process number is kept; empty: nowhere. */
  readonly pidFile: string;
  /** The folder of all files that control commands name; empty: they may be anywhere. */
  readonly controlDir: string;
}

export const DEFAULT_SETTINGS: Settings = {
  loop: 'auto',
  workers: 1,
  prio: false,
  weight: false,
  leastconn: false,
  hash: 'off',
  roundrobin: false,
  stubborn: false,
  peek: false,
  dummy: false,
  blacklist: 30,
  tracking: 0,
  clientsMax: 0,
  clientPrefix: 128,
  clientAcl: 0,
  controlAcl: 0,
  trustedAcl: 'none',
  geoip: '',
  sourceMax: 'auto',
  parkedMax: 'auto',
  timeout: 3,
  idleTimeout: 0,
  halfClosedTimeout: 0,
  connMax: 0,
  pendingMax: 100,
  acceptBatch: 100,
  backlog: 500,
  tcpFastclose: 'off',
  tcpNodelay: true,
  keepalive: false,
  source: undefined,
  idlers: 0,
  debug: 0,
  ascii: false,
  abortOnError: false,
  exitEnabled: false,
  webStats: '',
  log: undefined,
  connectionLog: undefined,
  pidFile: '',
  controlDir: '',
};

/** Numbered access lists: 0 to ACL_LISTS - 1. */
export const ACL_LISTS = 10;

export interface Configuration {
  /** Where clients come to: all of them are listened at. None until somebody says so. */
  readonly listen: readonly WrittenEndpoint[];
  /** Where commands come to. */
  readonly control: WrittenEndpoint | undefined;
  /** By index; undefined where nothing was ever said about a server. */
  readonly servers: readonly (ServerConfig | undefined)[];
  readonly emergency: ServerConfig | undefined;
  readonly abuse: ServerConfig | undefined;
  /** ACL_LISTS lists. */
  readonly acls: readonly (readonly AclEntry[])[];
  /** Those with names, none of them empty. */
  readonly namedAcls: ReadonlyMap<string, readonly AclEntry[]>;
  readonly settings: Settings;
  /** Farms with names, beside the one that all of the above is about. */
  readonly farms: ReadonlyMap<string, Farm>;
}

/** Before anything is said. */
export const EMPTY_CONFIGURATION: Configuration = {
  listen: [],
  control: undefined,
  servers: [],
  emergency: undefined,
  abuse: undefined,
  acls: Array.from({ length: ACL_LISTS }, () => []),
  namedAcls: new Map(),
  settings: DEFAULT_SETTINGS,
  farms: new Map(),
};

/** The entries of an access list; none of a list that nobody has made. */
export function aclOf({ acls, namedAcls }: Pick<Configuration, 'acls' | 'namedAcls'>, id: AclId): readonly AclEntry[] {
  return (typeof id === 'number' ? acls[id] : namedAcls.get(id)) ?? [];
}

/** A state with other entries in a list. A list with a name ends with its last entry. */
export function withAcl(state: Configuration, id: AclId, entries: readonly AclEntry[]): Configuration {
  // A list that grows in place, while many lines are read, is the same one still.
  if (entries === aclOf(state, id)) return state;
  if (typeof id === 'number') return { ...state, acls: state.acls.with(id, entries) };
  const namedAcls = new Map(state.namedAcls);
  if (entries.length === 0) namedAcls.delete(id);
  else namedAcls.set(id, entries);
  return { ...state, namedAcls };
}

export const CONNECTIONS_DEFAULT = 500;
export const CLIENTS_DEFAULT = 2048;
/** What the tables have room for. */
export const CONNECTIONS_LIMIT = CONNECTIONS_MAX / 2;
export const CLIENTS_LIMIT = CLIENTS_MAX - 1;
/** Rows 0 (none), emergency and abuse server are not for regular ones. */
export const SERVERS_LIMIT = SERVERS_MAX - 3;

export interface EffectiveLimits {
  readonly connMax: number;
  readonly clientsMax: number;
  readonly sourceMax: number;
  readonly parkedMax: number;
}

/** The numbers in force where people leave them to us. */
export function limitsOf(settings: Settings): EffectiveLimits {
  const connMax = settings.connMax || CONNECTIONS_DEFAULT;
  return {
    connMax,
    clientsMax: settings.clientsMax || CLIENTS_DEFAULT,
    sourceMax: settings.sourceMax === 'auto' ? defaultSourceMax(connMax) : settings.sourceMax,
    parkedMax: settings.parkedMax === 'auto' ? defaultParkedMax(connMax) : settings.parkedMax,
  };
}

/**
 * A number that only grows.
 *
 * @param before what was said before; 0: nobody has. @param inForce the number there is then.
 * @returns what counts as said from now on: what is more than there is.
 */
export function grown(before: number, said: number, inForce: number): number {
  return said > (before || inForce) ? said : before;
}

/** A text that may hold anything, on one line of a terminal or a log. */
export function visible(text: string): string {
  return text.replace(CONTROL, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** What moves the cursor of a terminal, or ends a line for somebody who reads one. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/gu;

/** A mistake in what a person wrote: says where it stands, what is wrong and what would be right. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** The option, file:line or word it stands in. */
  readonly where: string;
  /** The message without `where`. */
  readonly reason: string;

  /** What it is about, where the error is found when nobody looks at lines any more. */
  readonly about: Part | undefined;

  constructor(where: string, message: string, about?: Part) {
    const [place, reason] = [visible(where), visible(message)];
    super(`${place}: ${reason}`);
    this.where = place;
    this.reason = reason;
    this.about = about;
  }
}

/** Nothing more fits, so that whoever reads many lines need not go on. */
export class NoRoom extends ConfigError {}

/** More mistakes than these are counted, not told. */
const TOLD_MAX = 20;
/** After these nobody looks for more. */
export const MISTAKES_MAX = 1000;

/** Several mistakes at once, as in a file: a line for each. */
export class ConfigErrors extends ConfigError {
  constructor(errors: readonly [ConfigError, ...ConfigError[]]) {
    super(errors[0].where, errors[0].reason);
    const more = errors.length - TOLD_MAX;
    const lines = errors.slice(0, TOLD_MAX).map(({ message }) => message);
    const least = errors.length < MISTAKES_MAX ? '' : 'at least ';
    this.message = [...lines, ...(more > 0 ? [`and ${least}${more} more mistakes`] : [])].join('\n');
  }
}

/** @errors all of them as one error, when there are any. */
export function failWith(errors: readonly ConfigError[]): void {
  const [first, ...others] = errors;
  if (first) throw others.length === 0 ? first : new ConfigErrors([first, ...others]);
}
