import { describe, expect, test } from 'vitest';
import { KIND_IPV4, type Endpoint } from '../base/endpoint.ts';
import { literalEndpoint, unixEndpoint, type WrittenAddress } from '../config/address.ts';
import { idleFacts } from '../config/command.ts';
import { ConfigError, DEFAULT_SETTINGS } from '../config/model.ts';
import { readCommandLine } from './arguments.ts';
import { configure, type Configured } from './configure.ts';

const NAMES: Readonly<Record<string, string>> = { www1: '10.0.0.1', www2: '10.0.0.2' };

async function resolve(address: WrittenAddress, where: string): Promise<Endpoint> {
  if ('path' in address) return unixEndpoint(address.path);
  const port = address.port === 'http' ? 80 : Number(address.port);
  const endpoint = literalEndpoint(NAMES[address.host] ?? address.host, port, where);
  if (!endpoint) throw new ConfigError(where, `host '${address.host}' cannot be resolved`);
  return endpoint;
}

async function from(...args: string[]): Promise<Configured> {
  const request = readCommandLine(args);
  if (request.kind !== 'run') throw new Error(`is a request for ${request.kind}`);
  const servicePort = (name: string): number | undefined => (name === 'http' ? 80 : undefined);
  return configure(request.line, { facts: idleFacts(4711), servicePort, resolve });
}

function at(host: string, port: number): Endpoint {
  return { kind: KIND_IPV4, ip: Uint8Array.from(host.split('.').map(Number)), port };
}

describe('the configuration of a command line', () => {
  test('of addresses alone has the defaults of the original', async () => {
    const { configuration, replies, actions } = await from('8080', 'www1:81', 'www2');
    expect(configuration.listen).toEqual({ text: '8080', endpoint: at('0.0.0.0', 8080) });
    expect(configuration.servers.map((server) => server?.endpoint)).toEqual([at('10.0.0.1', 81), at('10.0.0.2', 8080)]);
    expect(configuration.settings).toEqual(DEFAULT_SETTINGS);
    expect([configuration.emergency, configuration.abuse, configuration.control]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect([replies, actions]).toEqual(['', []]);
  });

  test('has what options and commands say', async () => {
    const { configuration } = await from(
      '-e',
      'www2:9:3',
      '-B',
      'www1',
      '-C',
      '127.0.0.1:99',
      '-X',
      '-p',
      'f',
      '-T',
      '60',
      '80',
      'a.sock/x',
    );
    expect(configuration.emergency).toMatchObject({ endpoint: at('10.0.0.2', 9), max: 3 });
    expect(configuration.abuse?.endpoint).toEqual(at('10.0.0.1', 80));
    expect(configuration.control).toEqual({ text: '127.0.0.1:99', endpoint: at('127.0.0.1', 99) });
    expect(configuration.settings).toMatchObject({ exitEnabled: true, pidFile: 'f', tracking: 60 });
  });

  test('-X goes before the commands, wherever it stands', async () => {
    expect((await from('-O', 'exit', '-X', '80', 'a.sock/x')).actions).toEqual([{ kind: 'exit' }]);
  });

  const SAID = ['-O', 'server 0 address 9.9.9.9 port 1 max 4 hard 5 weight 6 prio 7 acl 8'];
  test.each([
    ['www1', { max: 4, hard: 5, weight: 6, prio: 7, acl: 8 }],
    ['www1:80:1', { max: 1, hard: 5, weight: 6, prio: 7, acl: 8 }],
    ['www1::0::2', { max: 0, hard: 5, weight: 2, prio: 7, acl: 8 }],
    ['www1:80:1:2:3:4', { max: 1, hard: 2, weight: 3, prio: 4, acl: 8 }],
  ])(
    'does not depend on where a command stands: %s has its own address, and the rest from both',
    async (text, rest) => {
      for (const args of [
        [...SAID, '80', text],
        ['80', text, ...SAID],
        ['80', ...SAID, text],
      ]) {
        const { configuration } = await from(...args);
        expect(configuration.servers).toEqual([{ endpoint: at('10.0.0.1', 80), ...rest }]);
      }
    },
  );

  test('may come from commands alone; then the first positional is ignored, and servers have the port of the command', async () => {
    const { configuration } = await from('-O', 'listen 127.0.0.1:7', '-O', 'server 1 address www2 port 5', '9');
    expect(configuration.listen?.endpoint).toEqual(at('127.0.0.1', 7));
    expect(configuration.servers.map((server) => server?.endpoint)).toEqual([undefined, at('10.0.0.2', 5)]);
    const { configuration: other } = await from('-O', 'listen 127.0.0.1:7', '9', 'www1');
    expect(other.servers[0]?.endpoint).toEqual(at('10.0.0.1', 7));
  });

  test('comes with the answers of commands and with what they want done', async () => {
    const { replies, actions } = await from('-O', 'mode', '-O', 'server 0 blacklist 5', '-b', '7', '80', 'www1');
    expect(replies).toBe('no hash no roundrobin no stubborn no weight no prio\n');
    expect(actions).toEqual([{ kind: 'blacklist', server: 0, seconds: 5 }]);
  });
});

describe('mistakes', () => {
  test.each([
    [
      ['80'],
      "server: missing; write at least one server after the listen address '80', as in pen 80 www1:8080 (pen --help lists the options)",
    ],
    [['-r'], 'server: missing; write at least one server, as in pen 80 www1:8080 (pen --help lists the options)'],
    [['127.0.0.1:0', '10.0.0.1'], "server: '10.0.0.1' needs a port, because the listener has no fixed one"],
    [
      ['-O', 'listen 0', '-e', '10.0.0.1', '', '10.0.0.1:1'],
      "-e: '10.0.0.1' needs a port, because the listener has no fixed one",
    ],
    [['127.0.0.1:', 'a'], "listen address: '127.0.0.1:' has no port; write host:port, [ipv6]:port or /path"],
    [['80', 'a:b:c'], "server 'a:b:c', max: 'c' is not a whole number from 0 to 2147483647"],
    [['80', 'nowhere'], "server: host 'nowhere' cannot be resolved"],
    [['-e', ':80', '80', 'www1'], "-e: ':80' has no host; write host:port, [ipv6]:port or /path"],
    [['-C', 'x:', '80', 'www1'], "-C: 'x:' has no port"],
    [['-x', 'many', '80', 'www1'], "-x 'conn_max': 'many' is not a whole number from"],
    [['-x', '-5', '80', 'www1'], "-x 'conn_max': '-5' is not a whole number from"],
    [['-t', '0', '80', 'www1'], "-t 'timeout': '0' is not a whole number from"],
    [['-O', 'dance', '80', 'www1'], "-O 'dance': there is no such command"],
    [['-O', 'http', '80', 'www1'], "-O 'http': not in this version yet"],
  ])('%j', async (args, message) => {
    await expect(from(...args)).rejects.toThrow(message);
  });
});
