#!/usr/bin/env node
/** Composition root of `penlogd`. It imports nothing until its signal handlers stand, as that of `pen`. */
import type { Signal } from '../cli/signals.ts';

const early: Signal[] = [];
let obey = (signal: Signal): void => void early.push(signal);
for (const signal of ['SIGUSR1', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => obey(signal));

const { PENLOGD, penlogd } = await import('../cli/penlogd.ts');
const { runTool } = await import('../cli/tool.ts');
const args = process.argv.slice(2);
await runTool(PENLOGD, args, (given) =>
  penlogd(given, {
    script: import.meta.filename,
    args,
    onSignal: (take) => {
      obey = take;
      for (const signal of early.splice(0)) take(signal);
    },
  }),
);
