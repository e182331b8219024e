/** Starts `planted-process.mjs` and asks it questions. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Endpoint } from '../../src/base/endpoint.ts';
import type { Settings } from '../../src/config/model.ts';
import { ip } from '../support/sockets.ts';

const PROGRAM = fileURLToPath(new URL('./planted-process.mjs', import.meta.url));

export interface PlantedOptions {
  readonly settings: Partial<Settings> & { readonly workers: number };
  /** Ports of the servers on 127.0.0.1, and how many connections each may have; 0 any number. */
  readonly servers: readonly number[];
  readonly serverMax?: number;
  /** One of all workers throws so often on average; 0 only when it is told to. */
  readonly everyMs?: number;
  readonly seed?: number;
}

export interface Figures {
  readonly used: number;
  readonly places: number;
  readonly parked: number;
  readonly inFlight: number;
  readonly pending: number;
}

export interface AllFigures extends Figures {
  readonly sources: number;
  readonly descriptors: number;
  readonly reserved: number;
  readonly lockHolders: readonly number[];
  readonly accepted: number;
  readonly closed: number;
  readonly pausedFull: number;
  /** Workers that take part in accepting. */
  readonly able: number;
}

/** What was said of a worker, and when (ms since 1970). */
export interface Failure {
  readonly worker: number;
  readonly text: string;
  readonly ms: number;
}

export interface Counting {
  readonly readings: number;
  readonly jumps: readonly string[];
  readonly now: Readonly<Record<string, number>>;
}

export class Planted {
  readonly child: ChildProcess;
  endpoint: Endpoint = ip('127.0.0.1', 0);
  /** What it wrote on stderr. */
  said = '';
  private readonly waiting = new Map<number, (answer: unknown) => void>();
  readonly ended: Promise<number | null>;
  private lastId = 0;

  private constructor({ everyMs = 0, seed = 1, serverMax = 0, ...rest }: PlantedOptions) {
    const env = { ...process.env, PLANT: JSON.stringify({ everyMs, seed }) };
    const stdio = ['ignore', 'ignore', 'pipe', 'ipc'] as const;
    this.child = fork(PROGRAM, [JSON.stringify({ ...rest, serverMax })], { env, stdio: [...stdio] });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.said += text));
    this.ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.on('message', ({ id, answer }: { id: number; answer: unknown }) => {
      this.waiting.get(id)?.(answer);
      this.waiting.delete(id);
    });
  }

  static async start(options: PlantedOptions): Promise<Planted> {
    const planted = new Planted(options);
    const address = String(await planted.answer(0));
    planted.endpoint = ip('127.0.0.1', Number(address.slice(address.lastIndexOf(':') + 1)));
    return planted;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async figures(): Promise<AllFigures> {
    return (await this.ask('figures')) as AllFigures;
  }

  /** The highest values there have been. */
  async most(): Promise<Figures> {
    return (await this.ask('most')) as Figures;
  }

  /** What commands tell of counters: what jumped back between two looks, which should be nothing; and what they are now. */
  async counting(): Promise<Counting> {
    return (await this.ask('counting')) as Counting;
  }

  async failures(): Promise<readonly Failure[]> {
    return (await this.ask('failures')) as readonly Failure[];
  }

  /** Connections of each worker, by their slots. */
  async slots(): Promise<readonly (readonly number[])[]> {
    return (await this.ask('slots')) as readonly (readonly number[])[];
  }

  /** Makes a worker throw in one of its next turns, perhaps while it holds a lock. */
  async fail(worker: number, how: 'freely' | 'with a lock' = 'freely'): Promise<void> {
    await this.ask(how === 'freely' ? 'fail' : 'failLocked', worker);
  }

  /** Makes a worker stay in one of its next turns for ever. */
  async hang(worker: number): Promise<void> {
    await this.ask('hang', worker);
  }

  /** @returns the exit status. */
  async stop(): Promise<number | null> {
    const late = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    if (this.isAlive) this.child.send({ id: -1, question: 'stop' });
    const code = await this.ended;
    clearTimeout(late);
    return code;
  }

  private async ask(question: string, word?: number): Promise<unknown> {
    if (!this.isAlive) throw new Error(`it has ended: ${this.said}`);
    const id = ++this.lastId;
    const answer = this.answer(id);
    this.child.send({ id, question, word });
    return answer;
  }

  private async answer(id: number): Promise<unknown> {
    const answer = new Promise((resolve) => this.waiting.set(id, resolve));
    const end = this.ended.then(() => Promise.reject(new Error(`it ended: ${this.said}`)));
    // Nobody minds that it ends after its answer.
    end.catch(() => undefined);
    return Promise.race([answer, end]);
  }
}
