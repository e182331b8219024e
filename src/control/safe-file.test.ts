import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { needs } from '../../test/support/skip.ts';
import { FileError, replaceFile } from './safe-file.ts';

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pen-safe-file-'));
  path = join(folder, 'page.html');
});
afterEach(() => rmSync(folder, { recursive: true }));

const modeOf = (path: string): number => statSync(path).mode & 0o777;

test('a file is made with the permissions that were asked for, from its pieces', async () => {
  await replaceFile(path, ['one', '', 'two'], { mode: 0o644 });
  expect(readFileSync(path, 'utf8')).toBe('onetwo');
  expect(modeOf(path)).toBe(0o644);
  expect(readdirSync(folder)).toEqual(['page.html']);
});

test('whoever reads sees the old one or the new one, and who had the old one open keeps it', async () => {
  writeFileSync(path, 'old');
  const seen: string[] = [];
  function* pieces(): Generator<string> {
    for (const piece of ['new', ' and', ' whole']) {
      seen.push(readFileSync(path, 'utf8'));
      yield piece;
    }
  }
  await replaceFile(path, pieces(), { mode: 0o600, isDurable: true });
  expect(seen).toEqual(['old', 'old', 'old']);
  expect(readFileSync(path, 'utf8')).toBe('new and whole');
  expect(modeOf(path)).toBe(0o600);
});

test('a file that others read keeps its permissions; one that they must not read gets its own', async () => {
  writeFileSync(path, 'old');
  chmodSync(path, 0o640);
  await replaceFile(path, ['new'], { mode: 0o644, keepsOwner: true });
  expect(modeOf(path)).toBe(0o640);
  await replaceFile(path, ['new'], { mode: 0o600 });
  expect(modeOf(path)).toBe(0o600);
});

test('V4: a link is left alone, and so is what it leads to, be it there or not', async () => {
  const target = join(folder, 'target');
  symlinkSync(target, path);
  const refused = { name: 'FileError', message: 'it is a symbolic link, which is not followed' };
  await expect(replaceFile(path, ['x'], { mode: 0o600 })).rejects.toMatchObject(refused);
  expect(existsSync(target)).toBe(false);
  writeFileSync(target, 'precious');
  await expect(replaceFile(path, ['x'], { mode: 0o600 })).rejects.toMatchObject(refused);
  expect(readFileSync(target, 'utf8')).toBe('precious');
  expect(lstatSync(path).isSymbolicLink()).toBe(true);
  expect(readdirSync(folder).sort()).toEqual(['page.html', 'target']);
});

test('a folder may be a link that its owner has made, as /var/www to /srv/www', async () => {
  mkdirSync(join(folder, 'srv'));
  symlinkSync('srv', join(folder, 'www'));
  await replaceFile(join(folder, 'www', 'page.html'), ['x'], { mode: 0o644 });
  expect(readFileSync(join(folder, 'srv', 'page.html'), 'utf8')).toBe('x');
});

needs({ linux: true, root: true }, 'as root', () => {
  test('V4: a link that somebody has planted where everybody may write leads nowhere', async () => {
    const [open, own] = [join(folder, 'open'), join(folder, 'own')];
    for (const each of [open, own]) mkdirSync(each);
    chmodSync(open, 0o1777);
    symlinkSync(own, join(open, 'planted'));
    lchownSync(join(open, 'planted'), 65534, 65534);
    const wanted = replaceFile(join(open, 'planted', 'page.html'), ['x'], { mode: 0o644 });
    await expect(wanted).rejects.toThrow(
      /^'.*planted' belongs to another user, who could lead it elsewhere; everybody/,
    );
    expect(readdirSync(own)).toEqual([]);
  });
});

test('V4: neither folder nor FIFO nor device is replaced, and nobody waits for a reader', async () => {
  mkdirSync(path);
  await expect(replaceFile(path, ['x'], { mode: 0o600 })).rejects.toThrow('it is a folder');
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  await expect(replaceFile(fifo, ['x'], { mode: 0o600 })).rejects.toThrow('it is not an ordinary file');
  await expect(replaceFile('/dev/null', ['x'], { mode: 0o600 })).rejects.toThrow('it is not an ordinary file');
});

test('what goes wrong is said in words, and leaves nothing behind', async () => {
  await expect(replaceFile(join(folder, 'none', 'page'), ['x'], { mode: 0o600 })).rejects.toThrow(
    'the folder does not exist',
  );
  writeFileSync(path, 'old');
  await expect(replaceFile(join(path, 'page'), ['x'], { mode: 0o600 })).rejects.toThrow(
    'what should be its folder is none',
  );
  function* failing(): Generator<string> {
    yield 'half';
    throw new Error('no more');
  }
  await expect(replaceFile(path, failing(), { mode: 0o600 })).rejects.toThrow(new FileError('no more'));
  expect(readFileSync(path, 'utf8')).toBe('old');
  expect(readdirSync(folder)).toEqual(['page.html']);
});
