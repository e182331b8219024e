/**
 * An open-loop load generator, run as a process of its own: requests fall due by a Poisson process
 * that does not care whether earlier ones were answered, and latency counts from the moment a
 * request was due. A request that finds every connection busy waits in line and the wait counts, so
 * a stalled balancer cannot hide its stall (no coordinated omission).
 *
 * Takes one JSON argument (`GeneratorTask`), prints one JSON line (`GeneratorReport`).
 * It polls instead of sleeping while a request is due soon, because timers have 1 ms grain: it
 * needs a CPU to itself to be punctual, and reports how late it was.
 */
import { connect, type Socket } from 'node:net';
import { quantile } from './statistics.ts';

/** What to offer. `responseBytes` is the size of one whole correct response. */
export interface GeneratorTask {
  readonly port: number;
  readonly ratePerSecond: number;
  readonly warmSeconds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly responseBytes: number;
  readonly seed: number;
}

/** What happened to the requests that fell due in the measured time. Times in microseconds. */
export interface GeneratorReport {
  readonly due: number;
  readonly answered: number;
  /** Requests that found every connection busy. */
  readonly queued: number;
  readonly percentiles: Readonly<Record<'p50' | 'p90' | 'p99' | 'p999', number>>;
  /** 99% of the requests were noticed to be due less late than this. */
  readonly lateP99: number;
  readonly errors: readonly string[];
}

interface Line {
  readonly socket: Socket;
  /** When its request was due; negative while free. */
  dueMs: number;
  received: number;
}

const DRAIN_MS = 3000;
const BUFFER_BYTES = 16_384;
const OK = Buffer.from('HTTP/1.1 200');

class Generator {
  readonly #task: GeneratorTask;
  readonly #request: Buffer;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  readonly #free: Line[] = [];
  readonly #waiting: number[] = [];
  #waitingHead = 0;
  #outstanding = 0;
  #queued = 0;
  readonly #latencies: number[] = [];
  readonly #lateness: number[] = [];
  readonly #errors = new Map<string, number>();
  #measureFrom = 0;

  constructor(task: GeneratorTask) {
    this.#task = task;
    this.#request = Buffer.from(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${task.port}\r\n\r\n`);
  }

  #fail(message: string): void {
    this.#errors.set(message, (this.#errors.get(message) ?? 0) + 1);
  }

  async connect(): Promise<void> {
    const lines = Array.from({ length: this.#task.connections }, async () => {
      const line: Line = { socket: this.#open(() => line), dueMs: -1, received: 0 };
      await new Promise((resolve, reject) => {
        line.socket.once('connect', resolve);
        line.socket.once('error', reject);
      });
      this.#free.push(line);
    });
    await Promise.all(lines);
  }

  #open(line: () => Line): Socket {
    // One buffer for all: nothing is allocated per response, so there is little to collect.
    const callback = (bytes: number): boolean => {
      this.#receive(line(), bytes);
      return true;
    };
    const onread = { buffer: this.#buffer, callback };
    const socket = connect({ host: '127.0.0.1', port: this.#task.port, noDelay: true, onread });
    socket.on('error', (error) => this.#fail(error.message));
    socket.on('close', () => this.#fail('connection closed'));
    return socket;
  }

  #receive(line: Line, bytes: number): void {
    if (line.received === 0 && bytes >= OK.length) {
      if (OK.compare(this.#buffer, 0, OK.length) !== 0) this.#fail('status other than 200');
    }
    line.received += bytes;
    if (line.received < this.#task.responseBytes) return;
    if (line.dueMs < 0 || line.received > this.#task.responseBytes) this.#fail('surplus bytes');
    if (line.dueMs >= this.#measureFrom) this.#latencies.push(performance.now() - line.dueMs);
    this.#outstanding--;
    const next = this.#waiting[this.#waitingHead];
    if (next === undefined) {
      line.dueMs = -1;
      line.received = 0;
      this.#free.push(line);
      return;
    }
    this.#waitingHead++;
    this.#send(line, next);
  }

  #send(line: Line, dueMs: number): void {
    line.dueMs = dueMs;
    line.received = 0;
    line.socket.write(this.#request);
  }

  #offer(dueMs: number, nowMs: number): void {
    this.#outstanding++;
    const line = this.#free.shift();
    const measured = dueMs >= this.#measureFrom;
    if (measured) this.#lateness.push(nowMs - dueMs);
    if (line === undefined) {
      this.#waiting.push(dueMs);
      if (measured) this.#queued++;
      return;
    }
    this.#send(line, dueMs);
  }

  /** Offers the whole schedule and waits for the answers. */
  run(): Promise<GeneratorReport> {
    const { ratePerSecond, warmSeconds, seconds, seed } = this.#task;
    const startMs = performance.now() + 1;
    this.#measureFrom = startMs + warmSeconds * 1000;
    const endMs = this.#measureFrom + seconds * 1000;
    const random = seededRandom(seed);
    const gapMs = (): number => (-Math.log(1 - random()) * 1000) / ratePerSecond;
    let dueMs = startMs + gapMs();
    let due = 0;
    return new Promise((resolve) => {
      const turn = (): void => {
        const nowMs = performance.now();
        for (; dueMs <= nowMs && dueMs < endMs; dueMs += gapMs()) {
          if (dueMs >= this.#measureFrom) due++;
          this.#offer(dueMs, nowMs);
        }
        const finished = dueMs >= endMs && this.#outstanding === 0;
        const failed = this.#errors.size > 0 || nowMs > endMs + DRAIN_MS;
        if (finished || failed) resolve(this.#report(due));
        else if (dueMs - nowMs > 3 || dueMs >= endMs) setTimeout(turn, 1);
        else setImmediate(turn);
      };
      turn();
    });
  }

  #report(due: number): GeneratorReport {
    const errors = [...this.#errors].map(([message, count]) => `${count} x ${message}`);
    const answered = this.#latencies.length;
    if (answered !== due) errors.push(`${answered} of ${due} requests were answered`);
    const at = (values: readonly number[], q: number): number => (values.length === 0 ? 0 : 1000 * quantile(values, q));
    return {
      due,
      answered,
      queued: this.#queued,
      percentiles: {
        p50: at(this.#latencies, 0.5),
        p90: at(this.#latencies, 0.9),
        p99: at(this.#latencies, 0.99),
        p999: at(this.#latencies, 0.999),
      },
      lateP99: at(this.#lateness, 0.99),
      errors,
    };
  }
}

/** Uniform numbers in [0, 1), the same for the same seed (xorshift32). */
function seededRandom(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

const generator = new Generator(JSON.parse(process.argv[2] ?? '') as GeneratorTask);
await generator.connect();
process.stdout.write(`${JSON.stringify(await generator.run())}\n`, () => process.exit(0));
