/**
 * Starts the worker, wakes it, stops it. The worker blocks in the kernel, so whatever ends the process must raise
 * the flag and wake it first; else Node waits for it for ever.
 *
 * @owner main thread.
 */
import { Worker } from 'node:worker_threads';
import { errnoName } from '../base/errno.ts';
import { ConfigError } from '../config/model.ts';
import type { Host } from '../loop/host.ts';
import { requestStop, STOP_ABORT } from '../table/shared.ts';
import type { Tables } from '../table/tables.ts';
import type { WorkerReady, WorkerStart } from './worker-thread.ts';

/** A worker that has not stopped by then is left behind. */
const STOP_DEADLINE_MS = 5000;
/** V8 settings of a worker: it allocates next to nothing, so small spaces keep the process small. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64, stackSizeMb: 1 };
/** With Node's own loop each connection is objects: V8 decides. */
const NODE_LIMITS = {};

export class Supervisor {
  readonly ready: WorkerReady;
  /** Settles when the worker's thread has ended: undefined, or the error that ended it. */
  readonly ended: Promise<Error | undefined>;
  private readonly host: Host;
  private readonly tables: Tables;
  private readonly wakeFd: number;

  private constructor(
    host: Host,
    tables: Tables,
    wakeFd: number,
    ready: WorkerReady,
    ended: Promise<Error | undefined>,
  ) {
    this.host = host;
    this.tables = tables;
    this.wakeFd = wakeFd;
    this.ready = ready;
    this.ended = ended;
  }

  /**
   * Starts the worker thread and waits until its loop stands.
   *
   * @param script the worker's composition root.
   * @errors ConfigError when the loop asked for cannot be had here; else the error that kept the worker from starting.
   */
  static async start(
    script: URL,
    host: Host,
    tables: Tables,
    start: Omit<WorkerStart, 'memory' | 'wakeFd'>,
  ): Promise<Supervisor> {
    const wakeFd = host.createWake();
    if (wakeFd < 0) throw new Error(`cannot create the worker's wake-up (${errnoName(wakeFd)})`);
    process.on('exit', () => interrupt(host, tables, wakeFd));
    const workerData: WorkerStart = { ...start, memory: tables.memory, wakeFd };
    const thread = new Worker(script, {
      workerData,
      resourceLimits: start.loop === 'node' ? NODE_LIMITS : RESOURCE_LIMITS,
    });
    const ended = new Promise<Error | undefined>((resolve) => {
      let failure: Error | undefined;
      thread.on('error', (error) => (failure = error instanceof Error ? error : new Error(String(error))));
      thread.on('exit', () => resolve(failure));
    });
    const ready = await Promise.race([
      new Promise<WorkerReady>((resolve) => thread.once('message', resolve)),
      ended.then((error) => Promise.reject(error ?? new Error('the worker ended before it was ready'))),
    ]);
    if (ready.kind === 'none') throw new ConfigError('loop', ready.reason);
    return new Supervisor(host, tables, wakeFd, ready, ended);
  }

  /** Makes the worker look at the tables now: a new configuration, a request to stop. */
  wake(): void {
    this.host.wake(this.wakeFd);
  }

  /** Stops the worker and waits for its end, within bounds. @returns false when it had to be left behind. */
  async stop(): Promise<boolean> {
    interrupt(this.host, this.tables, this.wakeFd);
    const deadline = AbortSignal.timeout(STOP_DEADLINE_MS);
    const late = new Promise<false>((resolve) => deadline.addEventListener('abort', () => resolve(false)));
    return Promise.race([this.ended.then(() => true), late]);
  }
}

/** Raises the flag and wakes the worker, which may be asleep in the kernel. */
function interrupt(host: Host, tables: Tables, wakeFd: number): void {
  requestStop(tables, STOP_ABORT);
  host.wake(wakeFd);
}
