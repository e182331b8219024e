#!/usr/bin/env node
/** Composition root of `penctl`. */
import { messageOf } from '../cli/messages.ts';
import { ask, PENCTL_USAGE, readPenctl } from '../cli/penctl.ts';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Who reads the answer may have seen enough of it, as `head` does.
  if (error.code !== 'EPIPE') process.stderr.write(`penctl: the answer cannot be printed (${error.message})\n`);
  process.exit(1);
});

try {
  const request = readPenctl(process.argv.slice(2));
  if (request) await ask(request, (bytes) => process.stdout.write(bytes));
  else process.stdout.write(PENCTL_USAGE);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  // At once: a peer that hangs must not keep us.
  process.exit(1);
}
