#!/usr/bin/env node
/** Composition root of `penlog`. */
import { PENLOG, penlog } from '../cli/penlog.ts';
import { runTool } from '../cli/tool.ts';

const stopped = new Promise((resolve) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, resolve);
});
const say = (text: string): void => void process.stderr.write(`penlog: ${text}\n`);
await runTool(PENLOG, process.argv.slice(2), async (given) => penlog(given, { input: process.stdin, say, stopped }));
