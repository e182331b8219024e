import { describe, expect, test } from 'vitest';
import { ConfigError, DEFAULT_SETTINGS } from '../config/model.ts';
import { readCommandLine, USAGE, type CommandLine } from './arguments.ts';

function run(...args: string[]): CommandLine {
  const request = readCommandLine(args);
  if (request.kind !== 'run') throw new Error(`is a request for ${request.kind}`);
  return request.line;
}

describe('a command line', () => {
  test('of a listen address and servers has the defaults of the original', () => {
    const line = run('8080', 'www1:81', 'www2');
    expect(line.listen).toEqual({ host: '0.0.0.0', port: '8080' });
    expect(line.servers.map(({ address }) => address)).toEqual([
      { host: 'www1', port: '81' },
      { host: 'www2', port: '8080' },
    ]);
    expect(line.configuration.settings).toEqual(DEFAULT_SETTINGS);
    expect(line.emergency).toBeUndefined();
  });

  test.each([
    [['-b', '5'], { blacklist: 5 }],
    [['-t', '9'], { timeout: 9 }],
    [['-x', '1000'], { connMax: 1000 }],
    [['-x1000'], { connMax: 1000 }],
    [['-m', '7'], { acceptBatch: 7 }],
    [['-q', '64'], { backlog: 64 }],
    [['-s'], { stubborn: true }],
    [['-r', '-f'], { roundrobin: true }],
    [['-rsf'], { roundrobin: true, stubborn: true }],
    [['-O', 'idle_timeout 60', '-O', 'keepalive'], { idleTimeout: 60, keepalive: true }],
    [['-rx', '9'], { roundrobin: true, connMax: 9 }],
  ])('%j', (options, wanted) => {
    expect(run(...options, '80', 'a').configuration.settings).toEqual({ ...DEFAULT_SETTINGS, ...wanted });
  });

  test('is read from left to right: the last word counts, whichever way it was said', () => {
    expect(run('-O', 'conn_max 5', '-x', '7', '80', 'a').configuration.settings.connMax).toBe(7);
    expect(run('-x', '7', '-O', 'conn_max 5', '80', 'a').configuration.settings.connMax, 'only grows').toBe(7);
    expect(run('-x', '7', '-x', '8', '80', 'a').configuration.settings.connMax).toBe(8);
    expect(run('-s', '-O', 'no stubborn', '80', 'a').configuration.settings.stubborn).toBe(false);
    expect(run('-O', 'no stubborn', '-s', '80', 'a').configuration.settings.stubborn).toBe(true);
  });

  test('may have its options behind the servers', () => {
    expect(run('80', 'a', '-x', '10').configuration.settings.connMax).toBe(10);
  });

  test('gives the emergency server the port of the listener', () => {
    expect(run('-e', 'spare::3', '80', 'a').emergency).toMatchObject({
      address: { host: 'spare', port: '80' },
      max: 3,
    });
  });

  test('of a unix listener makes servers name their port', () => {
    expect(run('/run/pen.sock', 'a:80').listen).toEqual({ path: '/run/pen.sock' });
    expect(() => run('/run/pen.sock', 'a')).toThrow("server: 'a' needs a port, because the listener has none");
    expect(() => run('-e', 'a', '/run/pen.sock', 'b:1')).toThrow("-e: 'a' needs a port, because the listener has none");
  });
});

describe('help and version', () => {
  test('are given when asked for, or when nothing is said at all', () => {
    expect(readCommandLine(['--help']).kind).toBe('help');
    expect(readCommandLine([]).kind).toBe('help');
    expect(readCommandLine(['--version']).kind).toBe('version');
    expect(readCommandLine(['--version', '80', 'a']).kind).toBe('version');
  });

  test('the help names every option there is', () => {
    for (const letter of 'CXubetxmqOrsf') expect(USAGE).toMatch(new RegExp(`^ {2}-${letter} `, 'm'));
  });
});

describe('mistakes', () => {
  test.each([
    [['-x', 'many', '80', 'a'], "-x 'conn_max': 'many' is not a whole number from 0 to 131072"],
    [['-x', '131073', '80', 'a'], "-x 'conn_max': '131073' is not a whole number from 0 to 131072"],
    [['-t', '0', '80', 'a'], "-t 'timeout': '0' is not a whole number from 1 to 10000000"],
    [['-b', '1s', '80', 'a'], "-b 'blacklist': '1s' is not a whole number from 0 to 10000000"],
    [['-m', '', '80', 'a'], '-m: needs a number'],
    [['-q', '70000', '80', 'a'], "-q 'backlog': '70000' is not a whole number from 1 to 65535"],
    [['-e', ':80', '80', 'a'], "-e: ':80' has no host; write host:port, [ipv6]:port or /path"],
    [['-O', 'dance', '80', 'a'], "-O 'dance': there is no such command"],
    [['80'], "pen: needs at least one server after the listen address '80'"],
    [['127.0.0.1:', 'a'], "listen address: '127.0.0.1:' has no port; write host:port, [ipv6]:port or /path"],
    [['80', 'a:b:c'], "server 'a:b:c', max: 'c' is not a whole number from 0 to 2147483647"],
    [['-y', '80', 'a'], '-y: no such option; pen --help lists them'],
    [['-4', '80', 'a'], '-4: no such option; pen --help lists them'],
    [['--colour', '80', 'a'], '--colour'],
    [['80', 'a', '-x'], '-x'],
    [['-x', '-5', '80', 'a'], '-x'],
    [['-r=1', '80', 'a'], '-'],
  ])('%j', (args, message) => {
    expect(() => readCommandLine(args)).toThrow(ConfigError);
    expect(() => readCommandLine(args)).toThrow(message);
  });

  test.each('BFPTUWacdhijlopwEKGARZLHDQSn'.split(''))('-%s of the original is known, but not yet done', (letter) => {
    expect(() => readCommandLine([`-${letter}`, '80', 'a'])).toThrow(`-${letter}: not in this version yet`);
    expect(() => readCommandLine([`-r${letter}`, '80', 'a'])).toThrow(`-${letter}: not in this version yet`);
  });
});
