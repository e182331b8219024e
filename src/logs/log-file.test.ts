import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import type * as nodeFs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LogFile } from './log-file.ts';

/** What the next write does instead of writing; undefined: write. */
const trouble: (() => number)[] = [];
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof nodeFs>();
  const writeSync = (fd: number, bytes: Uint8Array, at: number): number => {
    const instead = trouble.shift();
    if (!instead) return fs.writeSync(fd, bytes, at);
    const count = instead();
    return fs.writeSync(fd, bytes, at, count);
  };
  return { ...fs, writeSync };
});
const fails = (code: string) => (): number => {
  throw Object.assign(new Error(`${code}: no`), { code });
};

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pen-log-'));
  path = join(folder, 'log');
});
afterEach(() => {
  trouble.length = 0;
  rmSync(folder, { recursive: true });
});
const read = (name = 'log'): string => readFileSync(join(folder, name), 'latin1');

test('lines are appended, for nobody else to read', () => {
  writeFileSync(path, 'before\n');
  rmSync(path);
  const log = new LogFile(path);
  log.add('one');
  log.add('tw\xff');
  expect(read()).toBe('');
  log.close();
  expect(read()).toBe('one\ntw\xff\n');
  expect(statSync(path).mode & 0o007).toBe(0);
  const again = new LogFile(path);
  again.add('three');
  again.close();
  expect(read()).toBe('one\ntw\xff\nthree\n');
});

test('a file that is renamed gets all lines up to the moment in which it is opened again', () => {
  const log = new LogFile(path);
  log.add('one');
  log.flush();
  renameSync(path, join(folder, 'old'));
  log.add('two');
  log.reopen();
  log.add('three');
  log.close();
  expect([read('old'), read()]).toEqual(['one\ntwo\n', 'three\n']);
});

test('a file that is cut is written to from its start', () => {
  const log = new LogFile(path);
  log.add('one');
  log.flush();
  closeSync(openSync(path, 'w'));
  log.add('two');
  log.close();
  expect(read()).toBe('two\n');
});

test('what cannot be opened again is kept', () => {
  const log = new LogFile(path);
  renameSync(path, join(folder, 'old'));
  symlinkSync('/dev/null', path);
  expect(() => log.reopen()).toThrow('it is a symbolic link, which is not followed');
  log.add('one');
  log.close();
  expect(read('old')).toBe('one\n');
});

test.each([
  ['none/log', 'the folder does not exist'],
  ['.', 'it is a folder'],
])('%s cannot be a log', (name, reason) => expect(() => new LogFile(join(folder, name))).toThrow(reason));

test('a reader that is slow is waited for', () => {
  const log = new LogFile(path);
  trouble.push(() => 2, fails('EAGAIN'), fails('EAGAIN'));
  log.add('one');
  log.close();
  expect({ text: read(), lost: log.lostCount }).toEqual({ text: 'one\n', lost: 0 });
});

test('a full disk costs lines, which are counted, and tears none of the later ones', () => {
  const log = new LogFile(path);
  trouble.push(
    () => 6,
    fails('ENOSPC'),
    () => 2,
    fails('ENOSPC'),
    fails('ENOSPC'),
  );
  for (const line of ['one', 'two', 'three']) log.add(line);
  log.flush();
  expect({ text: read(), lost: log.lostCount, failure: log.failure }).toEqual({
    text: 'one\ntw',
    lost: 2,
    failure: 'ENOSPC: no',
  });
  for (const line of ['four', 'five', 'six']) {
    log.add(line);
    log.flush();
  }
  expect({ text: read(), lost: log.lostCount, failure: log.failure }).toEqual({
    text: 'one\ntw\nf\nsix\n',
    lost: 4,
    failure: undefined,
  });
});
