/** How much of the machine others used while a row ran: the first thing to ask of odd figures. */
import { readFileSync } from 'node:fs';
import { processTree } from './measure.ts';

interface MachineReading {
  readonly atMs: number;
  readonly busyTicks: number;
  readonly stolenTicks: number;
  readonly ownTicks: number;
}

const TICKS_PER_SECOND = 100;

/** Ticks of one process with its ended children; 0 where it has just gone (its parent has them). */
function ticksOf(pid: number): number {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return 0;
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
}

function readMachine(): MachineReading {
  const [line = ''] = readFileSync('/proc/stat', 'latin1').split('\n');
  const fields = line.split(/\s+/).slice(1).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, stolen = 0] = fields;
  const own = processTree(process.pid).reduce((sum, { pid }) => sum + ticksOf(pid), 0);
  return {
    atMs: performance.now(),
    busyTicks: user + nice + system + irq + softirq,
    stolenTicks: stolen,
    ownTicks: own,
  };
}

/** Runs `work`; returns its result and a sentence on what others did to the CPUs meanwhile. */
export async function watchInterference<T>(
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly sentence: string }> {
  const before = readMachine();
  const result = await work();
  const after = readMachine();
  const ticks = ((after.atMs - before.atMs) / 1000) * TICKS_PER_SECOND;
  const own = after.ownTicks - before.ownTicks;
  const others = after.busyTicks - before.busyTicks - own;
  const percent = (part: number): string => `${Math.max(0, Math.round((100 * part) / ticks))}%`;
  const stolen = after.stolenTicks - before.stolenTicks;
  return {
    result,
    sentence: `Meanwhile other processes used ${percent(others)} of one core; ${percent(stolen)} was stolen by the host.`,
  };
}
