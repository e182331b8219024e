/**
 * `npm start`: makes the checkout ready and becomes Pen, or the demo when there are no arguments.
 *
 * It becomes it in this very process, by importing it: a child would have to be told about every signal, and would
 * be left behind whenever this process is killed.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureOrExit, root } from './ensure.mjs';

// Compiling takes a while, in which USR1 would open Node's inspector.
process.on('SIGUSR1', () => undefined);
await ensureOrExit();
const name = process.argv.length > 2 ? 'pen' : 'demo';
const program = join(root, 'dist', 'bin', `${name}.js`);
if (!existsSync(program)) {
  process.stderr.write(`pen: there is no src/bin/${name}.ts to start\n`);
  process.exit(1);
}
// The program sees itself as the main module: usage texts and re-execution read argv[1].
process.argv[1] = program;
// Whoever starts it by npm waits for it.
if (name === 'pen') process.argv.splice(2, 0, '-f');
await import(pathToFileURL(program).href);
