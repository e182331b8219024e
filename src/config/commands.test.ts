import { describe, expect, test } from 'vitest';
import { applyCommand, commandWords } from './commands.ts';
import { ConfigError, DEFAULT_SETTINGS, type Settings } from './model.ts';

function change(line: string): Partial<Settings> {
  const before = structuredClone(DEFAULT_SETTINGS);
  const after = applyCommand(DEFAULT_SETTINGS, line, '-O');
  expect(DEFAULT_SETTINGS, 'the settings given are never changed').toEqual(before);
  return Object.fromEntries(
    Object.entries(after).filter(([key, value]) => DEFAULT_SETTINGS[key as keyof Settings] !== value),
  );
}

describe('commands that change one setting', () => {
  test.each([
    ['uring', { loop: 'uring' }],
    ['epoll', { loop: 'epoll' }],
    ['blacklist 7', { blacklist: 7 }],
    ['blacklist 0', { blacklist: 0 }],
    ['timeout 1', { timeout: 1 }],
    ['idle_timeout 60', { idleTimeout: 60 }],
    ['half_closed_timeout 5', { halfClosedTimeout: 5 }],
    ['conn_max 131072', { connMax: 131072 }],
    ['pending_max 1', { pendingMax: 1 }],
    ['accept_batch 10', { acceptBatch: 10 }],
    ['backlog 65535', { backlog: 65535 }],
    ['tcp_fastclose up', { tcpFastclose: 'up' }],
    ['tcp_fastclose down', { tcpFastclose: 'down' }],
    ['tcp_fastclose both', { tcpFastclose: 'both' }],
    ['no tcp_nodelay', { tcpNodelay: false }],
    ['keepalive', { keepalive: true }],
    ['stubborn', { stubborn: true }],
    ['  timeout \t 9  ', { timeout: 9 }],
  ])('%s', (line, wanted) => {
    expect(change(line)).toEqual(wanted);
  });

  test.each(['tcp_nodelay', 'no keepalive', 'no stubborn', 'tcp_fastclose off', 'roundrobin'])(
    '%s is the default',
    (line) => {
      expect(change(line)).toEqual({});
    },
  );

  test('the last one wins', () => {
    const settings = applyCommand(applyCommand(DEFAULT_SETTINGS, 'keepalive', '-O'), 'no keepalive', '-O');
    expect(settings).toEqual(DEFAULT_SETTINGS);
  });
});

describe('mistakes name where they stand and what would be right', () => {
  test.each([
    ['timeout', "-O 'timeout': takes exactly one word, not 0"],
    ['timeout 1 2', "-O 'timeout': takes exactly one word, not 2"],
    ['timeout 0', "-O 'timeout': '0' is not a whole number from 1 to 10000000"],
    ['timeout 1.5', "-O 'timeout': '1.5' is not a whole number from 1 to 10000000"],
    ['timeout -1', "-O 'timeout': '-1' is not a whole number"],
    ['timeout 99999999999', "-O 'timeout': '99999999999' is not a whole number"],
    ['conn_max 131073', "-O 'conn_max': '131073' is not a whole number from 1 to 131072"],
    ['tcp_fastclose sideways', "-O 'tcp_fastclose': 'sideways' is not one of up, down, both, off"],
    ['tcp_fastclose', "-O 'tcp_fastclose': takes exactly one word, not 0"],
    ['keepalive yes', "-O 'keepalive': takes nothing after it, not 'yes'"],
    ['epoll now', "-O 'epoll': takes nothing after it, not 'now'"],
    ['no keepalive 1', "-O 'no keepalive': takes nothing after it, not '1'"],
    ['keep_alive', "-O: 'keep_alive' is not a command of this version; it knows uring, epoll,"],
    ['no timeout', "-O: 'no timeout' is not a command of this version"],
    ['no', "-O: 'no' is not a command of this version"],
    ['', "-O: '' is not a command of this version"],
    ['constructor', "-O: 'constructor' is not a command of this version"],
  ])('%j', (line, message) => {
    expect(() => applyCommand(DEFAULT_SETTINGS, line, '-O')).toThrow(ConfigError);
    expect(() => applyCommand(DEFAULT_SETTINGS, line, '-O')).toThrow(message);
  });

  test('the help lists each command once', () => {
    const words = commandWords();
    expect(new Set(words).size).toBe(words.length);
    expect(words).toContain('no tcp_nodelay');
  });
});
