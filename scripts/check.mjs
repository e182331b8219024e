/**
 * `npm run check`: everything that is judged without running the product: types, lint, format. Leaves a fresh build.
 *
 * All three run even when one fails, because one list of complaints is better than three rounds.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ensureOrExit, root } from './ensure.mjs';

await ensureOrExit({ installOnly: true });
const folders = ['src', 'test', 'bench', 'scripts', 'vitest.config.ts'].filter((path) => existsSync(join(root, path)));
/** @type {Array<[string, string, string[]]>} */
const steps = [
  ['types', 'typescript/bin/tsc', ['-b', 'tsconfig.json']],
  ['lint', 'oxlint/bin/oxlint', ['--type-aware', '--deny-warnings', ...folders]],
  ['format', 'oxfmt/bin/oxfmt', ['--check', ...folders]],
];
/** @type {string[]} */
const failed = [];
for (const [name, program, args] of steps) {
  const path = join(root, 'node_modules', program);
  const result = spawnSync(process.execPath, [path, ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (result.error) throw result.error;
  if (result.status !== 0) failed.push(name);
}
if (failed.length > 0) {
  process.stderr.write(`check failed: ${failed.join(', ')}\n`);
  process.exit(1);
}
// The compiler has written single files; the programs are made of all of them.
await ensureOrExit();
