import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { readLetters } from './letters.ts';
import { MERGELOGS, mergelogs } from './mergelogs.ts';
import { showProgress } from './progress.ts';

let folder = '';
const at = (name: string): string => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pen-merge-'));
  writeFileSync(at('pen.log'), '1.1.1.1 1010532530 10.0.18.6 GET / HTTP/1.0\n');
  writeFileSync(at('web.log'), '9.9.9.9 - - [09/Jan/2002:00:28:50 +0100] "GET / HTTP/1.0" 404 268\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]) => mergelogs(readLetters(MERGELOGS, args));

test('without logs usage is wanted', () => {
  expect(run()).toBeUndefined();
  expect(run('-p', at('none'))).toBeUndefined();
});

test.each([
  [['a:b'], '-p: missing; say which file is the log of pen'],
  [['-p', 'none', 'a:b'], "-p: cannot read 'none': there is no such file"],
  [['-p', '/dev/null', 'a:/tmp'], "a:/tmp: cannot read '/tmp': it is a folder"],
  [['-p', '/dev/null', 'b'], 'b: write server:logfile, an IPv6 address in brackets'],
  [['-p', '/dev/null', ':b'], ':b: write server:logfile, an IPv6 address in brackets'],
  [['-p', '/dev/null', 'a:'], 'a:: write server:logfile, an IPv6 address in brackets'],
  [['-p', '/dev/null', '[::1:b'], "[::1:b: cannot read ':1:b': there is no such file"],
  [['-p', '/dev/null', '[::1]:none'], "::1:none: cannot read 'none': there is no such file"],
  [['-p', '/dev/null', '-j', 'x', 'a:b'], "-j: 'x' is not a whole number from 0 to 2147483647"],
  [['-p', '/dev/null', '-j', '-1', 'a:b'], "-j: '-1' is not a whole number from 0 to 2147483647"],
  [['-p', '/dev/null', '-r', '/none/x', 'a:/dev/null'], "-r: cannot write '/none/x' (ENOENT)"],
] as const)('%j is refused', (args, message) => expect(() => run(...args)).toThrow(message));

test.each([
  ['shown at a terminal', true, false, ['\r\x1b[Kmergelogs: 20 lines, 20 lines/s', '\r\x1b[K']],
  ['not said elsewhere', false, false, []],
  ['not mixed with output at a terminal', true, true, []],
])('progress is %s', (_, isTTY, isOutputTTY, expected) => {
  const written: string[] = [];
  const terminal = { isTTY, write: (text: string) => written.push(text) > 0 };
  const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
  const progress = showProgress('mergelogs', [], terminal, { isTTY: isOutputTTY });
  progress.tick(10);
  clock.mockReturnValue(1000);
  progress.tick(10);
  progress.end();
  clock.mockRestore();
  expect(written).toEqual(expected);
});
