/** What a contender does while nothing happens. All are measured over the same time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { failed, type Bench, type RowDefinition } from '../bench.ts';
import { IdleConnections } from '../client.ts';
import { cpuBetween, readCpu, readWakeups } from '../measure.ts';
import type { Contender, RowResult, Sample } from '../types.ts';

const HELD = 100;

interface Idleness {
  readonly wakeupsPerSecond: number;
  readonly corePercent: number;
}

async function watch(pid: number, seconds: number): Promise<Idleness> {
  const started = performance.now();
  const cpu = readCpu(pid);
  const wakeups = readWakeups(pid);
  await sleep(seconds * 1000);
  const use = cpuBetween(cpu, readCpu(pid));
  const elapsed = (performance.now() - started) / 1000;
  return {
    wakeupsPerSecond: (readWakeups(pid) - wakeups) / elapsed,
    corePercent: (100 * use.nanoseconds) / 1e9 / elapsed,
  };
}

/** One contender: first without connections, then with idle ones held open. */
async function measureOne({ options }: Bench, { pid = 0, port }: Contender): Promise<Sample> {
  await sleep(options.settleSeconds * 1000);
  const empty = await watch(pid, options.idleSeconds);
  const connections = new IdleConnections(port);
  try {
    await connections.growTo(HELD);
    await sleep(options.settleSeconds * 1000);
    const held = await watch(pid, options.idleSeconds);
    return {
      metrics: {
        wakeups: empty.wakeupsPerSecond,
        core: empty.corePercent,
        wakeupsHeld: held.wakeupsPerSecond,
        coreHeld: held.corePercent,
      },
      errors: connections.lost > 0 ? [`${connections.lost} idle connections were closed`] : [],
    };
  } finally {
    connections.close();
  }
}

/** The idle CPU row. */
export const idleCpuRow: RowDefinition = {
  placements: 'once',
  run: async (bench: Bench): Promise<RowResult> => {
    const contenders = bench.fleet.filter(({ pid }) => pid !== undefined);
    const samples = await Promise.all(
      contenders.map(async (contender): Promise<[string, Sample[]]> => {
        return [contender.id, [await measureOne(bench, contender).catch(failed)]];
      }),
    );
    return {
      row: 'idle-cpu',
      title: `Idle for ${bench.options.idleSeconds} s`,
      placement: bench.placement,
      primary: null,
      metrics: [
        { key: 'wakeups', label: 'wake-ups/s', digits: 2 },
        { key: 'core', label: '% of a core', digits: 3 },
        { key: 'wakeupsHeld', label: `wake-ups/s, ${HELD} connections`, digits: 2 },
        { key: 'coreHeld', label: `% of a core, ${HELD} connections`, digits: 3 },
      ],
      notes: ['All contenders are watched at the same time, after load and a pause.'],
      samples: Object.fromEntries(samples),
    };
  },
};
