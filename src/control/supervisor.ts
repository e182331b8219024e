/**
 * Starts the workers, wakes them, replaces those that fail, stops them. A worker blocks in the kernel, so whatever ends
 * the process must raise the flag and wake it first; else Node waits for it for ever.
 *
 * @owner main thread.
 */
import { realpathSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { errnoName } from '../base/errno.ts';
import { ConfigError } from '../config/model.ts';
import type { Host } from '../loop/host.ts';
import { isWorkerLive } from '../table/publish.ts';
import { LOCK_CLIENTS, LOCK_SOURCES, lockHolder, requestStop, STOP_ABORT, STOP_NO, stopping } from '../table/shared.ts';
import type { Tables } from '../table/tables.ts';
import { abortConnections, reclaim } from './reclaim.ts';
import { watchWorkers } from './watch.ts';
import type { WorkerProgram, WorkerReady, WorkerStart } from './worker-thread.ts';

/** A worker that has not stopped by then is left behind. */
const STOP_DEADLINE_MS = 5000;
/** V8 settings of a worker: it allocates next to nothing, so small spaces keep the process small. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64, stackSizeMb: 1 };
/** With Node's own loop each connection is objects: V8 decides. */
const NODE_LIMITS = {};
/** A replacement starts at once; when it fails within STEADY_MS, the next one waits, each time twice as long. */
const STEADY_MS = 10_000;
const PAUSE_MIN_MS = 100;
const PAUSE_MAX_MS = 5000;
/** Failures in a row, in about six seconds, after which a process without any worker ends: whoever started it can again. */
const ALONE_TRIES = 6;
/** Slots of different workers share no cache line. */
const SLOTS_STEP = 64;

export interface SupervisorOptions {
  /** The workers' composition root. */
  readonly program: WorkerProgram;
  readonly host: Host;
  readonly tables: Tables;
  /** How many workers. */
  readonly count: number;
  readonly loop: WorkerStart['loop'];
  /** Slots of the connections table that they share. */
  readonly slots: number;
  /** Rings of dumps, one for each worker. **Default** they dump nothing. */
  readonly dumps?: readonly SharedArrayBuffer[] | undefined;
  /** Rings of what is logged, one of each for each worker. **Default** they log nothing. */
  readonly logs?:
    | { readonly requests: readonly SharedArrayBuffer[]; readonly endings: readonly SharedArrayBuffer[] }
    | undefined;
  /** Is told, in one line, what happened to a worker and what is done about it, and that accepting rests. */
  readonly say: (text: string) => void;
}

/** One of the workers there are to be, and the thread that is it now. */
interface Post {
  readonly worker: number;
  /** Settles when its thread has ended: undefined in order, else the error. */
  ended: Promise<Error | undefined>;
  isRunning: boolean;
  /** Failures in a row, each soon after a start. */
  failures: number;
  /** Until the next attempt, or until the thread counts as steady. */
  timer: NodeJS.Timeout | undefined;
}

/** What kept a thread from serving, or that it does. */
type Beginning = { readonly ready: WorkerReady } | { readonly error: Error };

export class Supervisor {
  /** Settles when the process cannot go on without harm: with the reason. */
  readonly failed: Promise<Error>;
  /** Whether it has. */
  isFailed = false;
  private readonly options: SupervisorOptions;
  private readonly wakeFds: number[] = [];
  private readonly posts: Post[] = [];
  private readonly slotCount: number;
  private readies: WorkerReady[] = [];
  private stopWatching: () => void = () => undefined;
  private settleFailed: (reason: Error) => void = () => undefined;

  private constructor(options: SupervisorOptions) {
    this.options = options;
    this.slotCount = Math.floor(options.slots / options.count / SLOTS_STEP) * SLOTS_STEP;
    this.failed = new Promise((resolve) => (this.settleFailed = resolve));
  }

  /**
   * Starts the worker threads and waits until their loops stand.
   *
   * @errors ConfigError when the loop asked for cannot be had here; else the error that kept a worker from starting.
   */
  static async start(options: SupervisorOptions): Promise<Supervisor> {
    const supervisor = new Supervisor(options);
    await supervisor.startAll();
    return supervisor;
  }

  /** The loop of the workers, and why it is not the best one, if it is not. */
  get ready(): WorkerReady {
    const { count } = this.options;
    const kind = this.readies[0]?.kind ?? 'none';
    const reasons = new Set(this.readies.map(({ reason }) => reason).filter((reason) => reason !== ''));
    const notes = [...(count > 1 ? [`${count} workers`] : []), ...reasons];
    return { kind, reason: notes.join(', ') };
  }

  /** Whether the worker's thread has ended or never started. */
  isGone(worker: number): boolean {
    return this.posts[worker]?.isRunning !== true;
  }

  /** Makes the workers look at the tables now: a new configuration, a request to stop. */
  wake(): void {
    for (const fd of this.wakeFds) this.options.host.wake(fd);
  }

  wakeOne(worker: number): void {
    const fd = this.wakeFds[worker];
    if (fd !== undefined) this.options.host.wake(fd);
  }

  /** Stops the workers and waits for their end, within bounds. @returns false when one had to be left behind. */
  async stop(): Promise<boolean> {
    this.interrupt();
    for (const { timer } of this.posts) clearTimeout(timer);
    const deadline = AbortSignal.timeout(STOP_DEADLINE_MS);
    const late = new Promise<false>((resolve) => deadline.addEventListener('abort', () => resolve(false)));
    const all = Promise.all(this.posts.map(async ({ ended }) => ended)).then(() => true);
    return Promise.race([all, late]).finally(this.stopWatching);
  }

  private async startAll(): Promise<void> {
    const { host, tables, count, say } = this.options;
    for (let worker = 0; worker < count; worker++) {
      const fd = host.createWake();
      if (fd < 0) throw new Error(`cannot create a worker's wake-up (${errnoName(fd)})`);
      this.wakeFds.push(fd);
    }
    process.on('exit', () => this.interrupt());
    const beginnings = await Promise.all(
      this.wakeFds.map(async (_, worker) => this.begin(worker, this.options.program.file)),
    );
    for (const beginning of beginnings) {
      if ('ready' in beginning) {
        this.readies.push(beginning.ready);
        continue;
      }
      await this.stop();
      throw beginning.error;
    }
    const isStuck = (worker: number): void =>
      this.fail(new Error(`worker ${worker} hangs: one turn of it lasts for more than five seconds`));
    this.stopWatching = watchWorkers({ tables, count, isStuck, say });
  }

  /** Starts the thread of one worker. */
  private async begin(worker: number, script: URL): Promise<Beginning> {
    const { host, tables, loop, dumps, logs } = this.options;
    const { slotCount, wakeFds } = this;
    const workerData: WorkerStart = {
      memory: tables.memory,
      worker,
      slotFirst: worker * slotCount,
      slotCount,
      loop,
      nativeFile: host.nativeFile,
      wakeFds,
      dumps: dumps?.[worker],
      requests: logs?.requests[worker],
      endings: logs?.endings[worker],
    };
    const resourceLimits = loop === 'node' ? NODE_LIMITS : RESOURCE_LIMITS;
    const thread = new Worker(script, { workerData, resourceLimits });
    const ended = new Promise<Error | undefined>((resolve) => {
      let failure: Error | undefined;
      thread.on('error', (error) => (failure = error instanceof Error ? error : new Error(String(error))));
      thread.on('exit', (code) => resolve(failure ?? (code === 0 ? undefined : new Error(`exit code ${code}`))));
    });
    const post = (this.posts[worker] ??= { worker, ended, isRunning: true, failures: 0, timer: undefined });
    post.ended = ended;
    post.isRunning = true;
    void ended.then(() => (post.isRunning = false));
    const beginning = await Promise.race([
      new Promise<Beginning>((resolve) => thread.once('message', (ready: WorkerReady) => resolve({ ready }))),
      ended.then((error): Beginning => ({ error: error ?? new Error('the worker ended before it was ready') })),
    ]);
    if ('error' in beginning) return beginning;
    const { kind, reason } = beginning.ready;
    if (kind === 'none') return { error: new ConfigError('loop', reason) };
    post.timer = setTimeout(() => (post.failures = 0), STEADY_MS).unref();
    void ended.then((error) => error && this.ended(post, error));
    return beginning;
  }

  /** A worker that served has failed. */
  private ended(post: Post, error: Error): void {
    const { tables, host, say } = this.options;
    const { worker } = post;
    clearTimeout(post.timer);
    if (this.isFailed) {
      // Nothing is given back any more: whoever is why may hold the lock of it.
      abortConnections(tables, worker, (fd) => host.abort(fd));
      return;
    }
    const doom = this.doomOf(worker);
    if (doom !== '') {
      this.fail(new Error(`worker ${worker} failed ${doom}: ${error.stack ?? error.message}`));
      return;
    }
    let count: number;
    try {
      count = reclaim(tables, worker, (fd) => host.abort(fd));
    } catch (wrong) {
      this.fail(new Error(`what worker ${worker} held when it failed is not what its rows tell: ${String(wrong)}`));
      return;
    }
    // Places are free again, and it may have been the only one that accepted.
    this.wake();
    const isStopping = stopping(tables) !== STOP_NO;
    const next = isStopping ? '' : ', another takes its place';
    say(`worker ${worker} failed, its ${count} connections are reset${next}: ${error.stack ?? error.message}`);
    if (!isStopping) this.replace(post);
  }

  /** Why nobody can take the place of a worker that has failed; empty when somebody can. */
  private doomOf(worker: number): string {
    const { tables } = this.options;
    const isHolder = [LOCK_CLIENTS, LOCK_SOURCES].some((id) => lockHolder(tables, id) === worker);
    if (isHolder) return 'while it changed what all workers share';
    if (!isWorkerLive(tables, worker)) return '';
    if (this.ready.kind === 'node') return "and took along its listeners, which on Node's own loop are the worker's";
    return 'without undoing what only it knew of';
  }

  /** The process has to end. The first reason counts; while it ends already, nobody but the log wants to know. */
  private fail(reason: Error): void {
    if (this.isFailed) return;
    this.isFailed = true;
    if (stopping(this.options.tables) !== STOP_NO) this.options.say(reason.message);
    this.settleFailed(reason);
  }

  private replace(post: Post): void {
    const pause = post.failures === 0 ? 0 : Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** (post.failures - 1));
    post.failures++;
    post.timer = setTimeout(() => void this.beginAgain(post), pause);
  }

  private async beginAgain(post: Post): Promise<void> {
    const { program, tables, say } = this.options;
    leaveRemovedFolder();
    const beginning = await this.begin(post.worker, program.again());
    if ('ready' in beginning) {
      this.compareLoops(post.worker, beginning.ready);
      return;
    }
    if (stopping(tables) !== STOP_NO) return;
    const isAlone = this.posts.every(({ isRunning }) => !isRunning);
    if (isAlone && post.failures > ALONE_TRIES) {
      this.fail(new Error(`there is no worker left, and none can be started: ${beginning.error.message}`));
      return;
    }
    say(`worker ${post.worker} could not be replaced, which is tried again: ${beginning.error.message}`);
    this.replace(post);
  }

  /** What could be had at the start may be missing later: memory that may be locked, for instance. */
  private compareLoops(worker: number, { kind, reason }: WorkerReady): void {
    const before = this.readies[worker];
    this.readies[worker] = { kind, reason };
    if (kind === before?.kind) return;
    const why = reason === '' ? '' : ` (${reason})`;
    this.options.say(
      `worker ${worker} was replaced by one with another loop: ${kind} instead of ${before?.kind}${why}`,
    );
  }

  /** Raises the flag and wakes the workers, which may be asleep in the kernel. */
  private interrupt(): void {
    requestStop(this.options.tables, STOP_ABORT);
    this.wake();
  }
}

/** No thread can be started in a folder that was removed; relative paths mean nothing there anyway. */
function leaveRemovedFolder(): void {
  try {
    realpathSync.native('.'); // process.cwd() remembers what was
  } catch {
    process.chdir('/');
  }
}
