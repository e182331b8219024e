/**
 * All logs there can be, opened, followed and begun anew together.
 *
 * @owner main thread.
 */
import type { Configuration } from '../config/model.ts';
import { createEndingRing } from '../table/endings.ts';
import { createRequestRing } from '../table/requests.ts';
import type { FarmRows } from './farm-rows.ts';
import { ConnectionLines } from './connection-lines.ts';
import { checkLog, Log, type LogOptions, type Opened } from './log.ts';
import { RequestLines } from './request-lines.ts';

const REQUESTS = { command: 'log', key: 'log', createRing: createRequestRing } as const;
const CONNECTIONS = { command: 'connection_log', key: 'connectionLog', createRing: createEndingRing } as const;

/** Finds out whether there can be the logs that are wanted, and makes none. @errors ConfigError. */
export function checkLogs({ settings }: Configuration): void {
  for (const kind of [REQUESTS, CONNECTIONS]) checkLog(kind, settings[kind.key]);
}

export class Logs {
  readonly requests: Log;
  readonly connections: Log;
  private readonly all: readonly Log[];

  constructor(options: LogOptions) {
    this.requests = new Log({ ...REQUESTS, lines: new RequestLines() }, options);
    this.connections = new Log({ ...CONNECTIONS, lines: new ConnectionLines() }, options);
    this.all = [this.requests, this.connections];
  }

  /** Finds out whether what is wanted can be had, and changes nothing. @errors ConfigError. */
  check(configuration: Configuration): void {
    for (const log of this.all) log.check(configuration);
  }

  /**
   * Opens what is wanted.
   *
   * @returns what `follow` needs; whoever does not come to that closes it by `forget`. @errors ConfigError; then none is open.
   */
  open(configuration: Configuration): readonly (Opened | undefined)[] {
    const opened: (Opened | undefined)[] = [];
    try {
      for (const log of this.all) opened.push(log.open(configuration));
    } catch (error) {
      this.forget(opened);
      throw error;
    }
    return opened;
  }

  forget(opened: readonly (Opened | undefined)[]): void {
    opened.forEach((one, index) => this.all[index]?.forget(one));
  }

  /** A configuration is in force, and lines go to what was opened for it. @param rows where its servers are. */
  follow(configuration: Configuration, rows: FarmRows, opened: readonly (Opened | undefined)[]): void {
    this.all.forEach((log, index) => log.follow(configuration, rows, opened[index]));
  }

  /** Whoever rotates logs has renamed the files. */
  reopen(): void {
    for (const log of this.all) log.reopen();
  }

  /** No worker runs any more: what is left is written. */
  async stop(): Promise<void> {
    await Promise.all(this.all.map(async (log) => log.stop()));
  }
}
