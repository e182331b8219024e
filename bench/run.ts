/** `npm run bench`: reads the command line, starts everybody, runs the rows, reports. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import type { Bench } from './bench.ts';
import {
  directContender,
  findDistribution,
  ourContender,
  peerContender,
  startContender,
  type ContenderDefinition,
  type RunningContender,
} from './contenders.ts';
import { readEnvironment, type Environment } from './environment.ts';
import { watchInterference } from './interference.ts';
import { errorsOf, judge } from './judge.ts';
import { parseOptions, USAGE, type Options, type RowName } from './options.ts';
import { startOrigin, writeBulkFile, type BulkFile } from './origin.ts';
import { isInstalled } from './processes.ts';
import { describeEnvironment, describeRow, describeTargets, type Named } from './report.ts';
import { rows } from './rows/index.ts';
import { targets } from './targets.ts';
import type { Placement, RowResult } from './types.ts';

/** Room for connections in all rows but the memory one. */
const CONNECTIONS = 9000;
const TOOLS = ['nginx', 'wrk', 'curl', 'prlimit', 'taskset'];

function findRoot(): string {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, 'package.json'))) {
    if (directory === dirname(directory)) throw new Error('no package.json above the benchmark');
    directory = dirname(directory);
  }
  return directory;
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

function chooseContenders(options: Options, root: string): ContenderDefinition[] {
  const missing = TOOLS.filter((tool) => !isInstalled(tool));
  if (missing.length > 0) throw new Error(`not installed: ${missing.join(', ')}`);
  const { before } = options;
  const peers = options.peers.flatMap((peer) => {
    const definition = peerContender(peer);
    if (definition !== undefined) return [definition];
    if (!options.smoke) throw new Error(`${peer} is not installed; leave it out with --peers`);
    progress(`not installed, so left out: ${peer}`);
    return [];
  });
  return [
    ...options.loops.map((loop) => ourContender('ours', loop, join(root, 'dist'))),
    ...(before === undefined
      ? []
      : options.loops.map((loop) => ourContender('before', loop, findDistribution(before)))),
    ...peers,
  ];
}

/** CPU lists of the PIN placement: what is measured, and where a polling generator goes. */
function pinning(placement: Placement, cpu: number): Pick<Bench, 'prefix' | 'apartPrefix'> {
  if (placement === 'free') return { prefix: [], apartPrefix: [] };
  const apart = cpus().length > 1 ? (cpu === 0 ? 1 : 0) : cpu;
  return {
    prefix: ['taskset', '-c', `${cpu}`],
    apartPrefix: ['taskset', '-c', `${apart}`],
  };
}

function runsIn(row: RowName, placement: Placement, options: Options): boolean {
  if (placement === 'free' && !options.freeRows.includes(row)) return false;
  const where = rows[row].placements;
  if (where === 'each') return true;
  if (where === 'once') return placement === options.placements[0];
  if (!options.placements.includes('pin')) progress(`${row} runs in the PIN placement only`);
  return placement === 'pin';
}

/** Where finished rows go, and rows that could not be run at all. */
interface Sink {
  readonly result: (result: RowResult) => void;
  readonly failure: (message: string) => void;
}

async function runPlacement(
  placement: Placement,
  options: Options,
  definitions: readonly ContenderDefinition[],
  bulk: BulkFile,
  sink: Sink,
): Promise<void> {
  const chosen = options.rows.filter((row) => runsIn(row, placement, options));
  if (chosen.length === 0) return;
  const pins = pinning(placement, options.cpu);
  const origin = await startOrigin(bulk, pins.prefix);
  const task = { servers: origin.ports, connections: CONNECTIONS, tracking: options.tracking };
  const fleet: RunningContender[] = [];
  try {
    for (const definition of definitions) {
      fleet.push(await startContender(definition, task, pins.prefix));
    }
    fleet.push(directContender(origin.ports[0]));
    const bench: Bench = { options, placement, ...pins, origin, definitions, fleet, progress };
    for (const row of chosen) {
      progress(`${row} ${placement.toUpperCase()}`);
      try {
        const { result, sentence } = await watchInterference(() => rows[row].run(bench));
        sink.result({ ...result, notes: [...result.notes, sentence] });
      } catch (error) {
        sink.failure(`${row} ${placement.toUpperCase()} was not measured: ${describeError(error)}`);
      }
    }
  } finally {
    await Promise.all(fleet.map((contender) => contender.stop()));
    await origin.stop();
  }
}

function save(file: string, environment: Environment, options: Options, results: readonly RowResult[]): void {
  const verdicts = targets.map((target) => judge(target, results));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ format: 1, environment, options, results, verdicts }, null, 1)}\n`);
}

async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  if (options === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  const root = findRoot();
  const definitions = chooseContenders(options, root);
  const environment = readEnvironment(definitions, argv);
  const file = options.json ?? join(root, 'bench', 'results', 'latest.json');
  const named: Named[] = [...definitions, { id: 'direct', label: 'direct', kind: 'direct' }];
  const results: RowResult[] = [];
  process.stdout.write(`${describeEnvironment(environment)}\n`);
  const bulk = writeBulkFile(options.bulkBytes);
  const failures: string[] = [];
  const sink: Sink = {
    result: (result) => {
      results.push(result);
      process.stdout.write(`${describeRow(result, named)}\n`);
      save(file, environment, options, results);
    },
    failure: (message) => {
      failures.push(message);
      process.stdout.write(`INVALID: ${message}\n\n`);
    },
  };
  for (const placement of options.placements) {
    await runPlacement(placement, options, definitions, bulk, sink);
  }
  if (!options.smoke) process.stdout.write(describeTargets(results));
  for (const result of results) {
    const who = named.filter(({ id }) => errorsOf(result, id).length > 0).map(({ id }) => id);
    if (who.length > 0) failures.push(`${result.row} ${result.placement.toUpperCase()}: ${who.join(', ')}`);
  }
  for (const failure of failures) progress(`INVALID: ${failure}`);
  return failures.length > 0 ? 1 : 0;
}

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message} (${describeError(error.cause)})`;
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  progress(describeError(error));
  process.exit(1);
}
