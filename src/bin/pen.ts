#!/usr/bin/env node
/**
 * Composition root of `pen`. It imports nothing until its signal handlers stand: loading the program takes a moment, in
 * which USR1 would open Node's inspector.
 */
import type { Signal } from '../cli/signals.ts';

const early: Signal[] = [];
let obey = (signal: Signal): void => void early.push(signal);
for (const signal of ['SIGUSR1', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => obey(signal));
process.on('SIGUSR2', () => process.abort());

const { runProgram } = await import('../cli/program.ts');
await runProgram(process.argv.slice(2), {
  script: import.meta.filename,
  workerScript: new URL('./worker.js', import.meta.url),
  wholeWorkerScript: new URL('./whole-worker.js', import.meta.url),
  onSignal: (take) => {
    obey = take;
    for (const signal of early.splice(0)) take(signal);
  },
});
