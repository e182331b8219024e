/** Bulk: whole large bodies, several streams at a time. */
import { costMetrics, interleave, withCpu, type Bench, type RowDefinition } from '../bench.ts';
import { hashBody } from '../client.ts';
import { transferBulk } from '../load.ts';
import { GIGABYTE, type Contender, type RowResult, type Sample } from '../types.ts';

const NS_PER_MS = 1e6;

/** A row of bulk transfers over `streams` connections. Every contender's bytes are proven first. */
export function bulkRow(row: string, streams: number): RowDefinition {
  return {
    placements: 'each',
    run: async (bench: Bench): Promise<RowResult> => {
      const { options, origin, fleet } = bench;
      const prepare = async (contender: Contender): Promise<string[]> => {
        const { digest, bytes } = await hashBody(contender.port, '/big');
        return digest === origin.bulkDigest ? [] : [`wrong content: ${bytes} bytes, SHA-256 ${digest}`];
      };
      const measure = async (contender: Contender): Promise<Sample> => {
        const run = await withCpu(contender, () =>
          transferBulk({
            port: contender.port,
            streams,
            seconds: options.seconds,
            bytes: origin.bulkBytes,
            prefix: bench.prefix,
          }),
        );
        const gigabytes = run.result.bytes / GIGABYTE;
        return {
          metrics: {
            ...costMetrics(run.cpu, gigabytes, NS_PER_MS),
            rate: gigabytes / run.result.seconds,
          },
          errors: run.result.errors,
        };
      };
      return {
        row,
        title: `Bulk, ${streams} stream${streams === 1 ? '' : 's'} of ${origin.bulkBytes / 2 ** 20} MB`,
        placement: bench.placement,
        primary: 'cost',
        metrics: [
          { key: 'cost', label: 'CPU ms/GB', digits: 0 },
          { key: 'user', label: 'user %', digits: 0 },
          { key: 'rate', label: 'GB/s', digits: 2 },
        ],
        notes: ['1 GB is 2^30 bytes.'],
        samples: await interleave(fleet, { rounds: options.rounds, prepare, measure }, bench.progress),
      };
    },
  };
}
