/**
 * A running balancer: listeners opened, tables filled, worker started, and all of it taken down again.
 *
 * @owner main thread.
 */
import { randomInt } from 'node:crypto';
import type { Fd } from '../base/brand.ts';
import { ENDPOINT_KIND, ENDPOINT_SIZE, endpointText, KIND_UNIX, writeEndpoint } from '../base/endpoint.ts';
import { ConfigError, type Configuration } from '../config/model.ts';
import type { Host } from '../loop/host.ts';
import { SIDES_MAX } from '../table/limits.ts';
import { createTables, openTables, type Tables } from '../table/tables.ts';
import { publish, type OpenListener } from './publisher.ts';
import { Supervisor } from './supervisor.ts';

/** Descriptors that are not for connections: Node's own, the loop's, listeners, files. */
export const DESCRIPTOR_RESERVE = 48;
/** More than this no table can use. */
const DESCRIPTORS_MAX = SIDES_MAX;
/** Key of the tables' hashes: as many bits as a random integer has. */
const SEED_MAX = 2 ** 48 - 1;

export class Balancer {
  readonly tables: Tables;
  readonly configuration: Configuration;
  readonly listeners: readonly OpenListener[];
  readonly supervisor: Supervisor;
  private readonly host: Host;

  private constructor(
    host: Host,
    tables: Tables,
    configuration: Configuration,
    listeners: readonly OpenListener[],
    supervisor: Supervisor,
  ) {
    this.host = host;
    this.tables = tables;
    this.configuration = configuration;
    this.listeners = listeners;
    this.supervisor = supervisor;
  }

  /**
   * Opens the listener, then starts the worker: when this returns, clients are served.
   *
   * @param isLimitGiven whether a person asked for `conn_max`; if not, it shrinks to what the machine allows.
   * @errors ConfigError for what the person can mend.
   */
  static async start(
    host: Host,
    configuration: Configuration,
    isLimitGiven: boolean,
    workerScript: URL,
  ): Promise<Balancer> {
    const { connMax, descriptorMax } = fitToDescriptors(host, configuration.settings.connMax, isLimitGiven);
    const fitted = { ...configuration, settings: { ...configuration.settings, connMax } };
    const { settings } = fitted;
    const listeners = [openListener(host, fitted)];
    const tables = openTables(createTables(randomInt(SEED_MAX)));
    publish(tables, fitted, listeners, { descriptorMax });
    const start = { worker: 0, slotFirst: 0, slotCount: connMax, loop: settings.loop };
    try {
      const supervisor = await Supervisor.start(workerScript, host, tables, start);
      return new Balancer(host, tables, fitted, listeners, supervisor);
    } catch (error) {
      closeListeners(host, listeners);
      throw error;
    }
  }

  /** Where clients connect to, as text. */
  get address(): string {
    return this.listeners.map(({ endpoint }) => endpointText(endpoint, 0)).join(', ');
  }

  /** Ends all connections and the worker, closes listeners and removes our sockets from the file system. */
  async stop(): Promise<boolean> {
    const isStopped = await this.supervisor.stop();
    closeListeners(this.host, this.listeners);
    return isStopped;
  }

  /** The worker did not stop: resets its connections and ends the process without waiting for it. Does not return. */
  leaveWorkerBehind(): never {
    this.abortConnections();
    return this.host.exitNow(1);
  }

  /** After the worker has failed: ends the connections it left behind, so that none of them looks complete. */
  abortConnections(): void {
    const { fd } = this.tables.sides;
    const sides = this.configuration.settings.connMax * 2;
    for (let side = 0; side < sides; side++) {
      const left = fd[side] ?? -1;
      if (left >= 0) this.host.abort(left as Fd);
    }
  }
}

function closeListeners(host: Host, listeners: readonly OpenListener[]): void {
  for (const { fd, endpoint } of listeners) {
    host.close(fd);
    if (endpoint[ENDPOINT_KIND] === KIND_UNIX) host.unlinkOwn(endpointText(endpoint, 0));
  }
}

function openListener(host: Host, { listen, settings }: Configuration): OpenListener {
  const wanted = new Uint8Array(ENDPOINT_SIZE);
  writeEndpoint(listen, wanted, 0);
  const { fd, error } = host.listen(wanted, {
    backlog: settings.backlog,
    noDelay: settings.tcpNodelay,
    keepAlive: true,
  });
  if (error)
    throw new ConfigError('listen address', error.help === '' ? error.message : `${error.message}; ${error.help}`);
  return { fd, endpoint: listen.kind === KIND_UNIX ? wanted : host.localEndpoint(fd) };
}

/** Raises the descriptor limit to what the connections need, or says what is missing. */
function fitToDescriptors(host: Host, connMax: number, isGiven: boolean): { connMax: number; descriptorMax: number } {
  const needed = connMax * 2 + DESCRIPTOR_RESERVE;
  const limit = host.raiseDescriptorLimit(needed);
  const possible = Math.floor((limit - DESCRIPTOR_RESERVE) / 2);
  if (limit < needed && (isGiven || possible < 1)) {
    throw new ConfigError(
      'conn_max',
      `${connMax} connections need ${needed} descriptors, but the limit is ${limit}; raise it (ulimit -n ${needed}), or allow at most ${Math.max(0, possible)} connections (-x)`,
    );
  }
  const descriptorMax = Math.min(limit - DESCRIPTOR_RESERVE, DESCRIPTORS_MAX);
  return { connMax: Math.min(connMax, possible), descriptorMax };
}
