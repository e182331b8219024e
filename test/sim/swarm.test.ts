/**
 * The long run of the simulator: a million connections over two hundred seeds, by the compiled program, in two
 * processes. SIM_CONNECTIONS and SIM_SEEDS make it shorter while working on something; SIM_SEED moves it elsewhere.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { FAULT_NAMES } from '../../src/sim/faults.ts';

const main = join(import.meta.dirname, '../../dist/sim/main.js');
const seeds = Number(process.env['SIM_SEEDS'] ?? 320);
const connections = Number(process.env['SIM_CONNECTIONS'] ?? 5000);
const firstSeed = Number(process.env['SIM_SEED'] ?? 1000);
const isWhole = seeds >= 200 && seeds * connections >= 1_000_000;

interface Part {
  readonly seeds: number;
  readonly connections: number;
  readonly median: number;
  readonly fired: readonly number[];
}

async function runPart(seed: number, count: number): Promise<Part> {
  const words = [main, String(seed), `--seeds=${count}`, `--connections=${connections}`, '--json'];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  return JSON.parse(stdout) as Part;
}

/** What was run, so that a green line says what it stands for. */
function describeRun(parts: readonly Part[], fired: readonly number[]): string {
  const total = parts.reduce((sum, part) => sum + part.connections, 0);
  const medians = parts.map((part) => part.median).join(' and ');
  const table = FAULT_NAMES.map((name, index) => `${String(fired[index]).padStart(12)}  ${name}`);
  return [
    `seeds ${firstSeed} to ${firstSeed + seeds - 1}: ${total} connections, median ${medians} bytes in the two halves`,
    ...table,
  ].join('\n');
}

describe('the simulated engine', () => {
  it('keeps every promise under every fault', async () => {
    const half = seeds >> 1;
    const parts = await Promise.all([runPart(firstSeed, half), runPart(firstSeed + half, seeds - half)]);
    const fired = FAULT_NAMES.map((_, index) => parts.reduce((sum, part) => sum + (part.fired[index] ?? 0), 0));
    console.log(describeRun(parts, fired));
    if (!isWhole) return;
    expect(parts.reduce((sum, part) => sum + part.connections, 0)).toBeGreaterThanOrEqual(1_000_000);
    for (const part of parts) expect(part.median).toBeGreaterThanOrEqual(4096);
    // A run can be stopped once only.
    const least = (name: string): number => (name.startsWith('world.stop') ? 10 : 1000);
    const rare = FAULT_NAMES.filter((name, index) => fired[index]! < least(name));
    expect(rare, 'faults that fired too rarely').toEqual([]);
  }, 600_000);
});
