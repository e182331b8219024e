import { describe, expect, test } from 'vitest';
import { ConfigError } from '../config/model.ts';
import { readCommandLine, type CommandLine } from './arguments.ts';
import { OPTIONS, USAGE } from './options.ts';

function run(...args: string[]): CommandLine {
  const request = readCommandLine(args);
  if (request.kind !== 'run') throw new Error(`is a request for ${request.kind}`);
  return request.line;
}

describe('a command line', () => {
  test('is a listen address and servers', () => {
    expect(run('8080', 'www1:81', 'www2')).toMatchObject({
      commands: [],
      listen: '8080',
      servers: ['www1:81', 'www2'],
      emergency: undefined,
      abuse: undefined,
      control: undefined,
      isExitEnabled: false,
      isForeground: false,
      pidFile: undefined,
      user: undefined,
      jail: undefined,
      notices: [],
    });
  });

  test.each([
    [['-b', '5'], ['blacklist 5']],
    [['-t', '9'], ['timeout 9']],
    [['-x1000'], ['conn_max 1000']],
    [['-x', '-5'], ['conn_max -5']],
    [
      ['-c', '9', '-T', '60'],
      ['clients_max 9', 'tracking 60'],
    ],
    [
      ['-m', '7', '-q', '64'],
      ['accept_batch 7', 'backlog 64'],
    ],
    [['-rsW'], ['roundrobin', 'stubborn', 'weight']],
    [
      ['-h', '-a', '-P'],
      ['hash', 'ascii', 'poll'],
    ],
    [
      ['-d', '-dd'],
      ['debug 1', 'debug 2', 'debug 3'],
    ],
    [
      ['-O', 'idle_timeout 60', '-o', 'keepalive'],
      ['idle_timeout 60', 'keepalive'],
    ],
    [
      ['-rx', '9'],
      ['roundrobin', 'conn_max 9'],
    ],
    [
      ['-b', '', '-t', '5 6'],
      ['blacklist ""', 'timeout "5 6"'],
    ],
  ])('%j is short for commands', (options, commands) => {
    expect(run(...options, '80', 'a').commands.map(({ line }) => line)).toEqual(commands);
  });

  test('is read from left to right, and each command knows its option', () => {
    expect(run('-O', 'conn_max 5', '80', '-x', '7', 'a').commands).toEqual([
      { line: 'conn_max 5', where: '-O', isAsked: true },
      { line: 'conn_max 7', where: '-x', isAsked: false },
    ]);
  });

  test('names addresses, files and the user; the last one counts', () => {
    const line = run(
      '-e',
      'a',
      '-e',
      'b',
      '-B',
      'c',
      '-C',
      '/ctl',
      '-p',
      'f',
      '-u',
      'me',
      '-j',
      'd',
      '-X',
      '-f',
      '80',
      'w',
    );
    expect(line).toMatchObject({
      emergency: 'b',
      abuse: 'c',
      control: '/ctl',
      pidFile: 'f',
      user: 'me',
      jail: 'd',
      isExitEnabled: true,
      isForeground: true,
      servers: ['w'],
    });
  });

  test('takes what stands behind -- as it is', () => {
    expect(run('80', '--', '-x', '-')).toMatchObject({ servers: ['-x', '-'], commands: [] });
  });

  test('obeys options that are obsolete, and says so', () => {
    const line = run('-D', '-n', '-S', '5', '-Q', '80', 'a');
    expect(line.servers).toEqual(['a']);
    expect(line.notices).toEqual(['D', 'n', 'S', 'Q'].map((letter) => `-${letter} is obsolete and has no effect`));
  });
});

describe('help', () => {
  test('is asked for, or given when nothing is said', () => {
    expect(readCommandLine([]).kind).toBe('help');
    expect(readCommandLine(['80', 'a', '--help']).kind).toBe('help');
    expect(readCommandLine(['--help', '--version']).kind).toBe('version');
  });

  test('has a line for each option that does something, at most 80 columns wide', () => {
    for (const { letter, help } of OPTIONS) {
      if (help !== undefined) expect(USAGE).toMatch(new RegExp(`^ {2}-${letter} `, 'm'));
    }
    for (const line of USAGE.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
    const columns = [...USAGE.matchAll(/^ {2}-\S+(?: [A-Z]+)? {2,}(?=\S)/gm)].map(([left]) => left.length);
    expect(columns.length).toBeGreaterThan(20);
    expect(new Set(columns).size, 'all explanations begin in the same column').toBe(1);
  });
});

describe('mistakes', () => {
  test.each([
    [['-y', '80', 'a'], '-y: no such option; pen --help lists them'],
    [['-4', '80', 'a'], '-4: no such option; pen --help lists them'],
    [['-ry', '80', 'a'], '-y: no such option; pen --help lists them'],
    [['--colour', '80', 'a'], '--colour: no such option; pen --help lists them'],
    [['-N', '80', 'a'], '-N: no such option; pen --help lists them'],
    [['-r=1', '80', 'a'], '-=: no such option; pen --help lists them'],
    [['80', 'a', '-x'], '-x: needs N behind it; pen --help tells what it means'],
    [['-p', '', '80', 'a'], '-p: needs the path of a file, not an empty word'],
    [['80', 'a', '-C'], '-C: needs ADDRESS behind it; pen --help tells what it means'],
  ])('%j', (args, message) => {
    expect(() => readCommandLine(args)).toThrow(ConfigError);
    expect(() => readCommandLine(args)).toThrow(message);
  });

  test.each('UEKGARZLHi'.split(''))('-%s is known, but not yet done', (letter) => {
    expect(() => readCommandLine([`-${letter}`, '80', 'a'])).toThrow(`-${letter}: not in this version yet`);
    expect(() => readCommandLine(['80', 'a', `-r${letter}`])).toThrow(`-${letter}: not in this version yet`);
  });
});
