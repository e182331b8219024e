#!/usr/bin/env node
/** Composition root of `penctl`. */
import { messageOf } from '../cli/messages.ts';
import { ask, PENCTL_USAGE, readPenctl } from '../cli/penctl.ts';

try {
  const request = readPenctl(process.argv.slice(2));
  if (request) await ask(request, (bytes) => process.stdout.write(bytes));
  else process.stdout.write(PENCTL_USAGE);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  // At once: a peer that hangs must not keep us.
  process.exit(1);
}
