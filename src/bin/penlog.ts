#!/usr/bin/env node
/**
 * Composition root of `penlog`. It imports nothing until it would notice that it is to end: a web server that starts anew
 * says so while lines are on their way.
 */
const stopped = new Promise((resolve) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, resolve);
});

const { PENLOG, penlog } = await import('../cli/penlog.ts');
const { runTool } = await import('../cli/tool.ts');
const say = (text: string): void => void process.stderr.write(`penlog: ${text}\n`);
await runTool(PENLOG, process.argv.slice(2), async (given) => penlog(given, { input: process.stdin, say, stopped }));

export {};
