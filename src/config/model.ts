/**
 * Everything that a person configures, as immutable plain data: commands make a new one from an old one, and
 * `control/publisher.ts` writes it into the tables.
 */
import { KIND_IPV4, type Endpoint } from '../base/endpoint.ts';
import { CLIENTS_MAX, CONNECTIONS_MAX, SERVERS_MAX } from '../table/limits.ts';
import { defaultParkedMax, defaultSourceMax } from '../table/room.ts';

/** An address, and how it was written: people are told what they said. */
export interface WrittenEndpoint {
  readonly text: string;
  readonly endpoint: Endpoint;
}

export interface ServerConfig {
  /** The unspecified address (0.0.0.0, ::), or port 0, marks a server that is not used. */
  readonly endpoint: Endpoint;
  /** Soft and hard limit of connections; 0 none. */
  readonly max: number;
  readonly hard: number;
  readonly weight: number;
  readonly prio: number;
  /** Access list, 0 to 9, that clients of this server must pass. */
  readonly acl: number;
}

/** What a server is before anything is said about it. */
export const UNSET_SERVER: ServerConfig = {
  endpoint: { kind: KIND_IPV4, ip: Uint8Array.of(0, 0, 0, 0), port: 0 },
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

/** An entry of an access list: addresses that equal `address` in the bits of the mask, or in the first `prefix` bits. */
export type AclEntry =
  | { readonly permits: boolean; readonly kind: 4; readonly address: number; readonly mask: number }
  | { readonly permits: boolean; readonly kind: 6; readonly address: readonly number[]; readonly prefix: number };

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
  /** How long a failed server is passed over, s. **Default** 30. */
  readonly blacklist: number;

  /** How long a client keeps its server without coming back, s; 0 for ever. **Default** 0. */
  readonly tracking: number;
  /** Clients remembered at most; 0: nobody has said, so CLIENTS_DEFAULT. */
  readonly clientsMax: number;
  /** Bits of an IPv6 address that tell one client from another. **Default** 128. */
  readonly clientPrefix: 64 | 128;

  /** Access lists that clients and users of the control port must pass. **Default** 0. */
  readonly clientAcl: number;
  readonly controlAcl: number;
  /** Access list of sources that `sourceMax` does not bind. **Default** none. */
  readonly trustedAcl: number | 'none';
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

  /** How much is told while running; 0 what matters. **Default** 0. */
  readonly debug: number;
  /** Dumps show characters instead of numbers. */
  readonly ascii: boolean;
  /** The command `exit` is obeyed. */
  readonly exitEnabled: boolean;
  /** Where the process number is kept; empty: nowhere. */
  readonly pidFile: string;
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
  blacklist: 30,
  tracking: 0,
  clientsMax: 0,
  clientPrefix: 128,
  clientAcl: 0,
  controlAcl: 0,
  trustedAcl: 'none',
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
  debug: 0,
  ascii: false,
  exitEnabled: false,
  pidFile: '',
};

/** Numbered access lists: 0 to ACL_LISTS - 1. */
export const ACL_LISTS = 10;

export interface Configuration {
  /** Where clients come to; undefined until somebody says so. */
  readonly listen: WrittenEndpoint | undefined;
  /** Where commands come to. */
  readonly control: WrittenEndpoint | undefined;
  /** By index; undefined where nothing was ever said about a server. */
  readonly servers: readonly (ServerConfig | undefined)[];
  readonly emergency: ServerConfig | undefined;
  readonly abuse: ServerConfig | undefined;
  /** ACL_LISTS lists. */
  readonly acls: readonly (readonly AclEntry[])[];
  readonly settings: Settings;
}

/** Before anything is said. */
export const EMPTY_CONFIGURATION: Configuration = {
  listen: undefined,
  control: undefined,
  servers: [],
  emergency: undefined,
  abuse: undefined,
  acls: Array.from({ length: ACL_LISTS }, () => []),
  settings: DEFAULT_SETTINGS,
};

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

/** A text that may hold anything, on one line of a terminal or a log. */
function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A mistake in what a person wrote: says where it stands, what is wrong and what would be right. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** The option, file:line or word it stands in. */
  readonly where: string;
  /** The message without `where`. */
  readonly reason: string;

  constructor(where: string, message: string) {
    const [place, reason] = [visible(where), visible(message)];
    super(`${place}: ${reason}`);
    this.where = place;
    this.reason = reason;
  }
}
