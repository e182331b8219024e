/** One fast stream, alone and beside readers that have stalled. */
import { setTimeout as sleep } from 'node:timers/promises';
import { costMetrics, interleave, withCpu, type Bench, type RowDefinition } from '../bench.ts';
import { Crowd, CROWD_BYTES } from '../crowd.ts';
import { transferBulk, type BulkOutcome } from '../load.ts';
import { cpuBetween, readCpu } from '../measure.ts';
import { GIGABYTE, type Contender, type RowResult, type Sample } from '../types.ts';

const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;
/** All buffers are full by then. */
const FILL_MS = 500;

interface Stream {
  readonly outcome: BulkOutcome;
  readonly rate: number;
  readonly metrics: Record<string, number>;
}

async function stream(bench: Bench, contender: Contender): Promise<Stream> {
  const { options, origin, prefix } = bench;
  const { seconds } = options;
  const load = { port: contender.port, streams: 1, seconds: seconds / 2, bytes: origin.bulkBytes, prefix };
  const { result: outcome, cpu } = await withCpu(contender, () => transferBulk(load));
  const gigabytes = outcome.bytes / GIGABYTE;
  return { outcome, rate: gigabytes / outcome.seconds, metrics: costMetrics(cpu, gigabytes, NS_PER_MS) };
}

/** Share of a core that the contender needs for the crowd alone, %. */
async function restingCore(bench: Bench, { pid }: Contender): Promise<Record<string, number>> {
  if (pid === undefined) return {};
  const startMs = performance.now();
  const before = readCpu(pid);
  await sleep(bench.options.seconds * 500);
  const { nanoseconds } = cpuBetween(before, readCpu(pid));
  return { rest: (100 * nanoseconds * 1000) / NS_PER_S / (performance.now() - startMs) };
}

async function measureOne(bench: Bench, contender: Contender): Promise<Sample> {
  const alone = await stream(bench, contender);
  const crowd = new Crowd();
  try {
    crowd.gather(contender.port, bench.options.crowd);
    await sleep(FILL_MS);
    const rest = await restingCore(bench, contender);
    const beside = await stream(bench, contender);
    const { lost } = crowd;
    return {
      metrics: {
        ...beside.metrics,
        rate: beside.rate,
        ...('cost' in alone.metrics ? { costAlone: alone.metrics['cost'] } : {}),
        rateAlone: alone.rate,
        share: beside.rate / alone.rate,
        ...rest,
      },
      errors: [
        ...alone.outcome.errors,
        ...beside.outcome.errors,
        ...(lost > 0 ? [`${lost} stalled connections were closed`] : []),
      ],
    };
  } finally {
    crowd.disperse();
    // Whoever is next shall not pay for the end of this crowd.
    await sleep(FILL_MS);
  }
}

/** The crowd row; see `Options.crowd` for the number of readers. */
export const crowdRow: RowDefinition = {
  placements: 'each',
  run: async (bench: Bench): Promise<RowResult> => ({
    row: 'crowd',
    title: `One stream beside ${bench.options.crowd} stalled readers`,
    placement: bench.placement,
    primary: 'cost',
    metrics: [
      { key: 'cost', label: 'CPU ms/GB', digits: 0 },
      { key: 'user', label: 'user %', digits: 0 },
      { key: 'rate', label: 'GB/s', digits: 2 },
      { key: 'costAlone', label: 'CPU ms/GB alone', digits: 0 },
      { key: 'rateAlone', label: 'GB/s alone', digits: 2 },
      { key: 'share', label: 'rate beside / alone', digits: 2 },
      { key: 'rest', label: '% of a core for the crowd', digits: 2 },
    ],
    notes: [
      `Each reader asks for ${CROWD_BYTES / 1024} KB over a connection of its own and reads nothing.`,
      '"Alone" is the same stream just before they come.',
    ],
    samples: await interleave(
      bench.fleet,
      { rounds: bench.options.rounds, measure: (contender) => measureOne(bench, contender) },
      bench.progress,
    ),
  }),
};
