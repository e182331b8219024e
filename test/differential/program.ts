/** The two programs that the scripts compare: how they are started, what they say, and how they end. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PEN } from '../support/pen.ts';
import { ip, sockets } from '../support/sockets.ts';
import type { Stage } from './stage.ts';

const PENCTL = fileURLToPath(new URL('../../dist/bin/penctl.js', import.meta.url));
/** Long, because a start that must succeed is a matter of the machine's load; no script waits for it in vain. */
const START_LIMIT_MS = 20_000;
/** A start that fails late does so within this time of listening. */
const LATE_MS = 150;
const LOOK_MS = 5;
/** Who starts where somebody listens already, and lives so long, serves beside it. */
const SECOND_MS = 4000;
const PENCTL_LIMIT_MS = 15_000;
const isRoot = process.getuid?.() === 0;

/** Options that let both run as whoever runs the tests: root has to say that a control listener is meant. */
const ALWAYS: readonly string[] = isRoot ? ['-f', '-u', 'root'] : ['-f'];

type Maker = 'original' | 'ours';

/** A pen and a penctl. */
export interface Program {
  /** Whose pen, and so whose results are wanted, except for those of penctl. */
  readonly name: Maker;
  readonly penctlName: Maker;
  readonly pen: readonly string[];
  readonly penctl: readonly string[];
  /** Options that every start of it has. */
  readonly always: readonly string[];
  /** It tells on stderr when it serves, if it stays in front. */
  readonly saysReady: boolean;
  /** Lines on stderr that every start of it has. */
  readonly usual: RegExp;
}

export const ORIGINAL: Program = {
  name: 'original',
  penctlName: 'original',
  pen: ['/usr/bin/pen'],
  penctl: ['/usr/bin/penctl'],
  always: ALWAYS,
  saysReady: false,
  usual: /^Error Opening file \/usr\/share\/GeoIP|: (Before|After): conns = |: do_cmd: server \d+ address /,
};

export const OURS: Program = {
  name: 'ours',
  penctlName: 'ours',
  pen: [process.execPath, PEN],
  penctl: [process.execPath, PENCTL],
  always: ALWAYS,
  saysReady: true,
  usual: /: (listening on |using Node's own loop: |running as root: )/,
};

/** One's pen with the other's penctl. */
export function crossed(pen: Program, { penctl, penctlName }: Program): Program {
  return { ...pen, penctl, penctlName };
}

/** A started program. */
export class Running {
  readonly child: ChildProcess;
  stdout = '';
  private readonly program: Program;
  private readonly stage: Stage;
  private readonly args: readonly string[];
  private stderr = '';
  private readonly closed: Promise<void>;
  private readonly startMs = performance.now();
  /** Somebody listened there before. */
  private readonly isSecond: boolean;

  constructor(program: Program, stage: Stage, args: readonly string[]) {
    this.program = program;
    this.stage = stage;
    this.args = args;
    this.isSecond = isTaken(stage.host, stage.listenPort);
    const [command = '', ...words] = program.pen;
    this.child = spawn(command, [...words, ...args], { stdio: ['ignore', 'pipe', 'pipe'], cwd: stage.folder });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.closed = new Promise((resolve) => this.child.once('close', () => resolve()));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** What the person sees who started it: whether it serves or how it ended, usage, complaints. */
  async outcome(): Promise<string> {
    const isBackground = !this.args.includes('-f');
    const isSettled = (): boolean => this.hasEnded || (!isBackground && this.listens());
    await until(isSettled, START_LIMIT_MS);
    await until(() => this.hasEnded, LATE_MS);
    const parts = this.hasEnded ? [this.end()] : [];
    // In the background the one that was started has ended, and another one serves.
    if (isBackground && this.child.exitCode === 0) await until(() => this.listens(), LATE_MS);
    if (this.listens()) parts.push('serves');
    // Its last words may come late; in the background somebody else may hold their pipe.
    else if (this.hasEnded) await (isBackground ? Promise.race([this.closed, pause(LATE_MS)]) : this.closed);
    else parts.push('runs');
    return [...parts, ...this.printed()].join(', ');
  }

  /** `alive`, or how it ended; waits for a death, and longer for one that must come. */
  async fate(mustEnd: boolean): Promise<string> {
    await until(() => this.hasEnded, mustEnd ? START_LIMIT_MS : LATE_MS * 2);
    return this.hasEnded ? this.end() : 'alive';
  }

  /** For messages about what went wrong. */
  get said(): string {
    return `${this.stdout}${this.stderr}`;
  }

  async kill(): Promise<void> {
    if (!this.hasEnded) {
      const gone = new Promise<void>((resolve) => this.child.once('exit', () => resolve()));
      this.child.kill('SIGKILL');
      await gone;
    }
    for (const pid of processesWith(this.stage.listen)) process.kill(pid, 'SIGKILL');
  }

  private end(): string {
    return this.child.signalCode ?? `exit ${this.child.exitCode}`;
  }

  /** Whether what the arguments ask for is open: the listener, or its socket's path. */
  private listens(): boolean {
    const { stage, args } = this;
    const path = args.find((arg) => arg.startsWith(stage.folder) && arg.endsWith('.sock') && !isControl(args, arg));
    if (path !== undefined) return statSync(path, { throwIfNoEntry: false })?.isSocket() === true;
    const isInFront = args.includes('-f');
    // Ours says when all of it stands, and where when it chose the port by itself.
    const says = this.program.saysReady && isInFront;
    const isOpen = says ? this.stderr.includes(': listening on ') : isTaken(stage.host, stage.listenPort);
    if (this.isSecond && performance.now() < this.startMs + SECOND_MS) return false;
    return isOpen && (!args.includes(stage.control) || this.isControlRefused || isTaken(stage.host, stage.controlPort));
  }

  private get isControlRefused(): boolean {
    return this.stderr.includes("Won't open control port");
  }

  private printed(): string[] {
    const { program } = this;
    const complaints = this.stderr.split('\n').filter((line) => line !== '' && !program.usual.test(line));
    const parts: string[] = [];
    if (this.stdout.startsWith('usage:')) parts.push('usage');
    if (this.stderr.includes('not in this version yet')) parts.push('not yet');
    else if (complaints.length > 0) parts.push('complains');
    return parts;
  }
}

/** Runs its penctl: exit code and what it printed, an error message as `complains`. */
export async function runPenctl(program: Program, args: readonly string[], stage: Stage): Promise<string> {
  const [command = '', ...before] = program.penctl;
  const child = spawn(command, [...before, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: PENCTL_LIMIT_MS });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const code = await new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  const parts = [`exit ${code}`];
  if (stdout.startsWith('usage:')) parts.push('usage');
  else if (stdout !== '') parts.push(`prints ${JSON.stringify(stage.unfill(stdout))}`);
  if (stderr !== '') parts.push('complains');
  return parts.join(', ');
}

function isTaken(host: string, port: number): boolean {
  return sockets().isTaken(ip(host, port));
}

function isControl(args: readonly string[], arg: string): boolean {
  return args[args.indexOf(arg) - 1] === '-C';
}

/** Processes that have this on their command line: only those of one stage have its address. */
function processesWith(text: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'latin1').split('\0').includes(text) ? [pid] : [];
    } catch {
      return [];
    }
  });
}

async function until(isDone: () => boolean, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!isDone() && performance.now() < deadline) await pause(LOOK_MS);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
