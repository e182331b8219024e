/**
 * Child processes that never outlive the benchmark: every one is on a list, and the list is ended
 * by process number (with all descendants) on return, throw, exit and signal.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, chmodSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, processTree, type ProcessIdentity } from './measure.ts';

/** What a finished command left behind. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Bounds of a command: it is killed after `timeoutMs`; SIGINT comes first where asked. */
export interface CommandBounds {
  readonly timeoutMs: number;
  readonly interruptMs?: number;
}

/** Descriptors each child may open: two per connection, with room to spare. */
const DESCRIPTORS = 65_536;
const DESCRIPTORS_MIN = 18_200;
const STOP_MS = 2000;
/** Bytes of a child's output that are kept for an error message. */
const OUTPUT_MAX = 64 * 1024;

const living = new Set<ChildProcess>();
const directories = new Set<string>();
let hooked = false;
let limit: number | undefined;

function hookExit(): void {
  if (hooked) return;
  hooked = true;
  process.on('exit', () => {
    for (const child of living) {
      if (child.pid !== undefined) killTree(processTree(child.pid));
    }
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  });
  process.on('SIGINT', () => process.exit(130));
  process.on('SIGTERM', () => process.exit(143));
  process.on('SIGHUP', () => process.exit(129));
}

function killTree(tree: readonly ProcessIdentity[]): void {
  for (const identity of tree) {
    if (isAlive(identity)) signal(identity.pid, 'SIGKILL');
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    const gone = error instanceof Error && 'code' in error && error.code === 'ESRCH';
    if (!gone) throw error;
  }
}

/**
 * Descriptors each child may open: as many as we want, or as this machine allows. Throws where that
 * is too little to measure with.
 */
export function descriptorLimit(): number {
  if (limit !== undefined) return limit;
  const raised = spawnSync('prlimit', [`--nofile=${DESCRIPTORS}:${DESCRIPTORS}`, 'true']);
  const present = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).stdout.trim();
  limit = raised.status === 0 || present === 'unlimited' ? DESCRIPTORS : Math.min(DESCRIPTORS, Number(present));
  if (!(limit >= DESCRIPTORS_MIN)) {
    throw new Error(`${present} open files are allowed; ${DESCRIPTORS_MIN} are needed (ulimit -n)`);
  }
  return limit;
}

function launch(command: readonly string[]): ChildProcess & { readonly output: () => Finished } {
  hookExit();
  const nofile = `--nofile=${descriptorLimit()}:${descriptorLimit()}`;
  const child = spawn('prlimit', [nofile, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
  living.add(child);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout = (stdout + text).slice(-OUTPUT_MAX);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-OUTPUT_MAX);
  });
  child.on('exit', () => living.delete(child));
  child.on('error', (error) => {
    living.delete(child);
    stderr += error.message;
  });
  return Object.assign(child, { output: () => ({ code: child.exitCode, stdout, stderr }) });
}

/** A long-running child, with its output so far for error messages. */
export type Service = ReturnType<typeof launch>;

/** Starts a service with a raised descriptor limit. It is ended with the benchmark at the latest. */
export function startService(command: readonly string[]): Service {
  return launch(command);
}

/** Ends a service and its descendants: SIGTERM, then SIGKILL after two seconds. */
export async function stopService(service: Service): Promise<void> {
  if (service.pid === undefined) return;
  const tree = processTree(service.pid);
  signal(service.pid, 'SIGTERM');
  const deadline = Date.now() + STOP_MS;
  while (tree.some(isAlive) && Date.now() < deadline) await sleep(10);
  killTree(tree);
}

/**
 * Runs a command to its end and returns its output. Rejects where it cannot be started, exceeds
 * `timeoutMs` (it is killed then), or ends with a code other than 0; the message holds its output.
 */
export async function runCommand(command: readonly string[], bounds: CommandBounds): Promise<Finished> {
  const child = launch(command);
  const closed = new Promise<void>((resolve) => {
    child.on('close', () => resolve());
    child.on('error', () => resolve());
  });
  let late = false;
  const kill = setTimeout(() => {
    late = true;
    if (child.pid !== undefined) killTree(processTree(child.pid));
  }, bounds.timeoutMs);
  const interrupt =
    bounds.interruptMs === undefined ? undefined : setTimeout(() => child.kill('SIGINT'), bounds.interruptMs);
  await closed;
  clearTimeout(kill);
  clearTimeout(interrupt);
  const result = child.output();
  if (late || result.code !== 0) {
    const how = late ? `took longer than ${bounds.timeoutMs} ms` : `ended with ${result.code}`;
    throw new Error(`${command.join(' ')} ${how}: ${result.stdout}${result.stderr}`.trim());
  }
  return result;
}

/** A fresh directory, readable by all (an nginx worker drops its rights), removed at exit. */
export function temporaryDirectory(parent: string = tmpdir()): string {
  hookExit();
  const directory = mkdtempSync(join(parent, 'pen-bench-'));
  directories.add(directory);
  chmodSync(directory, 0o755);
  return directory;
}

/**
 * `count` TCP ports free on 127.0.0.1. They lie below the range the kernel takes for outgoing
 * connections, so that none of those can take one before its listener does.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let attempt = 0; ports.size < count; attempt++) {
    if (attempt > 100 * count) throw new Error('no free TCP ports on 127.0.0.1');
    const port = 10_240 + Math.floor(Math.random() * 20_000);
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)));
  });
}

/** Whether a program is on the PATH. */
export function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0;
}
