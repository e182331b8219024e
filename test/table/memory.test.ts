import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { layout } from '../../src/table/layout.ts';

const SETS = 10;

/** In a process of its own, because the memory of a test runner moves; several sets, because even that one does a little. */
const program = `
  const { createTables, openTables } = await import(process.argv[1] + 'tables.js');
  const before = process.memoryUsage.rss();
  const sets = Array.from({ length: ${SETS} }, () => openTables(createTables()));
  for (const tables of sets) tables.connections.state[1] = 1;
  process.stdout.write(String(process.memoryUsage.rss() - before));
`;

test('tables reserved at their hard limits cost next to nothing', () => {
  const dist = new URL('../../dist/table/', import.meta.url).href;
  const args = ['--input-type=module', '-e', program, dist];
  const grown = Number(execFileSync(process.execPath, args, { encoding: 'utf8' })) / SETS;
  process.stdout.write(`  ${layout.byteCount} bytes reserved, resident memory grew by ${grown.toFixed(0)}\n`);
  expect(layout.byteCount).toBeGreaterThan(30_000_000);
  expect(grown).toBeLessThan(1_000_000);
});
