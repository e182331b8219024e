/** What tracking and limits add to a connection: all the lookups that it makes from its accept to its end. */
import { interleave, type Bench, type RowDefinition } from '../bench.ts';
import { Admissions } from '../lookup.ts';
import type { Contender, RowResult, Sample } from '../types.ts';

interface Sizes {
  readonly few: number;
  readonly many: number;
  readonly connections: number;
}

/** Nanoseconds per connection of one of `clients` clients, after all of them have come once. */
function perConnection(clients: number, connections: number): number {
  const admissions = new Admissions(clients);
  admissions.fill();
  admissions.run(Math.min(connections, clients));
  const started = performance.now();
  admissions.run(connections);
  return ((performance.now() - started) * 1e6) / connections;
}

function measureOne({ few, many, connections }: Sizes): Sample {
  const fewKnown = perConnection(few, connections);
  return { metrics: { fewKnown, manyKnown: perConnection(many, connections) }, errors: [] };
}

/** The row. It needs none of the contenders; its figures stand with ours. */
export const trackingRow: RowDefinition = {
  placements: 'once',
  run: async (bench: Bench): Promise<RowResult> => {
    const { rounds, smoke } = bench.options;
    const sizes = smoke
      ? { few: 200, many: 20_000, connections: 20_000 }
      : { few: 2000, many: 1_000_000, connections: 500_000 };
    const ours = bench.definitions.filter(({ kind }) => kind === 'ours').slice(0, 1);
    const contenders = ours.map((definition): Contender => ({ ...definition, port: 0, pid: undefined }));
    const measure = (): Promise<Sample> => Promise.resolve(measureOne(sizes));
    return {
      row: 'tracking',
      title: 'Cost of tracking and limits',
      placement: bench.placement,
      primary: null,
      metrics: [
        { key: 'fewKnown', label: `ns a connection, ${sizes.few} clients`, digits: 0 },
        { key: 'manyKnown', label: `ns a connection, ${sizes.many} clients`, digits: 0 },
      ],
      notes: [
        'In the process of the benchmark, on the tables alone; the same for all loops.',
        'Per connection: its source is counted, its client looked up, its server remembered, both credited, its source freed.',
        'Round robin, so that the server is noted each time; 64 connections stand at any time.',
      ],
      samples: await interleave(contenders, { rounds, measure }, bench.progress),
    };
  },
};
