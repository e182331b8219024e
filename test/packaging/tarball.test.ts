/** V6: what is published can be made again by anybody, byte for byte, wherever their checkout lies. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NOT_COPIED = /^(?:node_modules|dist|\.git|\.ensure\.lock)$/;

interface Packed {
  readonly integrity: string;
  readonly files: readonly { readonly path: string }[];
}

function run(cwd: string, ...words: string[]): string {
  const [program = '', ...rest] = words;
  const { status, stdout, stderr } = spawnSync(program, rest, { cwd, encoding: 'utf8' });
  expect(status, `${words.join(' ')}: ${stderr}`).toBe(0);
  return stdout;
}

/** Builds and packs the checkout in a folder of this name. */
function pack(under: string, name: string): Packed {
  const folder = join(under, name);
  cpSync(ROOT, folder, {
    recursive: true,
    filter: (path) => !NOT_COPIED.test(path.slice(ROOT.length)),
  });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  run(folder, process.execPath, 'scripts/build.mjs');
  const [packed] = JSON.parse(run(folder, 'npm', 'pack', '--json', '--ignore-scripts')) as Packed[];
  if (packed === undefined) throw new Error('npm has packed nothing');
  return packed;
}

test('V6: two checkouts make the same tarball, of what is needed to run', { timeout: 300_000 }, () => {
  const under = mkdtempSync(join(tmpdir(), 'pen-pack-'));
  onTestFinished(() => rmSync(under, { recursive: true }));
  const [one, other] = [pack(under, 'a'), pack(under, 'somewhere else/with a longer name')];
  expect(other.integrity).toBe(one.integrity);
  const folders = new Set(one.files.map(({ path }) => /^(?:dist\/)?[^/]*/.exec(path)?.[0]));
  expect([...folders].filter((name) => /test|bench|sim|\.ensure/.test(name ?? ''))).toEqual([]);
  expect(folders.has('dist/bin')).toBe(true);
});
