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
import { errorsOf, judge } from './judge.ts';
import { parseOptions, USAGE, type Options } from './options.ts';
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

async function runPlacement(
  placement: Placement,
  options: Options,
  definitions: readonly ContenderDefinition[],
  bulk: BulkFile,
  onResult: (result: RowResult) => void,
): Promise<void> {
  const first = placement === options.placements[0];
  const chosen = options.rows.filter(
    (row) => (first || rows[row].placements === 'each') && (placement === 'pin' || options.freeRows.includes(row)),
  );
  if (chosen.length === 0) return;
  const pins = pinning(placement, options.cpu);
  const origin = await startOrigin(bulk, pins.prefix);
  const fleet: RunningContender[] = [];
  try {
    for (const definition of definitions) {
      fleet.push(await startContender(definition, origin.ports, CONNECTIONS, pins.prefix));
    }
    fleet.push(directContender(origin.ports[0]));
    const bench: Bench = { options, placement, ...pins, origin, definitions, fleet, progress };
    for (const row of chosen) {
      progress(`${row} ${placement.toUpperCase()}`);
      onResult(await rows[row].run(bench));
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
  for (const placement of options.placements) {
    await runPlacement(placement, options, definitions, bulk, (result) => {
      results.push(result);
      process.stdout.write(`${describeRow(result, named)}\n`);
      save(file, environment, options, results);
    });
  }
  if (!options.smoke) process.stdout.write(describeTargets(results));
  const invalid = results.filter(({ samples }) => {
    return Object.values(samples).some((all) => all.some(({ errors }) => errors.length > 0));
  });
  for (const result of invalid) {
    const who = named.filter(({ id }) => errorsOf(result, id).length > 0).map(({ id }) => id);
    progress(`INVALID: ${result.row} ${result.placement.toUpperCase()}: ${who.join(', ')}`);
  }
  return invalid.length > 0 ? 1 : 0;
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  progress(error instanceof Error ? describeError(error) : String(error));
  process.exit(1);
}

function describeError(error: Error): string {
  const { cause } = error;
  return cause instanceof Error ? `${error.message} (${describeError(cause)})` : error.message;
}
