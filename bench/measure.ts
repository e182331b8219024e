/**
 * What a process tree used, read from /proc.
 *
 * CPU comes from two places. `/proc/PID/task/TID/schedstat` counts nanoseconds, but only of threads
 * that are alive: what an exited thread used vanishes from it. (`/proc/PID/schedstat` is the main
 * thread alone.) `/proc/PID/stat` counts the whole thread group, exited threads and kernel workers
 * of io_uring included, in clock ticks of 10 ms. So the nanoseconds are used while no thread was
 * lost, and the ticks are the judge of whether one was.
 */
import { readFileSync, readdirSync } from 'node:fs';

/** One process of a tree; `startTicks` tells it from a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: number;
}

interface ProcessCpu extends ProcessIdentity {
  readonly userTicks: number;
  readonly systemTicks: number;
  readonly threads: ReadonlyMap<number, number>;
}

/** CPU state of a tree at one moment, to be subtracted with `cpuBetween`. */
export type CpuReading = ReadonlyMap<number, ProcessCpu>;

/** CPU used between two readings. The split into user and system is sampled by tick: indicative. */
export interface CpuUse {
  readonly nanoseconds: number;
  readonly userTicks: number;
  readonly systemTicks: number;
  /** True where a thread ended in between, so that the tick total (10 ms grain) was used. */
  readonly fromTicks: boolean;
}

/** Clock ticks of /proc/PID/stat are 1/100 s on every Linux architecture Node runs on. */
const TICK_NS = 10_000_000;
/** User and system ticks are each rounded down in both readings; more than this is a real gap. */
const TICKS_OF_ROUNDING = 3;

interface StatLine extends ProcessIdentity {
  readonly parent: number;
  readonly userTicks: number;
  readonly systemTicks: number;
}

/** File content, or undefined where the process or thread is gone. Other errors throw. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ESRCH';
}

function readStat(pid: number): StatLine | undefined {
  const text = readProc(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    parent: Number(fields[1]),
    userTicks: Number(fields[11]),
    systemTicks: Number(fields[12]),
    startTicks: Number(fields[19]),
  };
}

function listNumbers(path: string): number[] {
  try {
    return readdirSync(path).map(Number).filter(Number.isInteger);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** `root` and all its living descendants; empty where `root` is gone. Parents come first. */
export function processTree(root: number): ProcessIdentity[] {
  const children = new Map<number, StatLine[]>();
  let top: StatLine | undefined;
  for (const pid of listNumbers('/proc')) {
    const stat = readStat(pid);
    if (stat === undefined) continue;
    if (pid === root) top = stat;
    const siblings = children.get(stat.parent);
    if (siblings === undefined) children.set(stat.parent, [stat]);
    else siblings.push(stat);
  }
  const tree: StatLine[] = top === undefined ? [] : [top];
  for (const parent of tree) tree.push(...(children.get(parent.pid) ?? []));
  return tree.map(({ pid, startTicks }) => ({ pid, startTicks }));
}

/** Whether that very process still runs (a zombie does not). */
export function isAlive(identity: ProcessIdentity): boolean {
  const text = readProc(`/proc/${identity.pid}/stat`);
  if (text === undefined) return false;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields[0] !== 'Z' && Number(fields[19]) === identity.startTicks;
}

function readThreads(pid: number): Map<number, number> {
  const threads = new Map<number, number>();
  for (const tid of listNumbers(`/proc/${pid}/task`)) {
    const text = readProc(`/proc/${pid}/task/${tid}/schedstat`);
    if (text !== undefined) threads.set(tid, Number(text.split(' ')[0]));
  }
  return threads;
}

/** CPU state of the tree under `root` now. */
export function readCpu(root: number): CpuReading {
  const reading = new Map<number, ProcessCpu>();
  for (const { pid } of processTree(root)) {
    const threads = readThreads(pid);
    const stat = readStat(pid);
    if (stat !== undefined) reading.set(pid, { ...stat, threads });
  }
  return reading;
}

/**
 * CPU used by a tree between two readings of it. Processes that appeared count from zero.
 * Throws an Error where a process of `before` has ended: its use since then is unknown.
 */
export function cpuBetween(before: CpuReading, after: CpuReading): CpuUse {
  const total = { nanoseconds: 0, userTicks: 0, systemTicks: 0, fromTicks: false };
  for (const pid of before.keys()) {
    if (before.get(pid)?.startTicks !== after.get(pid)?.startTicks) {
      throw new Error(`process ${pid} ended during the run`);
    }
  }
  for (const [pid, now] of after) {
    const then = before.get(pid);
    const userTicks = now.userTicks - (then?.userTicks ?? 0);
    const systemTicks = now.systemTicks - (then?.systemTicks ?? 0);
    const living = livingNanoseconds(then?.threads, now.threads);
    const ticks = (userTicks + systemTicks) * TICK_NS;
    const lost = [...(then?.threads.keys() ?? [])].some((tid) => !now.threads.has(tid));
    const useTicks = ticks > living && (lost || ticks - living > TICKS_OF_ROUNDING * TICK_NS);
    total.nanoseconds += useTicks ? ticks : living;
    total.userTicks += userTicks;
    total.systemTicks += systemTicks;
    total.fromTicks ||= useTicks;
  }
  return total;
}

function livingNanoseconds(
  before: ReadonlyMap<number, number> | undefined,
  after: ReadonlyMap<number, number>,
): number {
  let sum = 0;
  for (const [tid, nanoseconds] of after) sum += nanoseconds - (before?.get(tid) ?? 0);
  return sum;
}

/** Resident memory of the tree in KB; pages shared by two of its processes count twice. */
export function readResidentKb(root: number): number {
  return processTree(root).reduce((sum, { pid }) => sum + residentKb(pid), 0);
}

/** `smaps_rollup` walks the pages and is exact; `status` lags by up to 128 KB per CPU. */
function residentKb(pid: number): number {
  const exact = /^Rss:\s+(\d+) kB/m.exec(readProc(`/proc/${pid}/smaps_rollup`) ?? '');
  const cheap = exact ?? /^VmRSS:\s+(\d+) kB/m.exec(readProc(`/proc/${pid}/status`) ?? '');
  return Number(cheap?.[1] ?? 0);
}

/**
 * Voluntary context switches of all living threads of the tree: each is one sleep, so the
 * difference between two readings counts wake-ups.
 */
export function readWakeups(root: number): number {
  let sum = 0;
  for (const { pid } of processTree(root)) {
    for (const tid of listNumbers(`/proc/${pid}/task`)) {
      const status = readProc(`/proc/${pid}/task/${tid}/status`) ?? '';
      sum += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    }
  }
  return sum;
}
