/**
 * `npm run sim -- [seed] [--seeds=N] [--connections=N] [--workers=N] [--fail] [--verbose] [--json]`
 *
 * Runs seeds one after the other, from the one given or from one of the clock's choosing, and stops at the first
 * violation with the command that replays it. Exit code 1 then.
 */
import { FAULT_NAMES } from './faults.ts';
import { realEngine } from './driven.ts';
import { medianSize, newReport, runSeed, type Report, type SeedFailure } from './run.ts';

interface Arguments {
  seed: number;
  seeds: number;
  connections: number;
  workers: number;
  canFail: boolean;
  isVerbose: boolean;
  isJson: boolean;
}

function parse(words: readonly string[]): Arguments {
  const parsed: Arguments = {
    seed: Math.floor(Date.now() / 1000),
    seeds: 1,
    connections: 5000,
    workers: 1,
    canFail: false,
    isVerbose: false,
    isJson: false,
  };
  for (const word of words) {
    const match = /^--(seeds|connections|workers)=(\d+)$/.exec(word);
    if (match !== null) parsed[match[1] as 'seeds' | 'connections' | 'workers'] = Number(match[2]);
    else if (/^\d+$/.test(word)) parsed.seed = Number(word);
    else if (word === '--fail') parsed.canFail = true;
    else if (word === '--verbose') parsed.isVerbose = true;
    else if (word === '--json') parsed.isJson = true;
    else {
      process.stderr.write(
        `sim: cannot understand ${word}\nusage: sim [seed] [--seeds=N] [--connections=N] [--workers=N] [--fail] [--verbose] [--json]\n`,
      );
      process.exit(2);
    }
  }
  return parsed;
}

/** Whoever reads the report may have seen enough, as `head` has. */
function leaveWhenUnread(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}

function main(): void {
  leaveWhenUnread(process.stdout);
  leaveWhenUnread(process.stderr);
  const args = parse(process.argv.slice(2));
  const report = newReport();
  const { connections, workers, canFail } = args;
  const options = { connections, workers, canFail, isTraced: args.isVerbose };
  const begunMs = performance.now();
  for (let seed = args.seed; seed < args.seed + args.seeds; seed++) {
    if (args.isVerbose) process.stdout.write(`seed ${seed}\n`);
    const failure = runSeed(seed, options, realEngine, report);
    if (failure === undefined) continue;
    // The same seed again, this time with the log: a run is a function of its seed.
    const again = options.isTraced
      ? failure
      : (runSeed(seed, { ...options, isTraced: true }, realEngine, newReport()) ?? failure);
    printFailure(again, args);
    process.exitCode = 1;
    return;
  }
  if (args.isJson) printJson(report);
  else printReport(report, args, performance.now() - begunMs);
}

function printFailure({ seed, error, trace }: SeedFailure, args: Arguments): void {
  const { stderr } = process;
  for (const line of trace) stderr.write(`${line}\n`);
  stderr.write(`\nseed ${seed}: ${error.name}: ${error.message}\n`);
  if (error.name !== 'Violation') stderr.write(`${error.stack ?? ''}\n`);
  const crew = args.workers === 1 ? '' : ` --workers=${args.workers}${args.canFail ? ' --fail' : ''}`;
  stderr.write(`\nreplay with: npm run sim -- ${seed} --connections=${args.connections}${crew} --verbose\n`);
}

function printReport(report: Report, args: Arguments, elapsedMs: number): void {
  const { stdout } = process;
  const last = args.seeds === 1 ? '' : ` to ${args.seed + args.seeds - 1}`;
  stdout.write(`seed ${args.seed}${last}: no violation\n`);
  stdout.write(
    `${report.connections} connections, ${report.turns} turns, ${report.failures} failures of workers, ${(report.bytes / 1e9).toFixed(2)} GB, median ${medianSize(report)} bytes a connection\n`,
  );
  stdout.write(
    `${(elapsedMs / 1000).toFixed(1)} s, ${((elapsedMs * 1000) / Math.max(1, report.connections)).toFixed(0)} us a connection\n\n`,
  );
  for (const [index, name] of FAULT_NAMES.entries())
    stdout.write(`${String(report.fired[index]).padStart(12)}  ${name}\n`);
}

/** For the test that adds several processes up. */
function printJson(report: Report): void {
  const { seeds, connections, bytes, turns, failures, fired } = report;
  const sizes = report.sizes.slice(0, report.sizeCount).sort();
  process.stdout.write(
    `${JSON.stringify({ seeds, connections, bytes, turns, failures, median: sizes[sizes.length >> 1], fired: [...fired] })}\n`,
  );
}

main();
