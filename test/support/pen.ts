/** Pen as a child process: started with options and a loop, listened to, stopped. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Endpoint } from '../../src/base/endpoint.ts';
import { parseListen } from '../../src/config/address.ts';
import { ip, unix } from './sockets.ts';

export const PEN = fileURLToPath(new URL('../../dist/bin/pen.js', import.meta.url));

export type LoopName = 'uring' | 'epoll' | 'node';

export interface PenOptions {
  /** **Default** the program of this checkout. */
  readonly script?: string;
  readonly loop?: LoopName;
  /** Options before the listen address. */
  readonly options?: readonly string[];
  /** **Default** 127.0.0.1:0. Empty: a file says it. */
  readonly listen?: string;
  readonly servers: readonly string[];
  /** The limit of descriptors it starts with. */
  readonly descriptors?: number;
  /** What to put in front of the command, as `ip netns exec NAME`. */
  readonly prefix?: readonly string[];
}

const START_LIMIT_MS = 10_000;
const STOP_LIMIT_MS = 10_000;

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Time from the request to the end. */
  readonly ms: number;
}

export class Pen {
  readonly child: ChildProcess;
  /** Whole lines on stderr so far. */
  readonly lines: string[] = [];
  endpoint: Endpoint = ip('127.0.0.1', 0);
  loop = '';
  readonly ended: Promise<Exit>;
  private rest = '';

  private constructor(options: PenOptions) {
    const [command = '', ...args] = commandLine(options);
    this.child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => this.take(text));
    const startMs = performance.now();
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code, signal) => resolve({ code, signal, ms: performance.now() - startMs }));
    });
  }

  /** Starts it and waits until it serves. @errors what it said instead. */
  static async start(options: PenOptions): Promise<Pen> {
    const pen = new Pen(options);
    const late = setTimeout(() => pen.child.kill('SIGKILL'), START_LIMIT_MS);
    const line = await pen.line(/listening on /);
    clearTimeout(late);
    const [, address = '', loop = ''] = /listening on ([^\s,]+).*, loop (\w+)/.exec(line) ?? [];
    pen.endpoint = endpointOf(address);
    pen.loop = loop;
    return pen;
  }

  /** Starts it and waits until it ends: for starts that must fail, or are told to stop (TERM) right away. */
  static async run(
    options: PenOptions & { readonly signalAfterMs?: number },
  ): Promise<{ exit: Exit; lines: readonly string[] }> {
    const pen = new Pen(options);
    if (options.signalAfterMs !== undefined) setTimeout(() => pen.child.kill('SIGTERM'), options.signalAfterMs);
    const late = setTimeout(() => pen.child.kill('SIGKILL'), START_LIMIT_MS * 2);
    const exit = await pen.ended;
    clearTimeout(late);
    return { exit, lines: pen.lines };
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get port(): number {
    return 'port' in this.endpoint ? this.endpoint.port : 0;
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Waits for a line on stderr. */
  async line(wanted: RegExp): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => wanted.test(line));
      if (found !== undefined) return found;
      if (!this.isAlive) throw new Error(`pen ended before it said ${wanted}: ${this.lines.join('\n')}${this.rest}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Asks it to stop and waits. What does not stop is killed, and its exit shows that. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    const startMs = performance.now();
    this.child.kill(signal);
    const late = setTimeout(() => this.child.kill('SIGKILL'), STOP_LIMIT_MS);
    const exit = await this.ended;
    clearTimeout(late);
    return { ...exit, ms: performance.now() - startMs };
  }

  private take(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    this.lines.push(...lines);
  }
}

function commandLine(options: PenOptions): string[] {
  const loop = options.loop === undefined ? [] : ['-O', options.loop];
  const { listen = '127.0.0.1:0' } = options;
  const places = listen === '' ? [] : [listen, ...options.servers];
  const args = ['-f', ...loop, ...(options.options ?? []), ...places];
  const command = [...(options.prefix ?? []), process.execPath, options.script ?? PEN, ...args];
  if (options.descriptors === undefined) return command;
  return ['sh', '-c', `ulimit -n ${options.descriptors} && exec "$@"`, 'sh', ...command];
}

function endpointOf(address: string): Endpoint {
  const written = parseListen(address, 'the line of the program');
  return 'path' in written ? unix(written.path) : ip(written.host, Number(written.port));
}
