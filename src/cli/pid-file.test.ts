import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writePidFile } from './pid-file.ts';

/** A host on which nobody holds anything. */
const FREE = { lockFile: () => true };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pid-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('holds the number alone, replaces what a former process left, and goes away', () => {
  const path = join(folder, 'pen.pid');
  writeFileSync(path, '4294967296\n');
  const file = writePidFile(path, 77, FREE);
  expect(readFileSync(path, 'utf8')).toBe('77');
  file.remove();
  expect(existsSync(path)).toBe(false);
  file.remove();
});

test('a file that somebody else has put there meanwhile stays', () => {
  const path = join(folder, 'pen.pid');
  const file = writePidFile(path, 77, FREE);
  const other = join(folder, 'other');
  writeFileSync(other, '88');
  rmSync(path);
  symlinkSync(other, path);
  file.remove();
  expect(readFileSync(path, 'utf8')).toBe('88');
});

test('a link is not followed, and what it names is untouched', () => {
  const victim = join(folder, 'victim');
  writeFileSync(victim, 'precious');
  symlinkSync(victim, join(folder, 'link'));
  expect(() => writePidFile(join(folder, 'link'), 1, FREE)).toThrow(/-p: .*link'.*symbolic link/);
  expect(readFileSync(victim, 'utf8')).toBe('precious');
});

test.each(['# servers', '12 13', '-5', '1\n2\n', '7'.repeat(65), `1${' '.repeat(64)}x`])(
  'a file that holds %j is no pid file and stays as it was',
  (text) => {
    const path = join(folder, 'pen.conf');
    writeFileSync(path, text);
    expect(() => writePidFile(path, 1, FREE)).toThrow(/-p: .*pen\.conf': it holds something else than the number/);
    expect(readFileSync(path, 'utf8')).toBe(text);
  },
);

test('a file that somebody holds is left to them, and they are named', () => {
  const path = join(folder, 'pen.pid');
  const held = { lockFile: () => false };
  writeFileSync(path, '4711');
  expect(() => writePidFile(path, 1, held)).toThrow(/process 4711 runs and holds it; stop that process, or name an/);
  expect(readFileSync(path, 'utf8')).toBe('4711');
  // Its holder has it, but has not written yet.
  writeFileSync(path, '');
  expect(() => writePidFile(path, 1, held)).toThrow(/another process runs and holds it/);
});

test('a file that its holder removes while we wait for it is made anew', () => {
  const path = join(folder, 'pen.pid');
  writeFileSync(path, '4711');
  let calls = 0;
  const lockFile = (): boolean => {
    if (calls++ === 0) rmSync(path);
    return true;
  };
  writePidFile(path, 77, { lockFile });
  expect([calls, readFileSync(path, 'utf8')]).toEqual([2, '77']);
});

test.each([
  ['a folder that is not there', 'no/pen.pid', /the folder does not exist/],
  ['a folder', '.', /it is a folder/],
])('%s is an error that says so', (_, name, says) => {
  expect(() => writePidFile(join(folder, name), 1, FREE)).toThrow(says);
});
