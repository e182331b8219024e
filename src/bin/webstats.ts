#!/usr/bin/env node
/** Composition root of `webstats`, the CGI program. Its arguments are not looked at: they may come from a browser. */
import { messageOf } from '../cli/messages.ts';
import { answerCgi } from '../cli/webstats.ts';

// Whoever asked may have gone.
process.stdout.on('error', () => process.exit(1));

const say = (text: string): void => void process.stderr.write(`${text}\n`);
try {
  const code = await answerCgi(process.env, { write: (bytes) => void process.stdout.write(bytes), say });
  // At once: a peer that hangs must not keep us. What was written to a pipe is there.
  process.exit(code);
} catch (error) {
  say(messageOf(error));
  process.exit(1);
}
