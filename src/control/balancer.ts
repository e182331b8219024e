/**
 * A running balancer: listeners opened, tables filled, worker started, and all of it taken down again.
 *
 * @owner main thread.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ENDPOINT_KIND, ENDPOINT_SIZE, endpointText, KIND_UNIX, portOf, writeEndpoint } from '../base/endpoint.ts';
import { ConfigError, limitsOf, type Configuration, type WrittenEndpoint, type LoopChoice } from '../config/model.ts';
import type { Host, ListenOptions, ListenResult } from '../loop/host.ts';
import { CONNECTIONS_MAX, NODE_CONNECTIONS_MAX, SIDES_MAX, WORKERS_MAX } from '../table/limits.ts';
import { allWorkersPast, currentVersion } from '../table/publish.ts';
import { descriptorsFor, parkedWithin, slotsFor, waitingWithin } from '../table/room.ts';
import { createTables, openTables, type Tables } from '../table/tables.ts';
import { expectClients } from './big-pages.ts';
import { publish, type Limits, type OpenListener } from './publisher.ts';
import { abortConnections } from './reclaim.ts';
import { Supervisor } from './supervisor.ts';
import type { WorkerProgram } from './worker-thread.ts';

/** Descriptors that are not for connections: Node's own, the loop's, listeners, files. */
export const DESCRIPTOR_RESERVE = 48;
/** Those of a control socket and its peers. */
const CONTROL_RESERVE = 101;
/** Those of each worker beyond the first: its thread's, its loop's and its wake-up. */
const WORKER_RESERVE = 8;
/** More than this no table can use. */
const DESCRIPTORS_MAX = SIDES_MAX;
/** How long a new configuration waits for a worker's turn to end: in all a few seconds. */
const PUBLISH_WAIT_MS = 2;
const PUBLISH_TRIES = 1500;
/** Longer than a turn: an accept that was cancelled in it has ended. */
const RETIRE_MS = 100;
/** Key of the tables' hashes: as many bits as a random integer has. */
const SEED_MAX = 2 ** 48 - 1;

/** What this machine has room for. */
interface Room extends Limits {
  /** Clients that may wait to be accepted, at each listener. */
  readonly backlog: number;
}

/** What is in force. */
interface Running {
  readonly configuration: Configuration;
  readonly listeners: readonly OpenListener[];
  readonly limits: Room;
}

export class Balancer {
  readonly tables: Tables;
  readonly supervisor: Supervisor;
  private readonly host: Host;
  private running: Running;

  private constructor(host: Host, tables: Tables, running: Running, supervisor: Supervisor) {
    this.host = host;
    this.tables = tables;
    this.running = running;
    this.supervisor = supervisor;
  }

  /**
   * Opens the listener and starts the workers: when this returns, clients are served. Where listeners are the loop's
   * own, the worker comes first.
   *
   * A number of connections that nobody has said shrinks to what the machine allows.
   * @param program what workers run. @param say is told what happens to workers.
   * @errors ConfigError for what the person can mend.
   */
  static async start(
    host: Host,
    configuration: Configuration,
    program: WorkerProgram,
    say: (text: string) => void = () => undefined,
  ): Promise<Balancer> {
    const { connMax, parkedMax, ...limits } = fitToMachine(host, configuration);
    const { clientsMax } = limitsOf(configuration.settings);
    const fitted = { ...configuration, settings: { ...configuration.settings, connMax, parkedMax, clientsMax } };
    const isInLoop = host.listenInLoop !== undefined;
    const listeners = isInLoop ? [] : [await openListener(host, fitted, limits)];
    const tables = openTables(createTables(randomInt(SEED_MAX)));
    try {
      publish(tables, fitted, listeners, limits);
      expectClients(host, tables, clientsMax);
      const { workers: count } = fitted.settings;
      const [loop, slots] = [loopOf(host, fitted), slotsOf(host)];
      const supervisor = await Supervisor.start({ program, host, tables, count, loop, slots, say });
      const balancer = new Balancer(host, tables, inForce(fitted, listeners, limits), supervisor);
      if (isInLoop) await balancer.listen();
      return balancer;
    } catch (error) {
      closeListeners(host, listeners);
      throw error;
    }
  }

  /** Has the worker, which runs by now, open the listener. @errors ConfigError; then the worker has ended. */
  private async listen(): Promise<void> {
    const { configuration, limits } = this.running;
    try {
      const listeners = [await openListener(this.host, configuration, limits)];
      this.running = inForce(configuration, listeners, limits);
      await this.publish(configuration, listeners, limits);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** What is in force. */
  get configuration(): Configuration {
    return this.running.configuration;
  }

  get listeners(): readonly OpenListener[] {
    return this.running.listeners;
  }

  /**
   * Puts another configuration in force, as a difference: what is the same goes on, connections above all.
   *
   * Not to be called again before it has settled; `Controller` takes care of that.
   * @errors ConfigError for what cannot be had here; then the old configuration is still in force.
   */
  async apply(configuration: Configuration): Promise<void> {
    const before = this.running;
    if (configuration === before.configuration) return;
    const limits = this.limitsFor(configuration, before);
    const isMoved = this.isMoved(configuration, before);
    const listeners = isMoved
      ? [await openListener(this.host, configuration, limits, before.listeners)]
      : before.listeners;
    try {
      await this.publish(configuration, listeners, limits);
    } catch (error) {
      if (isMoved) closeListeners(this.host, listeners);
      throw error;
    }
    expectClients(this.host, this.tables, limitsOf(configuration.settings).clientsMax);
    this.running = inForce(configuration, listeners, limits);
    if (isMoved) await this.retire(before.listeners);
  }

  /** Whether there is to be another listener. One that is wanted where it is anyway stays. */
  private isMoved({ listen }: Configuration, { configuration, listeners }: Running): boolean {
    if (listen?.endpoint === configuration.listen?.endpoint) return false;
    return listen === undefined || listeners.every(({ endpoint }) => endpoint.join() !== recordOf(listen).join());
  }

  /** Makes the worker look into its tables. */
  wake(worker: number): void {
    this.supervisor.wakeOne(worker);
  }

  /** Room for more connections, if more are wanted. @errors ConfigError when there is none. */
  private limitsFor(configuration: Configuration, { limits }: Running): Room {
    const { connMax, parkedMax, backlog } = configuration.settings;
    const before = this.configuration.settings;
    if (connMax === before.connMax && parkedMax === before.parkedMax && backlog === before.backlog) return limits;
    return fitToMachine(this.host, configuration);
  }

  /** Waits until no worker reads the bank that is to be filled, which takes as long as a turn. */
  private async publish(next: Configuration, listeners: readonly OpenListener[], limits: Limits): Promise<void> {
    const { configuration } = this.running;
    for (let waited = 0; !publish(this.tables, next, listeners, limits, configuration); waited++) {
      if (waited === PUBLISH_TRIES)
        throw new ConfigError('pen', 'the workers are too busy to take a new configuration');
      this.supervisor.wake();
      await delay(PUBLISH_WAIT_MS);
    }
    this.supervisor.wake();
  }

  /** Closes listeners that are no longer published, once no worker can have an accept on them. */
  private async retire(listeners: readonly OpenListener[]): Promise<void> {
    const before = (currentVersion(this.tables) - 1) >>> 0;
    for (let waited = 0; !allWorkersPast(this.tables, before) && waited < PUBLISH_TRIES; waited++) {
      await delay(PUBLISH_WAIT_MS);
    }
    for (const { fd } of listeners) this.host.stopListening(fd);
    // The turn that noted the version also cancels the accept; its end is the loop's business.
    await delay(RETIRE_MS);
    closeListeners(this.host, listeners);
  }

  /** Where clients connect to, as text. */
  get address(): string {
    return this.listeners.map(({ endpoint }) => endpointText(endpoint, 0)).join(', ');
  }

  /** Ends all connections and the workers, closes listeners and removes our sockets from the file system. */
  async stop(): Promise<boolean> {
    const isStopped = await this.supervisor.stop();
    closeListeners(this.host, this.listeners);
    // Clients that a worker had accepted when it failed, or began to wait, are in no row yet.
    if (!isStopped || this.supervisor.isFailed) this.host.abortAtExit();
    return isStopped;
  }

  /** A worker did not stop: ends the process without waiting for it, which resets all connections. Does not return. */
  leaveWorkerBehind(): never {
    return this.host.exitNow(1);
  }

  /** Ends the connections that failed workers have left behind, so that none of them looks complete. */
  abortLeftBehind(): void {
    for (let worker = 0; worker < WORKERS_MAX; worker++) {
      if (this.supervisor.isGone(worker)) abortConnections(this.tables, worker, (fd) => this.host.abort(fd));
    }
  }
}

/** The loop a worker is started with. */
function loopOf(host: Host, { settings }: Configuration): LoopChoice {
  if (!host.listenInLoop) return settings.loop;
  if (settings.workers > 1) throw new ConfigError('workers', "Node's own loop has exactly one");
  return 'node';
}

function closeListeners(host: Host, listeners: readonly OpenListener[]): void {
  for (const { fd, endpoint } of listeners) {
    host.close(fd);
    if (endpoint[ENDPOINT_KIND] === KIND_UNIX) host.unlinkOwn(endpointText(endpoint, 0));
  }
}

/** @param before listeners that this one replaces. */
async function openListener(
  host: Host,
  configuration: Configuration,
  { backlog }: Room,
  before: readonly OpenListener[] = [],
): Promise<OpenListener> {
  const { listen, settings } = configuration;
  if (!listen)
    throw new ConfigError('listen address', 'missing; write where clients come to, as in pen 80 server:8080');
  const wanted = recordOf(listen);
  const { fd, error } = await listenOn(host, wanted, {
    backlog,
    noDelay: settings.tcpNodelay,
    keepAlive: true,
    beside: before.find(({ endpoint }) => hasSamePort(endpoint, wanted))?.fd,
  });
  if (error)
    throw new ConfigError('listen address', error.help === '' ? error.message : `${error.message}; ${error.help}`);
  return { fd, endpoint: listen.endpoint.kind === KIND_UNIX ? wanted : host.localEndpoint(fd) };
}

/** @returns the configuration with the port that the system has chosen, if it was to choose: so it can be told. */
function inForce(configuration: Configuration, listeners: readonly OpenListener[], limits: Room): Running {
  const { listen } = configuration;
  const [at] = listeners;
  if (!listen || !at || !('port' in listen.endpoint) || listen.endpoint.port !== 0) {
    return { configuration, listeners, limits };
  }
  const endpoint = { ...listen.endpoint, port: portOf(at.endpoint, 0) };
  const chosen = { text: endpointText(at.endpoint, 0), endpoint };
  return { configuration: { ...configuration, listen: chosen }, listeners, limits };
}

function recordOf({ endpoint }: WrittenEndpoint): Uint8Array {
  const record = new Uint8Array(ENDPOINT_SIZE);
  writeEndpoint(endpoint, record, 0);
  return record;
}

function hasSamePort(one: Uint8Array, other: Uint8Array): boolean {
  if (one[ENDPOINT_KIND] === KIND_UNIX || other[ENDPOINT_KIND] === KIND_UNIX) return false;
  return portOf(one, 0) === portOf(other, 0);
}

async function listenOn(host: Host, endpoint: Uint8Array, options: ListenOptions): Promise<ListenResult> {
  if (!host.listenInLoop) return host.listen(endpoint, options);
  return new Promise((resolve) => host.listenInLoop?.(endpoint, options, resolve));
}

/** Slots of the connections table that the workers of this host can serve. */
function slotsOf(host: Host): number {
  return host.listenInLoop ? NODE_CONNECTIONS_MAX : CONNECTIONS_MAX;
}

/**
 * Raises the descriptor limit to what the connections need, or says what is missing. Numbers that nobody has said
 * shrink to what the machine allows: parked connections first.
 */
function fitToMachine(host: Host, configuration: Configuration): Room & { connMax: number; parkedMax: number } {
  const { settings, control } = configuration;
  const { connMax, parkedMax } = limitsOf(settings);
  const asked = settings.parkedMax === 'auto' ? 0 : parkedMax;
  const slots = slotsOf(host);
  if (slotsFor(connMax, asked) > slots) {
    throw new ConfigError('conn_max', `there is room for ${slots} connections, parked ones included`);
  }
  const own = DESCRIPTOR_RESERVE + (settings.workers - 1) * WORKER_RESERVE + (control ? CONTROL_RESERVE : 0);
  const isHolding = host.listenInLoop !== undefined;
  // One more than may wait is turned away.
  const held = (backlog: number): number => (isHolding ? backlog + 1 : 0);
  const wanted = descriptorsFor(connMax, parkedMax) + own + held(settings.backlog);
  const limit = host.raiseDescriptorLimit(wanted);
  const said = settings.connMax === 0 ? asked : descriptorsFor(connMax, asked);
  const backlog = isHolding ? waitingWithin(limit - own - said, settings.backlog) : settings.backlog;
  const reserve = own + held(backlog);
  const needed = descriptorsFor(connMax, asked) + reserve;
  const possible = Math.floor((limit - reserve - asked) / 2);
  if (limit < needed && (settings.connMax !== 0 || possible < 1)) {
    const less = possible < 1 ? '' : `, or allow at most ${possible} connections (-x)`;
    throw new ConfigError(
      'conn_max',
      `${connMax} connections need ${needed} descriptors, but the limit is ${limit}; raise it (ulimit -n ${needed})${less}`,
    );
  }
  const descriptorMax = Math.min(limit - reserve, DESCRIPTORS_MAX);
  const fitting = Math.min(connMax, possible);
  const parked = Math.min(parkedWithin(descriptorMax, fitting, parkedMax), slots - fitting);
  return { connMax: fitting, parkedMax: parked, descriptorMax, backlog };
}
