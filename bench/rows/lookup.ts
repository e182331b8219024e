/** Client lookup and touch: a few clients, a million, known and new ones, one thread and two. */
import { Worker } from 'node:worker_threads';
import { interleave, type Bench, type RowDefinition } from '../bench.ts';
import { Toucher, lookupTables } from '../lookup.ts';
import type { LookupThread } from '../lookup-thread.ts';
import type { Contender, RowResult, Sample } from '../types.ts';

const THREADS = 2;
/** Number of main for the locks; the threads are 0 and up. */
const MAIN = 63;

interface Sizes {
  readonly few: number;
  readonly many: number;
  /** Touches per figure and round. */
  readonly touches: number;
}

/** A full farm and the thread that touches its clients. */
interface Full {
  readonly memory: SharedArrayBuffer;
  readonly toucher: Toucher;
  /** Clients from this number on were never seen. */
  unseen: number;
}

function fill(clients: number): Full {
  const memory = lookupTables(clients, clients);
  const toucher = new Toucher(memory, MAIN);
  toucher.inTurn(0, clients);
  return { memory, toucher, unseen: clients };
}

/** Nanoseconds per touch. */
function perTouch(touches: number, work: () => void): number {
  const started = performance.now();
  work();
  return ((performance.now() - started) * 1e6) / touches;
}

/** Touches clients of `full`, which are all known. */
function known({ toucher }: Full, clients: number, touches: number): number {
  let fresh = 0;
  const cost = perTouch(touches, () => (fresh = toucher.atRandom(clients, touches)));
  if (fresh > 0) throw new Error(`${fresh} clients of a full table were not known`);
  return cost;
}

/** Touches clients that nobody knows: each takes the row of another. */
function fresh(full: Full, touches: number): number {
  const cost = perTouch(touches, () => full.toucher.inTurn(full.unseen, full.unseen + touches));
  full.unseen += touches;
  return cost;
}

/** Time that two threads take together for a touch: with nothing in each other's way, half of what one takes. */
async function together(memory: SharedArrayBuffer, clients: number, touches: number): Promise<number> {
  const ready = new SharedArrayBuffer(4);
  const times = await Promise.all(
    Array.from({ length: THREADS }, (_, worker) => {
      const workerData: LookupThread = { memory, worker, clients, touches, ready, threads: THREADS };
      const thread = new Worker(new URL('../lookup-thread.js', import.meta.url), { workerData });
      return new Promise<number>((resolve, reject) => {
        thread.once('message', resolve);
        thread.once('error', reject);
      });
    }),
  );
  return (Math.max(...times) * 1e6) / (THREADS * touches);
}

async function measureOne({ few, many, touches }: Sizes): Promise<Sample> {
  // Fresh tables each time, so that neither leaves the other in the caches and every round starts alike.
  const small = fill(few);
  known(small, few, touches);
  const fewKnown = known(small, few, touches);
  const fewShared = await together(small.memory, few, touches);
  const fewNew = fresh(small, touches);
  const large = fill(many);
  const manyKnown = known(large, many, touches);
  const manyNew = fresh(large, touches);
  return { metrics: { fewKnown, manyKnown, ratio: manyKnown / fewKnown, fewNew, manyNew, fewShared }, errors: [] };
}

/** The lookup row. It needs none of the contenders; its figures stand with ours. */
export const lookupRow: RowDefinition = {
  placements: 'once',
  run: async (bench: Bench): Promise<RowResult> => {
    const { rounds, smoke } = bench.options;
    const sizes = smoke
      ? { few: 200, many: 20_000, touches: 20_000 }
      : { few: 2000, many: 1_000_000, touches: 1_000_000 };
    const ours = bench.definitions.filter(({ kind }) => kind === 'ours').slice(0, 1);
    const contenders = ours.map((definition): Contender => ({ ...definition, port: 0, pid: undefined }));
    const measure = (): Promise<Sample> => measureOne(sizes);
    return {
      row: 'lookup',
      title: 'Client lookup and touch',
      placement: bench.placement,
      primary: null,
      metrics: [
        { key: 'fewKnown', label: `ns, ${sizes.few} clients`, digits: 0 },
        { key: 'manyKnown', label: `ns, ${sizes.many} clients`, digits: 0 },
        { key: 'ratio', label: 'many of few', digits: 2 },
        { key: 'fewNew', label: `ns, new ones, ${sizes.few}`, digits: 0 },
        { key: 'manyNew', label: `ns, new ones, ${sizes.many}`, digits: 0 },
        { key: 'fewShared', label: `ns, ${THREADS} threads, ${sizes.few}`, digits: 0 },
      ],
      notes: [
        'In the process of the benchmark, on the tables alone; the same for all loops.',
        'Random IPv4 addresses; the farm is full, so each new client takes the row of another.',
        'Two threads: the time both take, for all touches of both.',
      ],
      samples: await interleave(contenders, { rounds, measure }, bench.progress),
    };
  },
};
