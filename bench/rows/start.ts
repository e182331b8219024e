/** How long a user waits after typing the command: from the new process to the first answer through it. */
import { interleave, type Bench, type RowDefinition } from '../bench.ts';
import { startContender, type ContenderDefinition } from '../contenders.ts';
import { quantile } from '../statistics.ts';
import type { Contender, RowResult, Sample } from '../types.ts';

const CONNECTIONS = 500;
const STARTS_PER_ROUND = 2;

/** One start. Nothing is pinned: a start has several threads, also in a placement that shares one CPU. */
async function measureOne(bench: Bench, definition: ContenderDefinition): Promise<Sample> {
  const task = { servers: bench.origin.ports, connections: CONNECTIONS, tracking: bench.options.tracking };
  const contender = await startContender(definition, task, []);
  await contender.stop();
  return { metrics: { ms: contender.startMs }, errors: [] };
}

/** Adds what one start cannot tell: the 95th percentile and the most of all of them. */
function withTail(samples: readonly Sample[]): Sample[] {
  const all = samples.flatMap(({ metrics }) => metrics['ms'] ?? []);
  const tail = { p95: quantile(all, 0.95), most: Math.max(...all) };
  return samples.map(({ metrics, errors }) => ({ metrics: { ...metrics, ...tail }, errors }));
}

/** The start row. */
export const startRow: RowDefinition = {
  placements: 'once',
  run: async (bench: Bench): Promise<RowResult> => {
    const contenders = bench.definitions.map((definition): Contender & ContenderDefinition => ({
      ...definition,
      port: 0,
      pid: undefined,
    }));
    const measure = (definition: ContenderDefinition): Promise<Sample> => measureOne(bench, definition);
    const rounds = bench.options.rounds * STARTS_PER_ROUND;
    // Unmeasured: brings its files into memory.
    const prepare = async (definition: ContenderDefinition): Promise<readonly string[]> =>
      (await measure(definition)).errors;
    const samples = await interleave(contenders, { rounds, prepare, measure }, bench.progress);
    return {
      row: 'start',
      title: 'From the start of the process to the first answer',
      placement: bench.placement,
      primary: 'ms',
      metrics: [
        { key: 'ms', label: 'ms', digits: 0 },
        { key: 'p95', label: 'p95 ms', digits: 0 },
        { key: 'most', label: 'most ms', digits: 0 },
      ],
      notes: [
        'In the foreground, pinned to nothing. A request is tried every 2 ms until one is answered.',
        'Not the first start: files of the programs are in memory.',
      ],
      samples: Object.fromEntries(Object.entries(samples).map(([id, own]) => [id, withTail(own)])),
    };
  },
};
