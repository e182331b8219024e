import { chmodSync, chownSync, lchownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { needs } from '../../test/support/skip.ts';
import { checkWay } from './safe-way.ts';

const NOBODY = 65534;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pen-way-'));
  mkdirSync(join(folder, 'srv/www'), { recursive: true });
  mkdirSync(join(folder, 'open'));
  chmodSync(join(folder, 'open'), 0o1777);
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (...names: string[]): string => join(folder, ...names);

test('a folder is found, over links that are ours, wherever they are', () => {
  symlinkSync(at('srv/www'), at('absolute'));
  symlinkSync('../srv/./www', at('open/relative'));
  symlinkSync('absolute/../www/', at('winding'));
  for (const name of ['srv/www', 'absolute', 'open/relative', 'winding']) {
    expect(checkWay(join(folder, name, 'page')).isDirectory(), name).toBe(true);
  }
});

test('the way from the present folder is looked at, too', () => {
  const before = process.cwd();
  process.chdir(at('srv'));
  try {
    expect(checkWay('www/page').ino).toBe(checkWay(at('srv/www/page')).ino);
    expect(checkWay('page').ino).toBe(checkWay(at('srv/page')).ino);
  } finally {
    process.chdir(before);
  }
});

test('where everybody may write and remove, anybody may lead it elsewhere; the last folder is the caller’s business', () => {
  mkdirSync(at('open/below'));
  chmodSync(at('open'), 0o777);
  expect(() => checkWay(at('open/below/page'))).toThrow(
    /anybody may lead it elsewhere.*may write to the folder '.*open'/,
  );
  expect(checkWay(at('open/page')).isDirectory()).toBe(true);
});

test('a link that leads to itself ends, and what is not there is said', () => {
  symlinkSync('loop', at('loop'));
  expect(() => checkWay(at('loop/page'))).toThrow(/'.*loop' is a link that leads to itself/);
  expect(() => checkWay(at('none/page'))).toThrow(/ENOENT/);
});

needs({ linux: true, root: true }, 'as root', () => {
  test('what another user has put where everybody may write is not followed, be it a link or a folder', () => {
    symlinkSync(at('srv/www'), at('open/planted'));
    mkdirSync(at('open/other'));
    lchownSync(at('open/planted'), NOBODY, NOBODY);
    chownSync(at('open/other'), NOBODY, NOBODY);
    expect(() => checkWay(at('open/planted/page'))).toThrow(/'.*open\/planted' belongs to another user/);
    expect(() => checkWay(at('open/other/page'))).toThrow(/'.*open\/other' belongs to another user/);
  });

  test('a link that leads over such a place is not followed either', () => {
    symlinkSync(at('srv/www'), at('open/planted'));
    lchownSync(at('open/planted'), NOBODY, NOBODY);
    symlinkSync('open/planted', at('own'));
    expect(() => checkWay(at('own/page'))).toThrow(/'.*open\/planted' belongs to another user/);
  });

  test('a link of whoever it is in a folder where not everybody may write was meant', () => {
    symlinkSync(at('srv/www'), at('srv/link'));
    lchownSync(at('srv/link'), NOBODY, NOBODY);
    expect(checkWay(at('srv/link/page')).isDirectory()).toBe(true);
  });
});
