/**
 * A running balancer: listeners opened, tables filled, worker started, and all of it taken down again.
 *
 * @owner main thread.
 */
import { endpointText, ENDPOINT_SIZE, KIND_UNIX, writeEndpoint, type Endpoint } from '../base/endpoint.ts';
import { ConfigError, type Configuration } from '../config/model.ts';
import type { Host } from '../loop/host.ts';
import { createTables, openTables, type Tables } from '../table/tables.ts';
import { publish, type OpenListener } from './publisher.ts';
import { Supervisor } from './supervisor.ts';

/** Descriptors that are not for connections: Node's own, the loop's, listeners, files. */
export const DESCRIPTOR_RESERVE = 48;

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
   * @errors ConfigError for what the person can mend; HostError of the listener.
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
    const fd = host.listen(fitted.listen, { backlog: settings.backlog, noDelay: settings.tcpNodelay, keepAlive: true });
    const listeners = [{ fd, endpoint: host.localEndpoint(fd, fitted.listen) }];
    const tables = openTables(createTables());
    publish(tables, fitted, listeners, { descriptorMax });
    const supervisor = await Supervisor.start(workerScript, host, tables, {
      worker: 0,
      slotFirst: 0,
      slotCount: connMax,
      loop: settings.loop,
    });
    return new Balancer(host, tables, fitted, listeners, supervisor);
  }

  /** Where clients connect to, as text. */
  get address(): string {
    return this.listeners.map(({ endpoint }) => textOf(endpoint)).join(', ');
  }

  /** Ends all connections and the worker, closes listeners and removes our sockets from the file system. */
  async stop(): Promise<boolean> {
    const isStopped = await this.supervisor.stop();
    for (const { fd, endpoint } of this.listeners) {
      this.host.close(fd);
      if (endpoint.kind === KIND_UNIX) this.host.unlinkOwn(endpoint.path);
    }
    return isStopped;
  }
}

/** The address as a person would write it. */
export function textOf(endpoint: Endpoint): string {
  const bytes = new Uint8Array(ENDPOINT_SIZE);
  writeEndpoint(endpoint, bytes, 0);
  return endpointText(bytes, 0);
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
  return { connMax: Math.min(connMax, possible), descriptorMax: limit - DESCRIPTOR_RESERVE };
}
