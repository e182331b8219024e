import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writePidFile } from './pid-file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pid-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('holds the number alone, replaces what a former process left, and goes away', () => {
  const path = join(folder, 'pen.pid');
  writeFileSync(path, '4294967296 and more');
  const file = writePidFile(path, 77);
  expect(readFileSync(path, 'utf8')).toBe('77');
  file.remove();
  expect(existsSync(path)).toBe(false);
  file.remove();
});

test('a file that somebody else has put there meanwhile stays', () => {
  const path = join(folder, 'pen.pid');
  const file = writePidFile(path, 77);
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
  expect(() => writePidFile(join(folder, 'link'), 1)).toThrow(/-p: .*link'.*symbolic link/);
  expect(readFileSync(victim, 'utf8')).toBe('precious');
});

test.each([
  ['a folder that is not there', 'no/pen.pid', /the folder does not exist/],
  ['a folder', '.', /it is a folder/],
])('%s is an error that says so', (_, name, says) => {
  expect(() => writePidFile(join(folder, name), 1)).toThrow(says);
});
