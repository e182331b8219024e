/** What many farms in one process add to a connection, and to the start. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { costMetrics, interleave, withCpu, type Bench, type RowDefinition } from '../bench.ts';
import { startContender, type ContenderDefinition, type RunningContender } from '../contenders.ts';
import { offerRequests } from '../load.ts';
import { freePorts, temporaryDirectory } from '../processes.ts';
import type { Contender, RowResult, Sample } from '../types.ts';

const FARMS = 50;
const SERVERS = 20;
const CONNECTIONS = 64;
const ROOM = 9000;
const NS_PER_US = 1000;

/** One farm alone, that one beside the others, and one of the others. */
const VARIANTS = ['alone', 'beside', 'among'] as const;

interface Variant {
  readonly name: (typeof VARIANTS)[number];
  readonly running: RunningContender;
  readonly port: number;
}

interface Farms extends Contender {
  readonly startMs: number;
  readonly variants: readonly Variant[];
}

/** The same program with farms of a file, at these ports, and servers in turn at those. */
function withFarms(
  definition: ContenderDefinition,
  ports: readonly number[],
  servers: readonly number[],
): ContenderDefinition {
  const file = join(temporaryDirectory(), 'farms');
  const lines = ports.flatMap((port, farm) => [
    `farm f${farm}`,
    `listen 127.0.0.1:${port}`,
    'roundrobin',
    ...Array.from(
      { length: SERVERS },
      (_, n) => `server ${n} address 127.0.0.1 port ${servers[n % servers.length] ?? 0}`,
    ),
  ]);
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  return {
    ...definition,
    command: (setup) => {
      const [node = '', program = '', ...rest] = definition.command(setup);
      return [node, program, '-F', file, ...rest];
    },
  };
}

async function start(bench: Bench, definition: ContenderDefinition): Promise<Farms> {
  const task = { servers: bench.origin.ports, connections: ROOM, tracking: bench.options.tracking };
  const ports = await freePorts(FARMS);
  const alone = await startContender(definition, task, bench.prefix);
  const many = await startContender(withFarms(definition, ports, bench.origin.ports), task, bench.prefix);
  const variants: readonly Variant[] = [
    { name: 'alone', running: alone, port: alone.port },
    { name: 'beside', running: many, port: many.port },
    { name: 'among', running: many, port: ports[Math.floor(FARMS / 2)] ?? 0 },
  ];
  return { ...definition, port: 0, pid: undefined, startMs: many.startMs, variants };
}

/** Microseconds of processor time per connection, of each variant in turn. */
async function measureOne(bench: Bench, { variants, startMs }: Farms, round: number): Promise<Sample> {
  const { origin, options, prefix } = bench;
  const metrics: Record<string, number> = { start: startMs };
  const errors: string[] = [];
  for (const { name, running, port } of round % 2 === 0 ? variants : variants.toReversed()) {
    const load = { connections: CONNECTIONS, seconds: options.seconds, close: true, responseBytes: origin.closeBytes };
    const run = await withCpu(running, () => offerRequests({ ...load, port, prefix }));
    metrics[name] = costMetrics(run.cpu, run.result.requests, NS_PER_US)['cost'] ?? 0;
    errors.push(...run.result.errors);
  }
  return { metrics, errors };
}

/** The row: each connection has one request, as in close64. */
export const farmsRow: RowDefinition = {
  placements: 'once',
  run: async (bench: Bench): Promise<RowResult> => {
    const contenders: Farms[] = [];
    try {
      for (const definition of bench.definitions.filter(({ kind }) => kind === 'ours')) {
        contenders.push(await start(bench, definition));
      }
      const measure = (contender: Farms, round: number): Promise<Sample> => measureOne(bench, contender, round);
      return {
        row: 'farms',
        title: `A connection per request, ${CONNECTIONS} at a time, beside ${FARMS} farms with ${FARMS * SERVERS} servers`,
        placement: bench.placement,
        primary: null,
        metrics: [
          { key: 'alone', label: 'CPU us/connection, one farm', digits: 1 },
          { key: 'beside', label: 'the same beside the others', digits: 1 },
          { key: 'among', label: 'one of the others', digits: 1 },
          { key: 'start', label: 'ms to start with all', digits: 0 },
        ],
        notes: [`The one farm has two servers, each of the ${FARMS} others ${SERVERS}; all of them in turn.`],
        samples: await interleave(contenders, { rounds: bench.options.rounds, measure }, bench.progress),
      };
    } finally {
      const running = contenders.flatMap(({ variants }) => variants.map((variant) => variant.running));
      await Promise.all([...new Set(running)].map((contender) => contender.stop()));
    }
  },
};
