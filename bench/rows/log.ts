/** What it costs to log each request: to a file, and as datagrams; beside the same program without a log. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { appendFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { costMetrics, interleave, withCpu, type Bench, type RowDefinition } from '../bench.ts';
import { fetchOnce } from '../client.ts';
import { startContender, type ContenderDefinition, type RunningContender } from '../contenders.ts';
import { offerRequests } from '../load.ts';
import { temporaryDirectory } from '../processes.ts';
import type { Contender, RowResult, Sample } from '../types.ts';

const CONNECTIONS = 64;
const ROOM = 9000;
const NS_PER_US = 1000;
const WAYS = ['none', 'file', 'net'] as const;
type Way = (typeof WAYS)[number];

/** One way to log, and what tells how much it has logged. */
interface Variant {
  readonly way: Way;
  readonly running: RunningContender;
  readonly file: string;
  readonly responseBytes: number;
}

interface Logged extends Contender {
  readonly variants: readonly Variant[];
}

/** HAProxy must speak HTTP to know what a request is, with and without a log; it logs to sockets only. */
function haproxyLogging(definition: ContenderDefinition, port: number | undefined): ContenderDefinition {
  return {
    ...definition,
    command: (setup) => {
      const command = definition.command(setup);
      const log = port === undefined ? '' : `  log 127.0.0.1:${port} local0\n  option httplog\n`;
      appendFileSync(join(setup.directory, 'haproxy.cfg'), `  mode http\n${log}`);
      return command;
    },
  };
}

function logging(definition: ContenderDefinition, way: Way, file: string, port: number): ContenderDefinition {
  if (definition.id === 'haproxy') return haproxyLogging(definition, way === 'net' ? port : undefined);
  if (way === 'none') return definition;
  const target = way === 'file' ? file : `127.0.0.1:${port}`;
  return {
    ...definition,
    command: (setup) => {
      const command = definition.command(setup);
      return [...command.slice(0, -3), '-l', target, ...command.slice(-3)];
    },
  };
}

async function start(bench: Bench, definition: ContenderDefinition, port: number): Promise<Logged> {
  const variants: Variant[] = [];
  for (const way of WAYS) {
    if (definition.id === 'haproxy' && way === 'file') continue;
    const file = join(temporaryDirectory(), 'requests.log');
    writeFileSync(file, '');
    const task = { servers: bench.origin.ports, connections: ROOM, tracking: false };
    const running = await startContender(logging(definition, way, file, port), task, bench.prefix);
    // HAProxy leaves out of an answer what is about the connection to the server.
    const { length: responseBytes } = await fetchOnce(running.port, '/', false);
    variants.push({ way, running, file, responseBytes });
  }
  return { ...definition, port: 0, pid: undefined, variants };
}

async function measureWay(bench: Bench, variant: Variant): Promise<Sample> {
  const { options, prefix } = bench;
  const { way, running, file, responseBytes } = variant;
  const before = statSync(file).size;
  const seconds = options.seconds / 2;
  const load = { port: running.port, connections: CONNECTIONS, seconds, close: false, responseBytes, prefix };
  const run = await withCpu(running, () => offerRequests(load));
  const { requests, errors } = run.result;
  const { cost = 0 } = costMetrics(run.cpu, requests, NS_PER_US);
  const isLogged = way !== 'file' || statSync(file).size > before + requests;
  return { metrics: { [way]: cost }, errors: isLogged ? errors : [...errors, 'nothing was logged'] };
}

/** All ways, in another order each time. */
async function measureOne(bench: Bench, { variants }: Logged, round: number): Promise<Sample> {
  const metrics: Record<string, number> = {};
  const errors: string[] = [];
  for (const variant of round % 2 === 0 ? variants : variants.toReversed()) {
    const sample = await measureWay(bench, variant);
    Object.assign(metrics, sample.metrics);
    errors.push(...sample.errors);
  }
  return { metrics: { ...metrics, ...added(metrics) }, errors };
}

/** What a log adds, in percent of the cost without one. */
function added(costs: Sample['metrics']): Sample['metrics'] {
  const { none = 0 } = costs;
  const entries = WAYS.slice(1).flatMap((way) => {
    const cost = costs[way];
    return cost === undefined || none === 0 ? [] : [[`${way}Added`, (cost / none - 1) * 100] as const];
  });
  return Object.fromEntries(entries);
}

/** Somebody who takes datagrams and does not look at them: what is not taken is dropped by the kernel. */
async function listener(): Promise<{ readonly socket: Socket; readonly port: number }> {
  const socket = createSocket('udp4').unref();
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { socket, port: socket.address().port };
}

/** The row. */
export const logRow: RowDefinition = {
  placements: 'each',
  run: async (bench: Bench): Promise<RowResult> => {
    const { socket, port } = await listener();
    const contenders: Logged[] = [];
    try {
      for (const definition of bench.definitions.filter(({ id }) => id !== 'nginx')) {
        contenders.push(await start(bench, definition, port));
      }
      return {
        row: 'log',
        title: `A log of each request, ${CONNECTIONS} connections`,
        placement: bench.placement,
        primary: null,
        metrics: [
          { key: 'none', label: 'CPU us, no log', digits: 2 },
          { key: 'file', label: 'to a file', digits: 2 },
          { key: 'net', label: 'as datagrams', digits: 2 },
          { key: 'fileAdded', label: '% more, file', digits: 1 },
          { key: 'netAdded', label: '% more, datagrams', digits: 1 },
        ],
        notes: [
          'HAProxy is in HTTP mode, with and without its log, which cannot be a file; nginx stream knows no requests.',
          'The datagrams are taken by a process that is not counted.',
        ],
        samples: await interleave(
          contenders,
          { rounds: bench.options.rounds, measure: (contender, round) => measureOne(bench, contender, round) },
          bench.progress,
        ),
      };
    } finally {
      socket.close();
      for (const { variants } of contenders) {
        await Promise.all(variants.map(({ running }) => running.stop()));
        for (const { file } of variants) rmSync(file, { force: true });
      }
    }
  },
};
