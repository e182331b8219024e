import { execFileSync } from 'node:child_process';
import type * as nodeFs from 'node:fs';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { LogFile, tryLogFile } from './log-file.ts';

/** How many bytes the disk has room for in the next write, each one once; then there is room again. */
const room: number[] = [];
type Done = (error: Error | null, count: number) => void;
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof nodeFs>();
  const write = (fd: number, bytes: Uint8Array, from: number, length: number, at: null, done: Done): void => {
    const most = room.shift() ?? length;
    if (most === 0) done(Object.assign(new Error('no'), { code: 'ENOSPC' }), 0);
    else fs.write(fd, bytes, from, Math.min(most, length), at, done);
  };
  return { ...fs, write };
});

const FOLDER = mkdtempSync(join(tmpdir(), 'pen-log-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));
const at = (name: string): string => join(FOLDER, name);

const said: string[] = [];
const say = (text: string): void => void said.push(text);

async function put(log: LogFile, ...lines: string[]): Promise<number> {
  let end = 0;
  const ends = Uint32Array.from(lines, (line) => (end += line.length));
  return log.write(Buffer.from(lines.join('')), ends);
}

test('lines are added to what is there; a new file is for its owner and group', async () => {
  const before = process.umask(0);
  const [fresh, old] = [new LogFile(at('fresh'), say), at('old')];
  process.umask(before);
  expect(statSync(at('fresh')).mode & 0o777).toBe(0o640);
  expect(await put(fresh, 'one\n', 'two\n')).toBe(0);
  writeFileSync(old, 'before\n', { mode: 0o600 });
  const log = new LogFile(old, say);
  expect(await put(log, 'after\n')).toBe(0);
  expect([readFileSync(at('fresh'), 'utf8'), readFileSync(old, 'utf8')]).toEqual(['one\ntwo\n', 'before\nafter\n']);
  expect(statSync(old).mode & 0o777).toBe(0o600);
  fresh.close();
  log.close();
});

test('L4: a file that was renamed is left where it is, and what is being written is written to its end there', async () => {
  const log = new LogFile(at('rotated'), say);
  await put(log, 'one\n');
  renameSync(at('rotated'), at('rotated.1'));
  const writing = put(log, 'two\n');
  log.reopen();
  await writing;
  await put(log, 'three\n');
  expect(readFileSync(at('rotated.1'), 'utf8')).toBe('one\ntwo\n');
  expect(readFileSync(at('rotated'), 'utf8')).toBe('three\n');
  log.close();
});

test('one that cannot be opened anew goes on where it is', async () => {
  const log = new LogFile(at('kept'), say);
  renameSync(at('kept'), at('kept.1'));
  symlinkSync(at('kept.1'), at('kept'));
  expect(() => log.reopen()).toThrow('it is a symbolic link, which is not followed');
  expect(await put(log, 'still\n')).toBe(0);
  expect(readFileSync(at('kept.1'), 'utf8')).toBe('still\n');
  log.close();
});

test('V4: neither links nor folders nor FIFOs are logs, and nobody waits for a reader', () => {
  symlinkSync(at('nowhere'), at('link'));
  mkdirSync(at('folder'));
  execFileSync('mkfifo', [at('fifo')]);
  const reasons: Readonly<Record<string, string>> = {
    link: 'it is a symbolic link, which is not followed',
    folder: 'it is a folder',
    fifo: 'it is not an ordinary file',
    'no/such': 'the folder does not exist',
    'old/file': 'what should be its folder is none',
  };
  for (const [name, reason] of Object.entries(reasons)) {
    expect(() => new LogFile(at(name), say), name).toThrow(reason);
    expect(() => tryLogFile(at(name)), name).toThrow(reason);
  }
});

test('finding out whether there can be one makes none', () => {
  expect(() => tryLogFile(at('later'))).not.toThrow();
  expect(() => statSync(at('later'))).toThrow('ENOENT');
});

test('a device that is full is told of once, and its lines are counted', async () => {
  const log = new LogFile('/dev/full', say);
  said.length = 0;
  expect([await put(log, 'one\n', 'two\n'), await put(log, 'three\n')]).toEqual([2, 1]);
  expect(said).toEqual(["cannot write the log '/dev/full': no space left on its device"]);
  log.close();
});

test('after a line that is torn, however often the disk stays full, the next one is a line of its own', async () => {
  const log = new LogFile(at('torn'), say);
  room.push(6, 0, 0, 0);
  expect(await put(log, 'one\n', 'two\n')).toBe(1);
  expect(await put(log, 'three\n')).toBe(1);
  expect(await put(log, 'four\n')).toBe(1);
  expect(await put(log, 'five\n')).toBe(0);
  expect(readFileSync(at('torn'), 'utf8')).toBe('one\ntw\nfive\n');
  log.close();
});
