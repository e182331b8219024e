/** Latency at a rate every contender can hold: half of what pen does at most. */
import { interleave, type Bench, type RowDefinition } from '../bench.ts';
import { offerOpenLoop } from '../latency.ts';
import { offerRequests } from '../load.ts';
import { median } from '../statistics.ts';
import type { Contender, RowResult, Sample } from '../types.ts';

const CONNECTIONS = 64;
const PROBES = 3;
const SHARE_OF_MOST = 0.5;
/** The generator compiles and its connections settle before latency counts. */
const WARM_SECONDS_MAX = 1;

/** Most requests per second of the reference contender: the median of three closed-loop runs. */
async function saturatedRate(bench: Bench, reference: Contender): Promise<number> {
  const { options, origin, apartPrefix } = bench;
  const rates: number[] = [];
  for (let probe = 0; probe < (options.smoke ? 1 : PROBES); probe++) {
    const outcome = await offerRequests({
      port: reference.port,
      connections: CONNECTIONS,
      seconds: options.seconds,
      close: false,
      responseBytes: origin.keepAliveBytes,
      prefix: apartPrefix,
    });
    if (outcome.errors.length > 0) throw new Error(outcome.errors.join('; '));
    rates.push(outcome.requests / outcome.seconds);
  }
  return median(rates);
}

/**
 * The latency row. The rate comes from pen, or from the first contender where pen is left out. In
 * PIN only: a generator that polls must not share its CPU, or it measures the scheduler.
 */
export const latencyRow: RowDefinition = {
  placements: 'pin',
  run: async (bench: Bench): Promise<RowResult> => {
    const { options, origin, fleet } = bench;
    const reference = fleet.find(({ id }) => id === 'pen') ?? fleet[0];
    if (reference === undefined) throw new Error('nothing to measure');
    const most = options.rate === undefined ? await saturatedRate(bench, reference) : undefined;
    const rate = Math.round(options.rate ?? SHARE_OF_MOST * (most ?? 0));
    bench.progress(`  ${rate} requests/s are offered`);
    const measure = async (contender: Contender, round: number): Promise<Sample> => {
      const report = await offerOpenLoop(
        {
          port: contender.port,
          ratePerSecond: rate,
          warmSeconds: Math.min(WARM_SECONDS_MAX, options.seconds),
          seconds: options.seconds,
          connections: CONNECTIONS,
          responseBytes: origin.keepAliveBytes,
          seed: round + 1,
        },
        bench.apartPrefix,
      );
      const { percentiles, lateP99, queued, due, errors } = report;
      return {
        metrics: { ...percentiles, late: lateP99, queued: (100 * queued) / Math.max(1, due) },
        errors,
      };
    };
    return {
      row: 'latency',
      title: `Latency at ${rate} requests/s, open loop, ${CONNECTIONS} connections`,
      placement: bench.placement,
      primary: 'p99',
      metrics: [
        { key: 'p50', label: 'p50 us', digits: 0 },
        { key: 'p90', label: 'p90 us', digits: 0 },
        { key: 'p99', label: 'p99 us', digits: 0 },
        { key: 'p999', label: 'p99.9 us', digits: 0 },
        { key: 'late', label: 'generator late, p99 us', digits: 0 },
        { key: 'queued', label: 'found no free connection %', digits: 2 },
      ],
      notes: [
        most === undefined
          ? 'The rate was given on the command line.'
          : `Half of the ${Math.round(most)} requests/s of ${reference.label} under closed-loop load.`,
        'Balancer and origin share a CPU; the generator, which polls, has another one.',
      ],
      samples: await interleave(fleet, { rounds: options.rounds, measure }, bench.progress),
    };
  },
};
