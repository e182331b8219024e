import { execFileSync } from 'node:child_process';
import koffi from 'koffi';
import { expect, test } from 'vitest';
import { RECORD_SIZE } from '../../src/table/columns.ts';
import { COLUMN_ALIGN, layout } from '../../src/table/layout.ts';
import { createTables, openTables } from '../../src/table/tables.ts';

const SETS = 10;

/** In a process of its own, because the memory of a test runner moves; several sets, because even that one does a little. */
const program = `
  const { createTables, openTables } = await import(process.argv[1] + 'tables.js');
  // The first set pays for what the program itself needs to make one.
  const kept = openTables(createTables(1));
  kept.connections.state[1] = 1;
  const before = process.memoryUsage.rss();
  const sets = Array.from({ length: ${SETS} }, () => openTables(createTables(1)));
  for (const tables of sets) tables.connections.state[1] = 1;
  process.stdout.write(String(process.memoryUsage.rss() - before));
`;

/** V8 collects and compiles when it likes, which shows in one run in many: the middle of some. */
const RUNS = 5;

/** @returns what a program prints that gets the folder of the compiled tables. */
function run(program: string): string {
  const dist = new URL('../../dist/table/', import.meta.url).href;
  return execFileSync(process.execPath, ['--input-type=module', '-e', program, dist], { encoding: 'utf8' });
}

function middleOf(program: string): number {
  const measure = (): number => Number(run(program)) / SETS;
  const runs = Array.from({ length: RUNS }, measure).toSorted((a, b) => a - b);
  process.stdout.write(`  grown by ${runs.map((grown) => grown.toFixed(0)).join(' ')} bytes\n`);
  return runs[RUNS >> 1];
}

test('tables reserved at their hard limits cost next to nothing', () => {
  process.stdout.write(`  ${layout.byteCount} bytes reserved\n`);
  expect(layout.byteCount).toBeGreaterThan(30_000_000);
  expect(middleOf(program)).toBeLessThan(1_000_000);
});

/** Of the memory of tables what the kernel has given pages for: read where it lies, whatever else the process needs. */
const clientsProgram = `
  const { readFileSync } = await import('node:fs');
  const { default: koffi } = await import('koffi');
  const { createTables, openTables } = await import(process.argv[1] + 'tables.js');
  const { beginPublish, commitPublish, configAt, currentVersion } = await import(process.argv[1] + 'publish.js');
  const { ClientVisit, clientsOf, touchClient } = await import(process.argv[1] + 'clients.js');
  const peer = new Uint8Array(24);
  const visit = new ClientVisit();
  const fill = (clients) => {
    const tables = openTables(createTables(1));
    const draft = beginPublish(tables, { farms: 1 });
    draft.farms.clientsMax[0] = clients;
    draft.farms.clientPrefix[0] = 128;
    commitPublish(tables);
    const config = configAt(tables, currentVersion(tables));
    for (let i = 0; i < 20_000; i++) {
      peer.set([6, 0, 0, 0, 0, 0, 0, 0, (i * 31) % 256, i >> 8, i & 255]);
      touchClient(tables, config, 0, 0, peer, 0, i, visit);
    }
    if (clientsOf(tables, 0) !== clients) throw new Error('the farm is not full');
    return tables;
  };
  const residentBytes = ({ memory }) => {
    const start = koffi.address(new Uint8Array(memory));
    const end = start + BigInt(memory.byteLength);
    let isOurs = false;
    let bytes = 0;
    for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\\n')) {
      const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
      if (range) isOurs = BigInt('0x' + range[1]) < end && BigInt('0x' + range[2]) > start;
      else if (isOurs && line.startsWith('Rss:')) bytes += 1024 * Number.parseInt(line.slice(4));
    }
    return bytes;
  };
  process.stdout.write(String(residentBytes(fill(2000)) - residentBytes(fill(1))));
`;

test('two thousand clients cost no more than their rows, whatever the tables have room for', () => {
  const grown = Number(run(clientsProgram));
  process.stdout.write(`  grown by ${grown} bytes\n`);
  // Record, chain, buckets and order come to 80 bytes a row and more.
  expect(grown).toBeGreaterThan(2000 * 60);
  expect(grown).toBeLessThan(1_000_000);
});

test('a record lies in one cache line', () => {
  const { clients, sources } = openTables(createTables());
  expect(COLUMN_ALIGN % RECORD_SIZE).toBe(0);
  for (const { words } of [clients.row, sources.row]) expect(koffi.address(words) % BigInt(COLUMN_ALIGN)).toBe(0n);
});

test('tables are to be had where address space is scarce', () => {
  const program = `
    const { createTables, openTables } = await import(process.argv[1] + 'tables.js');
    openTables(createTables(1)).connections.state[1] = 1;
    process.stdout.write('made');
  `;
  const dist = new URL('../../dist/table/', import.meta.url).href;
  const limited = 'ulimit -v 4000000; exec "$@"';
  const args = ['-c', limited, 'sh', process.execPath, '--input-type=module', '-e', program, dist];
  expect(execFileSync('sh', args, { encoding: 'utf8' })).toBe('made');
});
