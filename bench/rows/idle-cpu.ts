/** What a contender does while nothing happens. All are measured over the same time. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench, RowDefinition } from '../bench.ts';
import { IdleConnections } from '../client.ts';
import type { RunningContender } from '../contenders.ts';
import { cpuBetween, readCpu, readWakeups, type CpuReading } from '../measure.ts';
import type { RowResult, Sample } from '../types.ts';

const HELD = 100;

interface IdleState {
  readonly cpu: CpuReading;
  readonly wakeups: number;
}

/** Wake-ups per second and percent of one core over `seconds`, per contender. */
async function watch(
  contenders: readonly RunningContender[],
  seconds: number,
): Promise<Map<string, { readonly wakeups: number; readonly core: number }>> {
  const read = ({ pid = 0 }: RunningContender): IdleState => ({
    cpu: readCpu(pid),
    wakeups: readWakeups(pid),
  });
  const started = performance.now();
  const before = contenders.map(read);
  await sleep(seconds * 1000);
  const after = contenders.map(read);
  const elapsed = (performance.now() - started) / 1000;
  return new Map(
    contenders.map(({ id }, i) => {
      const then = before[i];
      const now = after[i];
      if (then === undefined || now === undefined) throw new Error(`no reading of ${id}`);
      const { nanoseconds } = cpuBetween(then.cpu, now.cpu);
      return [
        id,
        {
          wakeups: (now.wakeups - then.wakeups) / elapsed,
          core: (100 * nanoseconds) / 1e9 / elapsed,
        },
      ];
    }),
  );
}

/** The idle CPU row: without connections, then with idle ones held open. */
export const idleCpuRow: RowDefinition = {
  placements: 'once',
  run: async (bench: Bench): Promise<RowResult> => {
    const { idleSeconds, settleSeconds } = bench.options;
    const contenders = bench.fleet.filter(({ pid }) => pid !== undefined);
    await sleep(settleSeconds * 1000);
    bench.progress(`  ${idleSeconds} s without connections`);
    const empty = await watch(contenders, idleSeconds);
    const held = contenders.map(({ port }) => new IdleConnections(port));
    try {
      await Promise.all(held.map((connections) => connections.growTo(HELD)));
      await sleep(settleSeconds * 1000);
      bench.progress(`  ${idleSeconds} s with ${HELD} idle connections each`);
      const full = await watch(contenders, idleSeconds);
      const samples: Record<string, Sample[]> = {};
      contenders.forEach(({ id }, i) => {
        const lost = held[i]?.lost ?? 0;
        const { wakeups = Number.NaN, core = Number.NaN } = empty.get(id) ?? {};
        const { wakeups: wakeupsHeld = Number.NaN, core: coreHeld = Number.NaN } = full.get(id) ?? {};
        samples[id] = [
          {
            metrics: { wakeups, core, wakeupsHeld, coreHeld },
            errors: lost > 0 ? [`${lost} idle connections were closed`] : [],
          },
        ];
      });
      return describe(bench, samples);
    } finally {
      for (const connections of held) connections.close();
    }
  },
};

function describe(bench: Bench, samples: Record<string, Sample[]>): RowResult {
  return {
    row: 'idle-cpu',
    title: `Idle for ${bench.options.idleSeconds} s`,
    placement: bench.placement,
    primary: 'wakeups',
    metrics: [
      { key: 'wakeups', label: 'wake-ups/s', digits: 2 },
      { key: 'core', label: '% of a core', digits: 3 },
      { key: 'wakeupsHeld', label: `wake-ups/s, ${HELD} connections`, digits: 2 },
      { key: 'coreHeld', label: `% of a core, ${HELD} connections`, digits: 3 },
    ],
    notes: ['All contenders are watched at the same time, after load and a pause.'],
    samples,
  };
}
