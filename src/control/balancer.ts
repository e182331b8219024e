/**
 * A running balancer: listeners opened, tables filled, worker started, and all of it taken down again.
 *
 * @owner main thread.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { endpointText } from '../base/endpoint.ts';
import { listenerCount } from '../config/farms.ts';
import { ConfigError, type Configuration, type LoopChoice } from '../config/model.ts';
import { settingPart } from '../config/parts.ts';
import type { Host } from '../loop/host.ts';
import { WORKERS_MAX } from '../table/limits.ts';
import { allWorkersPast, currentVersion } from '../table/publish.ts';
import { clearBlacklist } from '../table/shared.ts';
import { createTables, openTables, type Tables } from '../table/tables.ts';
import { clientsOf, expectClients } from './big-pages.ts';
import { checkLists } from './access-lists.ts';
import type { Prepared } from './controller.ts';
import { countriesFor, type ReadCountries } from './countries.ts';
import { Dumps, type WriteDump } from './dumps.ts';
import {
  changeOf,
  closeListeners,
  hasWaiting,
  openListeners,
  wantedListeners,
  withChosenPorts,
  type ListenerChange,
} from './listeners.ts';
import { fittedTo, fitToMachine, slotsOf, withPlaces, type Room } from './machine.ts';
import { checkRows, movedServers, publish, rowsInForce, type OpenListener } from './publisher.ts';
import { abortConnections } from './reclaim.ts';
import type { Logs } from './logs.ts';
import { Supervisor } from './supervisor.ts';
import type { WorkerProgram } from './worker-thread.ts';

/** How long a new configuration waits for a worker's turn to end: in all a few seconds. */
const PUBLISH_WAIT_MS = 2;
const PUBLISH_TRIES = 1500;
/** Longer than a turn: an accept that was cancelled in it has ended. */
const RETIRE_MS = 100;
/** Longer than most handshakes: those that had begun at a listener that is left have ended. */
const HANDSHAKE_MS = 100;
/** How long those who wait at a listener that is left may wait for room. */
const ROOM_WAIT_SECONDS = 2;
const ROOM_WAIT_MS = 10;
/** Key of the tables' hashes: as many bits as a random integer has. */
const SEED_MAX = 2 ** 48 - 1;

/** What is in force. */
interface Running {
  readonly configuration: Configuration;
  readonly listeners: readonly OpenListener[];
  readonly limits: Room;
}

/** Where what happens to connections is told, where anybody wants that. **Default** nowhere. */
export interface Outlets {
  readonly writeDump?: WriteDump | undefined;
  readonly logs?: Logs | undefined;
}

export interface StartOptions extends Outlets {
  /** Is told what happens to workers and clients. **Default** nobody is. */
  readonly say?: (text: string) => void;
  /** Is called when everything stands, before the first client is taken: for giving up rights. What it throws ends the start. */
  readonly beforeServing?: () => void | Promise<void>;
  /** Reads countries, where lists ask for them: before rights are given up. **Default** there is nothing to read. */
  readonly readCountries?: ReadCountries;
}

/** What a balancer is made of. */
interface Standing {
  readonly host: Host;
  readonly tables: Tables;
  readonly supervisor: Supervisor;
  readonly dumps: Dumps | undefined;
}

export class Balancer {
  readonly tables: Tables;
  readonly supervisor: Supervisor;
  private readonly host: Host;
  private readonly readCountries: ReadCountries;
  private readonly dumps: Dumps | undefined;
  private readonly logs: Logs | undefined;
  private readonly say: (text: string) => void;
  private running: Running;

  private constructor(
    { host, tables, supervisor, dumps }: Standing,
    running: Running,
    { logs, say, readCountries }: Required<Pick<StartOptions, 'say' | 'readCountries'>> & Outlets,
  ) {
    this.host = host;
    this.tables = tables;
    this.running = running;
    this.supervisor = supervisor;
    this.readCountries = readCountries;
    this.dumps = dumps;
    this.logs = logs;
    this.say = say;
  }

  /**
   * Opens the listener and starts the workers: when this returns, clients are served. Where listeners are the loop's
   * own, the worker comes first.
   *
   * A number of connections that nobody has said shrinks to what the machine allows.
   * @param program what workers run.
   * @errors ConfigError for what the person can mend; or what `beforeServing` threw.
   */
  static async start(
    host: Host,
    configuration: Configuration,
    program: WorkerProgram,
    options: StartOptions = {},
  ): Promise<Balancer> {
    const { say = () => undefined, beforeServing, readCountries = noCountries, writeDump, logs } = options;
    const limits = { ...fitToMachine(host, configuration), countries: countriesFor(configuration, readCountries) };
    const fitted = fittedTo(configuration, limits);
    const wanted = wantedListeners(fitted);
    const listeners = host.listenInLoop ? [] : await openListeners(host, wanted, optionsOf(fitted, limits));
    const tables = openTables(createTables(randomInt(SEED_MAX)));
    let balancer: Balancer | undefined;
    try {
      publish(tables, fitted, [], limits);
      expectClients(host, tables, clientsOf(fitted));
      const { workers: count } = fitted.settings;
      const [loop, slots] = [loopOf(host, fitted), slotsOf(host)];
      const dumps = writeDump && new Dumps(tables, count, writeDump);
      const start = {
        program,
        host,
        tables,
        count,
        loop,
        slots,
        say,
        dumps: dumps?.memory,
        logs: logs && { requests: logs.requests.memory, endings: logs.connections.memory },
      };
      const supervisor = await Supervisor.start(start);
      const running = inForce(configuration, listeners, limits);
      balancer = new Balancer({ host, tables, supervisor, dumps }, running, { logs, say, readCountries });
      if (host.listenInLoop) await balancer.listen();
      logs?.follow(configuration, rowsInForce(tables), logs.open(configuration));
      await beforeServing?.();
      await balancer.publish(balancer.configuration, balancer.listeners, limits);
      return balancer;
    } catch (error) {
      if (balancer) await balancer.stop();
      else closeListeners(host, listeners);
      throw error;
    }
  }

  /** Has the worker, which runs by now, open the listeners. @errors ConfigError. */
  private async listen(): Promise<void> {
    const { configuration, limits } = this.running;
    const wanted = wantedListeners(configuration);
    const listeners = await openListeners(this.host, wanted, optionsOf(configuration, limits));
    this.running = inForce(configuration, listeners, limits);
  }

  /** What people have said that shall be in force. */
  get configuration(): Configuration {
    return this.running.configuration;
  }

  /** The same with the numbers that nobody has said, as this machine has room for them. */
  get fitted(): Configuration {
    return fittedTo(this.running.configuration, this.running.limits);
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
    if (configuration !== this.running.configuration) await this.commit(configuration, this.limitsFor(configuration));
  }

  /**
   * Finds out whether a configuration can be had, and changes nothing. Files that it names, such as that of countries,
   * are looked at again.
   *
   * @errors ConfigError for what cannot be had here.
   */
  async prepare(configuration: Configuration): Promise<Prepared> {
    const before = this.running;
    const notices: string[] = [];
    const limits = this.limitsFor(configuration, (notice) => notices.push(notice));
    const { countries } = limits;
    checkLists(configuration, countries, before.configuration);
    checkRows(this.tables, configuration, before.configuration);
    this.logs?.check(configuration);
    const { path, stamp } = countries ?? {};
    if (path !== undefined && before.limits.countries && before.limits.countries.stamp !== stamp) {
      notices.push(`${path}: is another file than before, and says which country an address is in`);
    }
    notices.push(...(await this.tryToListen(configuration, limits)));
    return { notices, commit: async () => this.commit(configuration, limits) };
  }

  /** @returns what to say when it cannot be known. @errors ConfigError when the listener cannot be had. */
  private async tryToListen(configuration: Configuration, limits: Room): Promise<string[]> {
    const { wanted, left } = this.changeOfListeners(configuration);
    if (wanted.length === 0) return [];
    if (this.host.listenInLoop) return [`listen address: whether it can be had is known when it is opened`];
    const options = optionsOf(configuration, limits);
    closeListeners(this.host, await openListeners(this.host, wanted, options, { beside: left, isTrial: true }));
    return [];
  }

  private async commit(configuration: Configuration, limits: Room): Promise<void> {
    const before = this.running;
    const { kept, wanted, left } = this.changeOfListeners(configuration);
    const fresh = await openListeners(this.host, wanted, optionsOf(configuration, limits), { beside: left });
    const listeners = [...kept, ...fresh];
    let opened: ReturnType<Logs['open']> = [];
    try {
      opened = this.logs?.open(configuration) ?? [];
      // Who waits at the old one came first.
      await this.publish(configuration, [...left, ...listeners], limits);
    } catch (error) {
      this.logs?.forget(opened);
      closeListeners(this.host, fresh);
      throw error;
    }
    const { log, connectionLog } = before.configuration.settings;
    // One that ends is closed when nobody adds to it any more.
    if (log || connectionLog) await this.allFollow();
    this.logs?.follow(configuration, rowsInForce(this.tables), opened);
    expectClients(this.host, this.tables, clientsOf(configuration));
    this.running = inForce(configuration, listeners, limits);
    this.tuneListeners(before);
    if (left.length > 0) await this.leave(left);
  }

  /** What a listener was opened with, and may have otherwise while it listens. */
  private tuneListeners(before: Running): void {
    const { configuration, listeners, limits } = this.running;
    const { tcpNodelay: noDelay } = configuration.settings;
    const { backlog } = limits;
    if (noDelay === before.configuration.settings.tcpNodelay && backlog === before.limits.backlog) return;
    for (const { fd } of listeners) this.host.tuneListening(fd, { backlog, noDelay });
  }

  /** @errors ConfigError for listeners that cannot be, whoever has what. */
  private changeOfListeners(configuration: Configuration): ListenerChange {
    const { configuration: before, listeners } = this.running;
    const isSame = configuration.listen === before.listen && configuration.farms === before.farms;
    return isSame ? { kept: listeners, wanted: [], left: [] } : changeOf(wantedListeners(configuration), listeners);
  }

  /** Makes the worker look into its tables. */
  wake(worker: number): void {
    this.supervisor.wakeOne(worker);
  }

  /**
   * Room for more connections, if more are wanted, and countries, if they are needed.
   *
   * @param tell files are looked at again: see `countriesFor`. @errors ConfigError when there is none.
   */
  private limitsFor(configuration: Configuration, tell?: (notice: string) => void): Room {
    const { limits, configuration: running } = this.running;
    const known = { configuration: running, countries: limits.countries };
    const countries = countriesFor(configuration, this.readCountries, known, tell);
    const { connMax, parkedMax, backlog } = configuration.settings;
    const before = this.configuration.settings;
    const isSame =
      connMax === before.connMax &&
      parkedMax === before.parkedMax &&
      backlog === before.backlog &&
      listenerCount(configuration) === listenerCount(running);
    return { ...(isSame ? limits : fitToMachine(this.host, withPlaces(configuration, limits))), countries };
  }

  /** Waits until no worker reads the bank that is to be filled, which takes as long as a turn. */
  private async publish(next: Configuration, listeners: readonly OpenListener[], limits: Room): Promise<void> {
    const { configuration } = this.running;
    const fitted = fittedTo(next, limits);
    const moved = movedServers(rowsInForce(this.tables), next, configuration);
    this.forgetFailures(moved);
    for (let waited = 0; !publish(this.tables, fitted, listeners, limits, configuration); waited++) {
      if (waited === PUBLISH_TRIES)
        throw new ConfigError('pen', 'the workers are too busy to take a new configuration');
      this.supervisor.wake();
      await delay(PUBLISH_WAIT_MS);
    }
    this.supervisor.wake();
    this.dumps?.follow(next.settings);
    if (moved.length === 0) return;
    // A worker that did not know it yet may have noted a failure of the old address since.
    await this.allFollow();
    this.forgetFailures(moved);
  }

  /** What failed was another address. */
  private forgetFailures(servers: readonly number[]): void {
    for (const server of servers) clearBlacklist(this.tables, server);
  }

  /** Waits until every worker works with what was published last; not for ever. */
  private async allFollow(): Promise<void> {
    const before = (currentVersion(this.tables) - 1) >>> 0;
    for (let waited = 0; !allWorkersPast(this.tables, before) && waited < PUBLISH_TRIES; waited++) {
      await delay(PUBLISH_WAIT_MS);
    }
  }

  /** Has those who wait at listeners that are left accepted, as far as there is room, and closes the listeners. */
  private async leave(listeners: readonly OpenListener[]): Promise<void> {
    for (const { fd } of listeners) this.host.holdNewcomers(fd);
    await delay(HANDSHAKE_MS);
    const tries = (ROOM_WAIT_SECONDS * 1000) / ROOM_WAIT_MS;
    for (let tried = 0; tried < tries && (await hasWaiting(this.host, listeners)); tried++) await delay(ROOM_WAIT_MS);
    const { configuration, listeners: current, limits } = this.running;
    await this.publish(configuration, current, limits);
    await this.retire(listeners);
  }

  /** Closes listeners that are no longer published, once no worker can have an accept on them. */
  private async retire(listeners: readonly OpenListener[]): Promise<void> {
    await this.allFollow();
    if (await hasWaiting(this.host, listeners)) {
      const where = listeners.map(({ endpoint }) => endpointText(endpoint, 0)).join(', ');
      const why = `for want of room within ${ROOM_WAIT_SECONDS} seconds`;
      this.say(`listen address: clients that waited at ${where} have been reset, ${why}`);
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
    this.dumps?.stop();
    await this.logs?.stop();
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

function noCountries(): never {
  throw new Error('there is nothing here that could read a file of countries');
}

/** The loop a worker is started with. */
function loopOf(host: Host, { settings }: Configuration): LoopChoice {
  if (!host.listenInLoop) return settings.loop;
  if (settings.workers > 1) {
    throw new ConfigError('workers', "Node's own loop has exactly one", settingPart('workers'));
  }
  return 'node';
}

/** What is in force once these listeners stand. */
function inForce(configuration: Configuration, listeners: readonly OpenListener[], limits: Room): Running {
  return { configuration: withChosenPorts(configuration, listeners), listeners, limits };
}

/** What listeners are opened with. */
function optionsOf({ settings }: Configuration, { backlog }: Room): { backlog: number; noDelay: boolean } {
  return { backlog, noDelay: settings.tcpNodelay };
}
