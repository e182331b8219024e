import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { needs } from '../../test/support/skip.ts';
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
  const file = writePidFile(path, 77, { host: FREE });
  expect(readFileSync(path, 'utf8')).toBe('77');
  file.remove();
  expect(existsSync(path)).toBe(false);
  file.remove();
});

test('a file that somebody else has put there meanwhile stays', () => {
  const path = join(folder, 'pen.pid');
  const file = writePidFile(path, 77, { host: FREE });
  const other = join(folder, 'other');
  writeFileSync(other, '88');
  rmSync(path);
  symlinkSync(other, path);
  file.remove();
  expect(readFileSync(path, 'utf8')).toBe('88');
});

test('V4: a link is not followed, and what it names is untouched', () => {
  const victim = join(folder, 'victim');
  writeFileSync(victim, 'precious');
  symlinkSync(victim, join(folder, 'link'));
  expect(() => writePidFile(join(folder, 'link'), 1, { host: FREE })).toThrow(/-p: .*link'.*symbolic link/);
  expect(readFileSync(victim, 'utf8')).toBe('precious');
});

test.each(['# servers', '12 13', '-5', '1\n2\n', '7'.repeat(65), `1${' '.repeat(64)}x`])(
  'a file that holds %j is no pid file and stays as it was',
  (text) => {
    const path = join(folder, 'pen.conf');
    writeFileSync(path, text);
    expect(() => writePidFile(path, 1, { host: FREE })).toThrow(
      /-p: .*pen\.conf': it holds something else than the number/,
    );
    expect(readFileSync(path, 'utf8')).toBe(text);
  },
);

test('a file that somebody holds is left to them, and they are named', () => {
  const path = join(folder, 'pen.pid');
  const held = { lockFile: () => false };
  writeFileSync(path, '4711');
  expect(() => writePidFile(path, 1, { host: held })).toThrow(
    /process 4711 runs and holds it; stop that process, or name an/,
  );
  expect(readFileSync(path, 'utf8')).toBe('4711');
  // Its holder has it, but has not written yet.
  writeFileSync(path, '');
  expect(() => writePidFile(path, 1, { host: held })).toThrow(/another process runs and holds it/);
});

test('a file that its holder removes while we wait for it is made anew', () => {
  const path = join(folder, 'pen.pid');
  writeFileSync(path, '4711');
  let calls = 0;
  const lockFile = (): boolean => {
    if (calls++ === 0) rmSync(path);
    return true;
  };
  writePidFile(path, 77, { host: { lockFile } });
  expect([calls, readFileSync(path, 'utf8')]).toEqual([2, '77']);
});

test.each([
  ['a folder that is not there', 'no/pen.pid', /the folder does not exist/],
  ['a folder', '.', /it is a folder/],
])('%s is an error that says so', (_, name, says) => {
  expect(() => writePidFile(join(folder, name), 1, { host: FREE })).toThrow(says);
});

test('whoever sees files with other eyes is told so', () => {
  const view = ' (in the jail /var/lib/pen, as www)';
  expect(() => writePidFile(join(folder, 'no', 'pid'), 1, { host: FREE, view })).toThrow(
    `-p: cannot write the pid file '${join(folder, 'no', 'pid')}' (in the jail /var/lib/pen, as www): the folder does`,
  );
});

test('only its owner may write to it, whatever the umask', () => {
  const before = process.umask(0);
  try {
    writePidFile(join(folder, 'pen.pid'), 77, { host: FREE });
  } finally {
    process.umask(before);
  }
  expect(statSync(join(folder, 'pen.pid')).mode & 0o777).toBe(0o644);
});

test('a file that has another name as well is left alone', () => {
  const path = join(folder, 'pen.pid');
  writeFileSync(join(folder, 'victim'), '4711');
  linkSync(join(folder, 'victim'), path);
  expect(() => writePidFile(path, 77, { host: FREE })).toThrow(
    /another name as well \(a hard link\), so it was left alone/,
  );
  expect(readFileSync(path, 'utf8')).toBe('4711');
});

test('V4: where everybody may write it is refused, unless nobody may remove what is ours', () => {
  const path = join(folder, 'pen.pid');
  chmodSync(folder, 0o777);
  expect(() => writePidFile(path, 77, { host: FREE })).toThrow(/-p: .*everybody may write to the folder/);
  expect(existsSync(path)).toBe(false);
  chmodSync(folder, 0o1777);
  writePidFile(path, 77, { host: FREE });
  expect(readFileSync(path, 'utf8')).toBe('77');
});

needs({ linux: true, root: true }, 'as root', () => {
  test('a folder that somebody has planted where everybody may write is not used', () => {
    mkdirSync(join(folder, 'open'));
    chmodSync(join(folder, 'open'), 0o1777);
    mkdirSync(join(folder, 'own'));
    symlinkSync(join(folder, 'own'), join(folder, 'open', 'run'));
    lchownSync(join(folder, 'open', 'run'), 65534, 65534);
    expect(() => writePidFile(join(folder, 'open', 'run', 'pid'), 77, { host: FREE })).toThrow(
      /-p: .*run' belongs to another user/,
    );
    expect(existsSync(join(folder, 'own', 'pid'))).toBe(false);
  });

  test("a file of another user is not written to: it would stay that user's", () => {
    const path = join(folder, 'pen.pid');
    writeFileSync(path, '4711');
    chownSync(path, 65534, 65534);
    expect(() => writePidFile(path, 77, { host: FREE })).toThrow(/-p: .*belongs to another user.*remove it first/);
    expect(readFileSync(path, 'utf8')).toBe('4711');
  });
});
