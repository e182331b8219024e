/** `npm start` in a fresh checkout on a machine without a network. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NEEDED = ['scripts', 'package.json', 'package-lock.json', '.npmrc'];
/** Where nobody listens: the port is reserved for nothing that still runs. */
const NOWHERE = 'http://127.0.0.1:9/';
/** Left alone, npm tries for 70 seconds. */
const PATIENCE_MS = 60_000;

test(
  'says first what it does and what it needs, and in the end what is to be done',
  { timeout: 2 * PATIENCE_MS },
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'pen-fresh-'));
    for (const path of NEEDED) cpSync(join(ROOT, path), join(folder, path), { recursive: true });
    const others = Object.entries(process.env).filter(([name]) => !/^npm_config_/i.test(name));
    const env = {
      ...Object.fromEntries(others),
      HOME: folder,
      npm_config_cache: join(folder, 'cache'),
      npm_config_registry: NOWHERE,
    };
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'scripts', 'start.mjs')], {
      encoding: 'utf8',
      env,
      timeout: PATIENCE_MS,
    });
    rmSync(folder, { recursive: true });
    expect({ status, signal, stdout }, stderr).toEqual({ status: 1, signal: null, stdout: '' });
    const lines = stderr.trim().split('\n');
    expect(lines[0]).toMatch(/^pen: installing packages \(the first time\): this needs the npm registry/);
    expect(stderr).toMatch(/npm error.*ECONNREFUSED/);
    expect(lines.at(-1)).toMatch(
      /^pen: packages cannot be installed: .* ci .*\(exit code 1\), see above; without a network, bring node_modules/,
    );
    // One line each: a stack would say less.
    expect(stderr).not.toMatch(/^\s+at /m);
  },
);
