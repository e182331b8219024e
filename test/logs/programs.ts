/** The log tools and what surrounds them, as processes: started, listened to, ended. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const tool = (name: string): readonly string[] => [
  process.execPath,
  fileURLToPath(new URL(`../../dist/bin/${name}.js`, import.meta.url)),
];

/** Ours, and Debian's, as commands. */
export const OURS = { penlog: tool('penlog'), penlogd: tool('penlogd'), mergelogs: tool('mergelogs') };
export const DEBIANS = {
  penlog: ['/usr/bin/penlog'],
  penlogd: ['/usr/bin/penlogd'],
  mergelogs: ['/usr/bin/mergelogs'],
};

const LIMIT_MS = 15_000;

/** A folder, and processes that end with it. */
export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'pen-logs-'));
  private readonly children: ChildProcess[] = [];

  constructor() {
    // Servers that are nobody look into it.
    chmodSync(this.folder, 0o755);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  start(command: readonly string[], env: Record<string, string> = {}): Program {
    const [name = '', ...args] = command;
    // A group of its own, with what a shell starts.
    const child = spawn(name, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      cwd: this.folder,
      detached: true,
    });
    this.children.push(child);
    return new Program(child);
  }

  /** Ends all, last first. */
  async end(): Promise<void> {
    for (const { pid = 0 } of this.children.splice(0).toReversed()) {
      signalGroup(pid, 'SIGTERM');
      const late = setTimeout(() => signalGroup(pid, 'SIGKILL'), LIMIT_MS / 2);
      await until(
        () => !signalGroup(pid, 0),
        () => `process group ${pid} does not end`,
      );
      clearTimeout(late);
    }
    rmSync(this.folder, { recursive: true });
  }
}

/** @returns false when there is none any more. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}

export class Program {
  readonly child: ChildProcess;
  said = '';
  printed = '';

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding('latin1').on('data', (text: string) => (this.printed += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.said += text));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Ends it, and waits. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.child.kill(signal);
    return this.ended();
  }

  async ended(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'close');
    return this.child.exitCode;
  }
}

/** Runs to the end. */
export function run(command: readonly string[], env: Record<string, string> = {}, input = '') {
  const [name = '', ...args] = command;
  const options = { env: { ...process.env, ...env }, input, encoding: 'latin1', timeout: LIMIT_MS } as const;
  const { status, stdout, stderr } = spawnSync(name, args, options);
  return { status, stdout, stderr };
}

/** Waits until something is so. @errors when it does not become so. */
export async function until(isSo: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A UDP port that nobody has. */
export async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

/** A daemon in the foreground that writes to `log`, ready to take datagrams. */
export async function startPenlogd(
  stage: Stage,
  options: readonly string[] = [],
  command: readonly string[] = OURS.penlogd,
): Promise<{ port: number; daemon: Program }> {
  const port = await freeUdpPort();
  const user = command === OURS.penlogd && process.getuid?.() === 0 && !options.includes('-u') ? ['-u', 'root'] : [];
  const daemon = stage.start([...command, '-f', '-l', stage.path('log'), ...user, ...options, String(port)]);
  const isThere = (): boolean => readdirSync(stage.folder).includes('log') || daemon.child.exitCode !== null;
  await until(isThere, () => `penlogd does not start: ${daemon.said}`);
  // Its handlers of datagrams stand a moment later than the file.
  await new Promise((resolve) => setTimeout(resolve, 50));
  return { port, daemon };
}

/** Sends datagrams from one address, none faster than the system takes it. */
export class Sender {
  private readonly socket: Socket;
  private readonly port: number;

  private constructor(socket: Socket, port: number) {
    this.socket = socket;
    this.port = port;
  }

  static async from(address: string, port: number): Promise<Sender> {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.bind(0, address);
    await once(socket, 'listening');
    return new Sender(socket, port);
  }

  async send(bytes: string | Uint8Array): Promise<void> {
    const host = this.socket.address().family === 'IPv6' ? '::1' : '127.0.0.1';
    await new Promise<void>((resolve, reject) => {
      this.socket.send(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, this.port, host, (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }

  close(): void {
    this.socket.close();
  }
}

/** Renames a log and has it opened again, until it is told to stop. */
export class Rotation {
  private count = 0;
  private readonly stage: Stage;
  private readonly daemon: Program;

  constructor(stage: Stage, daemon: Program) {
    this.stage = stage;
    this.daemon = daemon;
  }

  async rotate(): Promise<void> {
    renameSync(this.stage.path('log'), this.stage.path(`log.${++this.count}`));
    this.daemon.child.kill('SIGHUP');
    await until(
      () => readdirSync(this.stage.folder).includes('log'),
      () => `no new log: ${this.daemon.said}`,
    );
  }

  /** How much has been written. */
  bytes(): number {
    return this.names().reduce((sum, name) => sum + statSync(this.stage.path(name)).size, 0);
  }

  /** All lines in all files, in the order in which they were written. */
  lines(): string[] {
    return this.names().flatMap((name) => {
      const text = readFileSync(this.stage.path(name), 'latin1');
      if (text !== '' && !text.endsWith('\n')) throw new Error(`${name} ends within a line`);
      return text.split('\n').slice(0, -1);
    });
  }
  private names(): string[] {
    return [...Array.from({ length: this.count }, (_, at) => `log.${at + 1}`), 'log'];
  }
}
