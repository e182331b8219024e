/** Traffic while the status page is written to a file and asked for, ten times a second, and while nobody asks. */
import { connect } from 'node:net';
import { join } from 'node:path';
import { costMetrics, interleave, withCpu, type Bench, type RowDefinition } from '../bench.ts';
import { startContender, type ContenderDefinition, type RunningContender } from '../contenders.ts';
import { offerRequests } from '../load.ts';
import { temporaryDirectory } from '../processes.ts';
import { median } from '../statistics.ts';
import type { Contender, RowResult, Sample } from '../types.ts';

const CONNECTIONS = 64;
const ROOM = 9000;
const POLL_MS = 100;
const NS_PER_US = 1000;

interface Polled extends Contender {
  readonly running: RunningContender;
  /** Its control socket. */
  readonly control: string;
}

/** The same program with a status page and a control socket. */
function withPage(definition: ContenderDefinition, control: string, page: string): ContenderDefinition {
  const user = process.getuid?.() === 0 ? ['-u', 'root'] : [];
  return {
    ...definition,
    command: (setup) => {
      const [node = '', program = '', ...rest] = definition.command(setup);
      return [node, program, '-w', page, '-C', control, ...user, ...rest];
    },
  };
}

async function start(bench: Bench, definition: ContenderDefinition): Promise<Polled> {
  const directory = temporaryDirectory();
  const control = join(directory, 'control');
  // With tracking, so that there are clients to tell about.
  const task = { servers: bench.origin.ports, connections: ROOM, tracking: true };
  const running = await startContender(withPage(definition, control, join(directory, 'page')), task, bench.prefix);
  return { ...definition, port: running.port, pid: running.pid, running, control };
}

/** Connects once from each of `count` addresses. */
async function bringClients(port: number, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await new Promise<void>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, localAddress: `127.77.${i >> 8}.${i & 255}` });
      socket
        .once('error', reject)
        .once('connect', () => socket.resetAndDestroy())
        .once('close', () => resolve());
    });
  }
}

/** Asks for the page, which is written to its file too. @returns its length. */
async function askForPage(control: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let length = 0;
    const socket = connect(control);
    socket.on('data', (part) => (length += part.length));
    socket.once('error', reject).once('end', () => resolve(length));
    socket.write('status\n');
  });
}

/** Asks again and again until it is stopped. */
class Poller {
  readonly lengths: number[] = [];
  readonly times: number[] = [];
  private isStopped = false;
  private readonly ended: Promise<void>;

  constructor(control: string) {
    this.ended = this.run(control);
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.ended;
  }

  private async run(control: string): Promise<void> {
    while (!this.isStopped) {
      const started = performance.now();
      this.lengths.push(await askForPage(control));
      const took = performance.now() - started;
      this.times.push(took);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, POLL_MS - took)));
    }
  }
}

interface Load {
  readonly name: 'ka' | 'close';
  readonly isPolled: boolean;
}

async function measureLoad(bench: Bench, contender: Polled, load: Load): Promise<Sample> {
  const { origin, options, prefix } = bench;
  const close = load.name === 'close';
  const responseBytes = close ? origin.closeBytes : origin.keepAliveBytes;
  const poller = load.isPolled ? new Poller(contender.control) : undefined;
  const run = await withCpu(contender, async () => {
    const { port } = contender;
    const seconds = options.seconds / 2;
    const outcome = await offerRequests({ port, connections: CONNECTIONS, seconds, close, responseBytes, prefix });
    await poller?.stop();
    return outcome;
  });
  const { requests, seconds, percentiles, errors } = run.result;
  const suffix = load.isPolled ? 'Polled' : '';
  const { cost = 0 } = costMetrics(run.cpu, requests, NS_PER_US);
  const metrics = { cost, rate: requests / seconds, p99: percentiles['p99'] ?? 0 };
  const named = Object.entries(metrics).map(([key, value]) => [`${load.name}${key}${suffix}`, value] as const);
  const page = poller ? { pageKb: median(poller.lengths) / 1024, pageMs: median(poller.times) } : {};
  return { metrics: { ...Object.fromEntries(named), ...page }, errors };
}

/** All four kinds of load, in another order each time. */
async function measureOne(bench: Bench, contender: Polled, round: number): Promise<Sample> {
  const loads: Load[] = [];
  for (const name of ['ka', 'close'] as const) for (const isPolled of [false, true]) loads.push({ name, isPolled });
  let all: Sample = { metrics: {}, errors: [] };
  for (const load of round % 2 === 0 ? loads : loads.toReversed()) {
    const { metrics, errors } = await measureLoad(bench, contender, load);
    all = { metrics: { ...all.metrics, ...metrics }, errors: [...all.errors, ...errors] };
  }
  return all;
}

const LABELS = { ka: 'keep-alive', close: 'a connection each' } as const;

function metricsOf(name: keyof typeof LABELS): RowResult['metrics'] {
  return ['', 'Polled'].flatMap((suffix) => {
    const how = `${LABELS[name]}${suffix === '' ? '' : ', polled'}`;
    return [
      { key: `${name}cost${suffix}`, label: `CPU us, ${how}`, digits: 1 },
      { key: `${name}rate${suffix}`, label: `/s, ${how}`, digits: 0 },
      { key: `${name}p99${suffix}`, label: `p99 us, ${how}`, digits: 0 },
    ];
  });
}

/** The row. */
export const statisticsRow: RowDefinition = {
  placements: 'each',
  run: async (bench: Bench): Promise<RowResult> => {
    const { rounds, smoke } = bench.options;
    const clients = smoke ? 100 : 2000;
    const contenders: Polled[] = [];
    try {
      for (const definition of bench.definitions.filter(({ kind }) => kind === 'ours')) {
        const contender = await start(bench, definition);
        contenders.push(contender);
        await bringClients(contender.port, clients);
      }
      const measure = (contender: Polled, round: number): Promise<Sample> => measureOne(bench, contender, round);
      return {
        row: 'statistics',
        title: `Statistics of ${clients} clients ten times a second, ${CONNECTIONS} connections`,
        placement: bench.placement,
        primary: null,
        metrics: [
          ...metricsOf('ka'),
          ...metricsOf('close'),
          { key: 'pageKb', label: 'KB of a page', digits: 0 },
          { key: 'pageMs', label: 'ms to the end of a page', digits: 1 },
        ],
        notes: [
          'Polled: the page is asked for by the control socket and written to the file of -w, ten times a second.',
          'The cost of the pages is part of the CPU per request or connection. Clients are tracked, so all load is on one server.',
        ],
        samples: await interleave(contenders, { rounds, measure }, bench.progress),
      };
    } finally {
      await Promise.all(contenders.map(({ running }) => running.stop()));
    }
  },
};
