/** Small requests: keep-alive at several widths, and a connection per request. */
import { costMetrics, interleave, withCpu, type Bench, type RowDefinition } from '../bench.ts';
import { offerRequests, type RequestOutcome } from '../load.ts';
import type { Contender, RowResult, Sample } from '../types.ts';

const NS_PER_US = 1000;

/** A row of requests over `connections` connections, one request per connection if `close`. */
export function requestRow(row: string, connections: number, close: boolean): RowDefinition {
  const unit = close ? 'connection' : 'request';
  return {
    placements: 'each',
    run: async (bench: Bench): Promise<RowResult> => {
      const { options, origin, fleet } = bench;
      const offer = (contender: Contender, seconds: number): Promise<RequestOutcome> =>
        offerRequests({
          port: contender.port,
          connections,
          seconds,
          close,
          responseBytes: close ? origin.closeBytes : origin.keepAliveBytes,
          prefix: bench.prefix,
        });
      const prepare = async (contender: Contender): Promise<readonly string[]> =>
        options.warmSeconds > 0 ? (await offer(contender, options.warmSeconds)).errors : [];
      const measure = async (contender: Contender): Promise<Sample> => {
        const run = await withCpu(contender, () => offer(contender, options.seconds));
        const { requests, seconds, percentiles, errors } = run.result;
        const cost = costMetrics(run.cpu, requests, NS_PER_US);
        return { metrics: { ...cost, rate: requests / seconds, ...percentiles }, errors };
      };
      return {
        row,
        title: close
          ? `A connection per request, ${connections} at a time`
          : `Keep-alive, ${connections} connection${connections === 1 ? '' : 's'}`,
        placement: bench.placement,
        primary: 'cost',
        metrics: [
          { key: 'cost', label: `CPU us/${unit}`, digits: 1 },
          { key: 'user', label: 'user %', digits: 0 },
          { key: 'rate', label: `${unit}s/s`, digits: 0 },
          { key: 'p50', label: 'p50 us', digits: 0 },
          { key: 'p90', label: 'p90 us', digits: 0 },
          { key: 'p99', label: 'p99 us', digits: 0 },
          { key: 'p999', label: 'p99.9 us', digits: 0 },
        ],
        notes: [],
        samples: await interleave(fleet, { rounds: options.rounds, prepare, measure }, bench.progress),
      };
    },
  };
}
