import { describe, expect, test } from 'vitest';
import { KIND_IPV4, type Endpoint } from '../base/endpoint.ts';
import { literalEndpoint, unixEndpoint, type WrittenAddress } from '../config/address.ts';
import { idleFacts } from '../config/command.ts';
import { ConfigError, DEFAULT_SETTINGS, serverAt, type ServerConfig } from '../config/model.ts';
import { readCommandLine } from './arguments.ts';
import { checkComplete, configure, type Configured } from './configure.ts';

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
  const configured = await configure(request.line, {
    facts: idleFacts(4711),
    servicePort,
    resolve,
    files: {
      open: (path, _from, where) => {
        const text = FILES.get(path);
        if (text === undefined) throw new ConfigError(where, `there is no file '${path}'`);
        return { path, identity: path, bytes: Buffer.from(text) };
      },
      lookUp: async (host, where) => resolve({ host, port: '0' }, where),
    },
  });
  checkComplete(request.line, configured.configuration);
  return configured;
}

/** What the files of these tests hold, by name. */
const FILES = new Map<string, string>();

function at(host: string, port: number): Endpoint {
  return { kind: KIND_IPV4, ip: Uint8Array.from(host.split('.').map(Number)), port };
}

describe('farms with names', () => {
  test('may be all that a file has', async () => {
    FILES.set(
      'farms',
      'farm web\nserver 0 address www1\nlisten 8080 8443\nfarm mail\nlisten 25\nserver 0 address www2\n',
    );
    const { configuration } = await from('-F', 'farms');
    expect(configuration).toMatchObject({ listen: [], servers: [] });
    const servers = [...configuration.farms.values()].map((farm) => farm.servers[0]?.endpoint);
    expect(servers, 'without a port they have that of the listener of their farm').toEqual([
      at('10.0.0.1', 0),
      at('10.0.0.2', 25),
    ]);
    expect(configuration.farms.get('web')?.servers[0]?.hasListenerPort, 'the one each client comes by').toBe(true);
  });

  test('leave options to the farm without a name', async () => {
    FILES.set('web', 'farm web\nlisten 81\nserver 0 address www2 port 82\n');
    const { configuration } = await from('-h', '-F', 'web', '-O', 'farm web timeout 9', '8080', 'www1');
    expect(configuration.settings).toMatchObject({ hash: 'spread', timeout: 3 });
    expect(configuration.servers.map((server) => server?.endpoint)).toEqual([at('10.0.0.1', 8080)]);
    expect(configuration.farms.get('web')?.settings).toMatchObject({ hash: 'off', timeout: 9 });
  });

  test('must have a server each, if clients come to them', async () => {
    FILES.set('web', 'farm web\nlisten 81\n');
    const message = 'farm web: has no server; say at least one, as in farm web server 0 address www1 port 80';
    await expect(from('-F', 'web', '80', 'www1')).rejects.toThrow(message);
    await expect(from('-F', 'web')).rejects.toThrow(message);
    FILES.set('web', 'farm web\nlisten 81\ndummy\n');
    expect((await from('-F', 'web')).configuration.farms.size).toBe(1);
    await expect(from('-F', 'web', '80')).rejects.toThrow(
      "server: missing; write at least one server after the listen address '80'",
    );
  });
});

describe('the configuration of a command line', () => {
  test('of addresses alone has the defaults of the original', async () => {
    const { configuration, replies, actions } = await from('8080', 'www1:81', 'www2');
    expect(configuration.listen).toEqual([{ text: '8080', endpoint: at('0.0.0.0', 8080) }]);
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
        expect(configuration.servers).toEqual([serverAt(at('10.0.0.1', 80), rest)]);
      }
    },
  );

  test('may come from commands alone; then the first positional is ignored, and servers have the port of the command', async () => {
    const { configuration } = await from('-O', 'listen 127.0.0.1:7', '-O', 'server 1 address www2 port 5', '9');
    expect(configuration.listen[0]?.endpoint).toEqual(at('127.0.0.1', 7));
    expect(configuration.servers.map((server) => server?.endpoint)).toEqual([undefined, at('10.0.0.2', 5)]);
    const { configuration: other } = await from('-O', 'listen 127.0.0.1:7', '9', 'www1');
    expect(other.servers[0]?.endpoint).toEqual(at('10.0.0.1', 7));
  });

  test('of several listeners has servers without a port at the one each client comes by', async () => {
    const both = ['-O', 'listen 80 127.0.0.1:443', '-O', 'server 1 address www2', '-e', 'www2', '-B', 'www2:7'];
    const { configuration } = await from(...both, '', 'www1');
    const { listen, servers, emergency, abuse } = configuration;
    expect(listen.map(({ text }) => text)).toEqual(['80', '127.0.0.1:443']);
    const follower = (ip: string): ServerConfig => serverAt(at(ip, 0), { hasListenerPort: true });
    expect([servers[0], servers[1], emergency]).toEqual([
      follower('10.0.0.1'),
      follower('10.0.0.2'),
      follower('10.0.0.2'),
    ]);
    expect(abuse).toEqual(serverAt(at('10.0.0.2', 7)));
    const { configuration: same } = await from('-O', 'listen 127.0.0.1:80 127.0.0.2:80', '', 'www1');
    expect(same.servers[0]).toEqual(serverAt(at('10.0.0.1', 80)));
    expect((await from('80', 'www1:listener:3')).configuration.servers[0]).toEqual({ ...follower('10.0.0.1'), max: 3 });
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
    ...['b:blacklist', 't:timeout', 'T:tracking', 'c:clients_max', 'x:conn_max', 'm:accept_batch', 'q:backlog'].flatMap(
      (each): [string[], string][] => {
        const [letter = '', command] = each.split(':');
        return ['', '5 6'].map((word) => [
          [`-${letter}`, word, '80', 'www1'],
          `-${letter} '${command}': '${word}' is not a whole number from`,
        ]);
      },
    ),
    [['-O', 'dance', '80', 'www1'], "-O 'dance': there is no such command"],
    [['-O', 'http', '80', 'www1'], "-O 'http': not in this version yet"],
  ])('%j', async (args, message) => {
    await expect(from(...args)).rejects.toThrow(message);
  });
});

describe('a file of commands', () => {
  test('says what the command line leaves out', async () => {
    FILES.set('all.cfg', 'listen 8080\nserver 1 address www2 port 81 max 5\n\n# a comment\n  blacklist 7\r\nno http\n');
    const { configuration, replies } = await from('-F', 'all.cfg');
    expect(configuration.listen).toEqual([{ text: '8080', endpoint: at('0.0.0.0', 8080) }]);
    expect(configuration.servers).toMatchObject([undefined, { endpoint: at('10.0.0.2', 81), max: 5 }]);
    expect(configuration.settings.blacklist).toBe(7);
    expect(replies).toBe('8080\n7\n');
  });

  test('has the last word, wherever it stands, and what it contradicts is told', async () => {
    FILES.set('more.cfg', 'blacklist 7\nserver 0 port 99\nlisten 90\n');
    for (const args of [
      ['-F', 'more.cfg', '-b', '8', '80', 'www1:1', 'www2'],
      ['-b', '8', '80', 'www1:1', 'www2', '-Fmore.cfg'],
    ]) {
      const { configuration, notices } = await from(...args);
      expect(configuration.settings.blacklist).toBe(7);
      expect(configuration.servers.map((server) => server?.endpoint)).toEqual([at('10.0.0.1', 99), at('10.0.0.2', 90)]);
      expect(notices).toEqual([
        'listen address: the file says 90, which counts, the command line 80',
        'server 0: the file says 10.0.0.1 port 99, which counts, the command line www1:1',
      ]);
    }
  });

  test('has the last word about the emergency and the abuse server, which is told where it is another', async () => {
    const options = ['-e', 'www1:1:3', '-B', 'www2:2', '80', 'www1:5'];
    FILES.set('special.cfg', 'emergency www2:9\nno abuse\n');
    const other = await from('-F', 'special.cfg', ...options);
    expect(other.configuration).toMatchObject({ emergency: { endpoint: at('10.0.0.2', 9), max: 0 }, abuse: undefined });
    expect(other.notices).toEqual([
      'emergency: the file says 10.0.0.2 port 9, which counts, the command line www1:1:3',
      'abuse: the file says that there is none, which counts, the command line www2:2',
    ]);
    FILES.set('special.cfg', 'emergency www1:1\n');
    const same = await from('-F', 'special.cfg', ...options);
    expect(same.configuration.emergency, 'limits are not about an address').toMatchObject({ max: 0 });
    expect(same.configuration.abuse).toMatchObject({ endpoint: at('10.0.0.2', 2) });
    expect(same.notices).toEqual([]);
  });

  test('names the emergency server in front of the listener whose port it has', async () => {
    FILES.set('emergency.cfg', 'emergency www1\nabuse www2:5:1\nlisten 90\nserver 0 address www1 port 1\n');
    const { configuration } = await from('-F', 'emergency.cfg');
    expect(configuration.emergency).toMatchObject({ endpoint: at('10.0.0.1', 90) });
    expect(configuration.abuse).toMatchObject({ endpoint: at('10.0.0.2', 5), max: 1 });
  });

  test.each(['emergency', 'abuse'] as const)(
    'gives the %s server of -O the port of the listen address behind it',
    async (name) => {
      const { configuration } = await from('-O', `${name} www1`, '90', 'www2');
      expect(configuration[name]).toMatchObject({ endpoint: at('10.0.0.1', 90) });
      const moved = await from('-O', `${name} www1`, '-O', 'listen 91', '90', 'www2');
      expect(moved.configuration[name]).toMatchObject({ endpoint: at('10.0.0.1', 91) });
      await expect(from('-O', `${name} www1`, '/run/pen', 'www2:1')).rejects.toThrow('needs a port');
    },
  );

  test('gives a server without a port that of the listener, wherever that is said, and whoever says so', async () => {
    const ports = async (text: string, ...args: string[]): Promise<unknown> => {
      FILES.set('portless.cfg', text);
      const { servers } = (await from('-F', 'portless.cfg', ...args)).configuration;
      return servers.map((server) => server && 'port' in server.endpoint && server.endpoint.port);
    };
    expect(await ports('server 0 address www1\nlisten 90\nserver 1 address /run/x\nserver 1 address www2')).toEqual([
      90, 90,
    ]);
    expect(await ports('listen http\nserver 0 address www1\nserver 1 address www2\nserver 1 port 81')).toEqual([
      80, 81,
    ]);
    expect(await ports('server 0 address www1', '70'), 'of the command line').toEqual([70]);
    expect(await ports('listen 90', '-O', 'server 0 address www1', '70'), 'by an option').toEqual([90]);
    expect(await ports('server 0 address www2', '70', 'www1:71'), 'the port it has stays').toEqual([71]);
    expect(await ports('listen 90\nserver 0 address www1\nserver 1 address www1 port 0'), 'out of use').toEqual([
      90, 0,
    ]);
  });

  test('says a port, or the listener has one', async () => {
    for (const listen of ['127.0.0.1:0', '/run/listen']) {
      FILES.set('portless.cfg', `listen ${listen}\nserver 0 address www1\nserver 1 address 0.0.0.0\n`);
      await expect(from('-F', 'portless.cfg')).rejects.toThrow(
        "portless.cfg:2 'server': needs a port, as in server 0 address 10.0.0.1 port 80, because the listener has no fixed one",
      );
    }
  });

  test.each(['server 0 max 5', 'server 0 address 0.0.0.0 port 1', 'server 0 address :: port 1', 'server 3 port 80'])(
    'that says only %j has no server',
    async (text) => {
      FILES.set('useless.cfg', `listen 80\n${text}\n`);
      await expect(from('-F', 'useless.cfg')).rejects.toThrow('server: missing; write at least one server');
    },
  );

  test('leaves control socket and pid file to the command line, if that names them', async () => {
    FILES.set(
      'own.cfg',
      'control /run/other\npid_file /run/other.pid\nallow_exit\nlisten 1\nserver 0 address www1 port 1\n',
    );
    const { configuration } = await from('-F', 'own.cfg');
    expect([configuration.control?.text, configuration.settings.pidFile]).toEqual(['/run/other', '/run/other.pid']);
    expect(configuration.settings.exitEnabled).toBe(true);
    const { configuration: named } = await from('-F', 'own.cfg', '-C', '/run/ctl', '-p', 'pid');
    expect([named.control?.text, named.settings.pidFile]).toEqual(['/run/ctl', 'pid']);
  });

  test('is refused with all of its mistakes, each with its line', async () => {
    FILES.set(
      'bad.cfg',
      'blacklist x\nbalcklist 3\nblock\nserver 0 address nosuch port 80\nlisten 80\nwrite x\ninclude gone\n',
    );
    const message = await from('-F', 'bad.cfg').then(
      () => '',
      (error: unknown) => (error instanceof ConfigError ? error.message : String(error)),
    );
    expect(message.split('\n')).toEqual([
      "bad.cfg:1 'blacklist': 'x' is not a whole number from 0 to 10000000",
      "bad.cfg:2 'balcklist': there is no such command; 'help' lists them",
      "bad.cfg:4: host 'nosuch' cannot be resolved",
      "bad.cfg:6 'write': only a running Pen can do that: say it by penctl",
      "bad.cfg:7 'include': there is no file 'gone'",
    ]);
  });

  test('that is not there is named', async () => {
    await expect(from('-F', 'none.cfg', '80', 'www1')).rejects.toThrow("-F: there is no file 'none.cfg'");
  });

  test('with words that the original has dropped is obeyed, and they are told', async () => {
    FILES.set('old.cfg', 'no block\ndelayed_forward\nlisten 80\nserver 0 address www1 port 80 color red\n');
    const { notices } = await from('-F', 'old.cfg');
    expect(notices).toEqual([
      "old.cfg:1 'no block': has had no effect for long, passed over",
      "old.cfg:2 'delayed_forward': has had no effect for long, passed over",
      "old.cfg:4 'server': there is no key 'color', passed over",
    ]);
  });
});
