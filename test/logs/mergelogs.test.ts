/** `mergelogs` as a process: what it reads and writes. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OURS, run, Stage } from './programs.ts';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
  writeFileSync(stage.path('pen'), '1.1.1.1 1010532530 10.0.18.6 GET /robots.txt HTTP/1.0\n');
  writeFileSync(stage.path('web'), 'junk\n9.9.9.9 - - [09/Jan/2002:00:28:50 +0100] "GET /robots.txt HTTP/1.0" 404 268');
});
afterEach(() => stage.end());

const LINE = '1.1.1.1 - - [08/Jan/2002:23:28:50 +0000] "GET /robots.txt HTTP/1.0" 404 268\n';
const merge = (...args: string[]) => run([...OURS.mergelogs, ...args]);

test('prints lines, and puts those of another shape where they are wanted', () => {
  const args = ['-p', stage.path('pen'), `10.0.18.6:${stage.path('web')}`];
  expect(merge(...args)).toEqual({ status: 0, stdout: `junk\n${LINE}`, stderr: '' });
  expect(merge('-r', stage.path('rejects'), ...args)).toEqual({ status: 0, stdout: LINE, stderr: '' });
  expect(readFileSync(stage.path('rejects'), 'utf8')).toBe('junk\n');
});

test('says when nobody is found in a log, because its server is probably called otherwise', () => {
  const { status, stderr } = merge('-p', stage.path('pen'), `www1:${stage.path('web')}`);
  expect({ status, stderr }).toEqual({
    status: 0,
    stderr: expect.stringContaining('has no client for any of its 1 lines; is www1 what pen calls that server'),
  });
});

test('ends when nobody reads what it prints', () => {
  const line = readFileSync(stage.path('web'), 'latin1').split('\n')[1] ?? '';
  writeFileSync(stage.path('web'), `${line}\n`.repeat(50_000));
  const command = [...OURS.mergelogs, '-p', stage.path('pen'), `10.0.18.6:${stage.path('web')}`].join(' ');
  const { stdout, stderr } = run(['bash', '-c', `${command} | head -1; echo "\${PIPESTATUS[0]}"`]);
  expect({ stdout, stderr }).toEqual({ stdout: `${LINE}1\n`, stderr: '' });
});

test('says what is wrong, and fails', () => {
  expect(merge()).toMatchObject({ status: 0, stdout: expect.stringMatching(/^usage: mergelogs -p penlog /) });
  expect(merge('-p', stage.path('none'), 'a:b')).toEqual({
    status: 1,
    stdout: '',
    stderr: `mergelogs: -p: cannot read '${stage.path('none')}': there is no such file\n`,
  });
});
