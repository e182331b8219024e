import { describe, expect, test } from 'vitest';
import { ConfigError } from '../config/model.ts';
import { readPenctl } from './penctl.ts';

describe('the command line of penctl', () => {
  test.each([
    [['127.0.0.1:8888', 'mode'], { host: '127.0.0.1', port: '8888' }, 'mode\n'],
    [['::1:8888', 'server', '0', 'max', '3'], { host: '::1', port: '8888' }, 'server 0 max 3\n'],
    [['[::1]:8888', 'server 0', 'max 3'], { host: '::1', port: '8888' }, 'server 0 max 3\n'],
    [['/run/pen.ctl', 'servers'], { path: '/run/pen.ctl' }, 'servers\n'],
    [['lb:pen', ''], { host: 'lb', port: 'pen' }, '\n'],
    [['lb:1', 'x'.repeat(65_535)], { host: 'lb', port: '1' }, `${'x'.repeat(65_535)}\n`],
  ])('%j', (args, address, line) => {
    expect(readPenctl(args)).toEqual({ address, line });
  });

  test.each([[[]], [['lb:1']]])('%j asks for usage', (args) => {
    expect(readPenctl(args)).toBeUndefined();
  });

  test.each([
    [['8888', 'mode'], "penctl: '8888' has no port; write host:port, [ipv6]:port or /path"],
    [['lb:', 'mode'], "penctl: 'lb:' has no port"],
    [['lb:1', 'mode\nexit'], 'penctl: a command is one line'],
    [['lb:1', 'x'.repeat(65_536)], 'penctl: the command has 65537 bytes, of 65536 possible'],
  ])('%j is a mistake', (args, message) => {
    expect(() => readPenctl(args)).toThrow(ConfigError);
    expect(() => readPenctl(args)).toThrow(message);
  });
});
