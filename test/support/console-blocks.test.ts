import { expect, test } from 'vitest';
import { commandsOf, patternOf } from './console-blocks.ts';

test('commands and their outputs are found in console blocks only', () => {
  const page = [
    'text `$ no`',
    '```console',
    '$ echo a; echo b',
    'a',
    'b',
    '$ true',
    '$ echo c',
    'c',
    '```',
    '```sh',
    '$ not this',
    '```',
    '```console',
    '$ true | true',
    '```',
  ].join('\n');
  expect(commandsOf(page)).toEqual([
    { line: 'echo a; echo b', output: 'a\nb\n' },
    { line: 'true', output: '' },
    { line: 'echo c', output: 'c\n' },
    { line: 'true | true', output: '' },
  ]);
  expect(() => commandsOf('```console\nlost\n$ true\n```')).toThrow('lost');
});

test('an output is compared whole; three dots stand for anything', () => {
  expect('a (b)\n').toMatch(patternOf('a (b)\n'));
  expect('a (b)\nc\n').not.toMatch(patternOf('a (b)\n'));
  expect('xa (b)\n').not.toMatch(patternOf('a (b)\n'));
  expect('').toMatch(patternOf(''));
  expect('c\n').not.toMatch(patternOf(''));
  expect('pid 17 runs\nfor ever\n').toMatch(patternOf('pid ... runs\n...\n'));
  expect('pid 17\n18 runs\n').not.toMatch(patternOf('pid ... runs\n'));
  expect('pid 17 stops\n').not.toMatch(patternOf('pid ... runs\n'));
});
