/** What a person configures, as plain data; `control/publisher.ts` writes it into the tables. */
import type { Endpoint } from '../base/endpoint.ts';

export interface ServerConfig {
  readonly endpoint: Endpoint;
  /** Soft and hard limit of connections; 0 none. */
  readonly max: number;
  readonly hard: number;
  readonly weight: number;
  readonly prio: number;
}

export type Fastclose = 'off' | 'up' | 'down' | 'both';
export type LoopChoice = 'auto' | 'uring' | 'epoll';

/** Everything that can be set by a command. Times are seconds, as people write them. */
export interface Settings {
  readonly loop: LoopChoice;
  readonly roundrobin: boolean;
  readonly stubborn: boolean;
  /** How long a failed server is passed over, s. **Default** 30. */
  readonly blacklist: number;
  /** Longest wait for one connect, s, at least 1. **Default** 3. */
  readonly timeout: number;
  /** Longest time without progress on an open connection, s; 0 for ever. **Default** 0. */
  readonly idleTimeout: number;
  /** The same once one direction has ended, s; 0: the idle timeout applies. **Default** 0. */
  readonly halfClosedTimeout: number;
  /** Connections in use at once. **Default** 500. */
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
}

export const DEFAULT_SETTINGS: Settings = {
  loop: 'auto',
  roundrobin: true,
  stubborn: false,
  blacklist: 30,
  timeout: 3,
  idleTimeout: 0,
  halfClosedTimeout: 0,
  connMax: 500,
  pendingMax: 100,
  acceptBatch: 100,
  backlog: 500,
  tcpFastclose: 'off',
  tcpNodelay: true,
  keepalive: false,
};

export interface Configuration {
  readonly listen: Endpoint;
  readonly servers: readonly ServerConfig[];
  readonly emergency: ServerConfig | undefined;
  readonly settings: Settings;
}

/** A mistake in what a person wrote: says where it stands, what is wrong and what would be right. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** The option, file:line or word it stands in. */
  readonly where: string;

  constructor(where: string, message: string) {
    super(`${where}: ${message}`);
    this.where = where;
  }
}
