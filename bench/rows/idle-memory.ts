/** Resident memory: empty, and what an idle connection adds. Fresh processes each time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { interleave, type Bench, type RowDefinition } from '../bench.ts';
import { IdleConnections } from '../client.ts';
import { startContender, type ContenderDefinition } from '../contenders.ts';
import { readResidentKb } from '../measure.ts';
import { descriptorLimit } from '../processes.ts';
import type { Contender, RowResult, Sample } from '../types.ts';

const ROOM_MAX = 10_000;
/** Descriptors a contender needs besides two per connection. */
const DESCRIPTORS_APART = 100;
/** Memory hardly varies between runs; more of them only cost time. */
const ROUNDS_MAX = 3;
const SETTLE_MS_MAX = 1000;

/** Ten thousand connections, or what the descriptor limit has room for, in hundreds. */
function room(): number {
  const possible = Math.floor((descriptorLimit() - DESCRIPTORS_APART) / 2 / 100) * 100;
  return Math.min(ROOM_MAX, possible);
}

async function measureOne(bench: Bench, definition: ContenderDefinition): Promise<Sample> {
  const [few, many] = bench.options.memorySteps;
  const settle = (): Promise<void> => sleep(Math.min(SETTLE_MS_MAX, bench.options.settleSeconds * 1000));
  const task = { servers: bench.origin.ports, connections: room(), tracking: bench.options.tracking };
  const contender = await startContender(definition, task, bench.prefix);
  const connections = new IdleConnections(contender.port);
  const read = async (): Promise<number> => {
    await settle();
    return contender.pid === undefined ? 0 : readResidentKb(contender.pid);
  };
  try {
    const base = await read();
    await connections.growTo(few);
    const withFew = await read();
    await connections.growTo(many);
    const withMany = await read();
    const lost = connections.lost;
    connections.close();
    const after = await read();
    return {
      metrics: {
        base: base / 1024,
        first: (withFew - base) / few,
        later: (withMany - withFew) / (many - few),
        all: (withMany - base) / many,
        after: after / 1024,
      },
      errors: lost > 0 ? [`${lost} idle connections were closed`] : [],
    };
  } finally {
    connections.close();
    await contender.stop();
  }
}

/** The idle memory row; see `Options.memorySteps` for the number of connections. */
export const idleMemoryRow: RowDefinition = {
  placements: 'once',
  run: async (bench: Bench): Promise<RowResult> => {
    const [few, many] = bench.options.memorySteps;
    const contenders = bench.definitions.map((definition): Contender & ContenderDefinition => ({
      ...definition,
      port: 0,
      pid: undefined,
    }));
    const measure = (definition: ContenderDefinition): Promise<Sample> => measureOne(bench, definition);
    const rounds = Math.min(ROUNDS_MAX, bench.options.rounds);
    return {
      row: 'idle-memory',
      title: `Memory, room for ${room()} connections`,
      placement: bench.placement,
      primary: null,
      metrics: [
        { key: 'base', label: 'base MB', digits: 1 },
        { key: 'first', label: `KB/connection, 0 to ${few}`, digits: 2 },
        { key: 'later', label: `KB/connection, ${few} to ${many}`, digits: 2 },
        { key: 'all', label: `KB/connection, 0 to ${many}`, digits: 2 },
        { key: 'after', label: 'MB after closing', digits: 1 },
      ],
      notes: [
        'Resident memory of the whole process tree; buffers in the kernel are not part of it.',
        'Each connection made one small request before it fell idle.',
      ],
      samples: await interleave(contenders, { rounds, measure }, bench.progress),
    };
  },
};
