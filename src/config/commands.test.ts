import { describe, expect, test } from 'vitest';
import { KIND_IPV4, KIND_IPV6, KIND_UNIX, type Endpoint } from '../base/endpoint.ts';
import { textOf, wholeOf, type Pieces } from './answer.ts';
import { idleFacts, type Facts, type Outcome } from './command.ts';
import { MORE } from './commands/more.ts';
import { applyCommand, COMMANDS, hostsOf, readLine } from './commands.ts';
import { NO_SERVER_FACTS, unusedConnection } from './rows.ts';
import { ConfigError, DEFAULT_SETTINGS, EMPTY_CONFIGURATION, serverAt, type Configuration } from './model.ts';

const FACTS: Facts = {
  ...idleFacts(4711),
  servers: () => (index) => ({ ...NO_SERVER_FACTS, connections: index, sent: index * 10, received: index * 100 }),
  clients: (seconds) =>
    [
      [{ client: 0, address: '127.0.0.1', age: 10, server: 1, connects: 2, sent: 12, received: 4 }],
      [],
      [{ client: 2, address: 'unix', age: 400, server: -3, connects: 1, sent: 6, received: 2 }],
    ].map((page) => page.filter(({ age }) => age <= seconds)),
  connection: (number) => {
    if (number === 3) return { ...unusedConnection(3), state: 2, downfd: 9, upfd: 10, client: 0, server: 1 };
    if (number === 4) return unusedConnection(4);
    return undefined;
  },
  connections: (from) => (from > 3 ? [] : [3]),
  connectionOf: (fd) => (fd === 9 ? 3 : -1),
  idlers: () => 2,
};
const HOSTS = new Map<string, Endpoint>([['www', { kind: KIND_IPV4, ip: Uint8Array.of(192, 0, 2, 7), port: 0 }]]);
const servicePort = (name: string): number | undefined => (name === 'http' ? 80 : undefined);

function at(port: number, last = 1): Endpoint {
  return { kind: KIND_IPV4, ip: Uint8Array.of(192, 0, 2, last), port };
}

const START: Configuration = {
  ...EMPTY_CONFIGURATION,
  listen: [{ text: '8080', endpoint: at(8080) }],
  control: { text: '127.0.0.1:8888', endpoint: at(8888) },
  servers: [serverAt(at(80)), serverAt(at(80, 2), { max: 5, hard: 7, weight: 3, prio: 2 })],
};

/** The reply as a whole. */
function say(line: string, state = START, where = ''): Outcome & { readonly reply: string } {
  const outcome = applyCommand(state, line, where, { facts: FACTS, hosts: HOSTS, servicePort });
  return { ...outcome, reply: wholeOf(textOf(outcome.reply)) };
}

/** The reply to the last of several lines. */
function replyTo(...lines: string[]): string {
  let outcome = say('');
  for (const line of lines) outcome = say(line, outcome.state);
  return outcome.reply;
}

describe('an answer that may be long', () => {
  const endless: Facts = {
    ...FACTS,
    *clients() {
      for (;;) yield [{ client: 0, address: '127.0.0.1', age: 0, server: 0, connects: 1, sent: 0, received: 0 }];
    },
  };
  const piecesOf = (line: string, state: Configuration, facts: Facts): Pieces => {
    const { reply } = applyCommand(state, line, '', { facts, hosts: HOSTS, servicePort });
    const text = textOf(reply);
    if (typeof text === 'string') throw new Error('it came as a whole');
    return text;
  };

  test('of clients is made as far as it is asked for', () => {
    const pieces = piecesOf('recent', START, endless);
    expect(pieces.next().value).toBe('127.0.0.1 connects 1 sx 0 rx 0\n');
    expect(pieces.next().done).toBe(false);
  });

  test('of servers is made of pieces of whole lines, each with the figures of its time', () => {
    let asked = 0;
    const counting: Facts = {
      ...FACTS,
      servers: () => (asked++, () => ({ ...NO_SERVER_FACTS, connections: asked })),
    };
    const state = { ...START, servers: Array.from({ length: 20_000 }, () => serverAt(at(80))) };
    const pieces = [...piecesOf('servers', state, counting)];
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(65_536);
    expect(pieces.every((piece) => piece.endsWith('\n'))).toBe(true);
    expect(asked).toBe(pieces.length);
    expect(pieces.at(-1)).toContain(`conn ${asked} `);
    const numbers = pieces
      .join('')
      .split('\n')
      .map((line) => line.split(' ')[0]);
    expect(numbers).toEqual([...state.servers.keys(), ''].map(String));
  });
});

describe('commands that change one setting', () => {
  test.each([
    ['uring', { loop: 'uring' }, ''],
    ['epoll', { loop: 'epoll' }, ''],
    ['node', { loop: 'node' }, ''],
    ['poll', {}, ''],
    ['select', {}, ''],
    ['kqueue', {}, ''],
    ['workers 4', { workers: 4 }, '4\n'],
    ['blacklist', {}, '30\n'],
    ['blacklist 7', { blacklist: 7 }, '7\n'],
    ['blacklist 0', { blacklist: 0 }, '0\n'],
    ['blacklist -0', { blacklist: 0 }, '0\n'],
    ['blacklist 8 9', { blacklist: 8 }, '8\n'],
    ['timeout', {}, '3\n'],
    ['timeout 1', { timeout: 1 }, '1\n'],
    ['tracking', {}, '0\n'],
    ['tracking 60', { tracking: 60 }, '60\n'],
    ['idle_timeout', {}, 'Idle timeout: 0 seconds\n'],
    ['idle_timeout 60', { idleTimeout: 60 }, 'Idle timeout: 60 seconds\n'],
    ['half_closed_timeout 5', { halfClosedTimeout: 5 }, '5\n'],
    ['conn_max', {}, '500\n'],
    ['conn_max 0', {}, '500\n'],
    ['conn_max 131072', { connMax: 131072 }, '131072\n'],
    ['clients_max', {}, '2048\n'],
    ['clients_max 3000', { clientsMax: 3000 }, '3000\n'],
    ['client_prefix', {}, '128\n'],
    ['client_prefix 64', { clientPrefix: 64 }, '64\n'],
    ['pending_max', {}, ''],
    ['pending_max 50', { pendingMax: 50 }, ''],
    ['pending_max 0', { pendingMax: 1 }, ''],
    ['accept_batch 10', { acceptBatch: 10 }, '10\n'],
    ['backlog 65535', { backlog: 65535 }, '65535\n'],
    ['client_acl', {}, '0\n'],
    ['client_acl 9', { clientAcl: 9 }, '9\n'],
    ['control_acl 2', { controlAcl: 2 }, '2\n'],
    ['control_acl office', { controlAcl: 'office' }, 'office\n'],
    ['trusted_acl', {}, 'none\n'],
    ['trusted_acl 4', { trustedAcl: 4 }, '4\n'],
    ['trusted_acl office', { trustedAcl: 'office' }, 'office\n'],
    ['geoip', {}, ''],
    ['geoip /var/lib/countries.mmdb', { geoip: '/var/lib/countries.mmdb' }, ''],
    ['no geoip', { geoip: '' }, ''],
    ['source_max', {}, 'auto\n'],
    ['source_max 0', { sourceMax: 0 }, '0\n'],
    ['parked_max 12', { parkedMax: 12 }, '12\n'],
    ['debug', {}, '0\n'],
    ['debug 2', { debug: 2 }, '2\n'],
    ['abort_on_error', { abortOnError: true }, ''],
    ['no abort_on_error', {}, ''],
    ['ascii', { ascii: true }, ''],
    ['no ascii', {}, ''],
    ['tcp_fastclose up', { tcpFastclose: 'up' }, ''],
    ['tcp_fastclose down', { tcpFastclose: 'down' }, ''],
    ['tcp_fastclose both', { tcpFastclose: 'both' }, ''],
    ['tcp_fastclose off', {}, ''],
    ['tcp_fastclose', {}, 'do_cmd: ignoring tcp_fastclose without argument\n'],
    ['tcp_nodelay', {}, ''],
    ['no tcp_nodelay', { tcpNodelay: false }, ''],
    ['keepalive', { keepalive: true }, ''],
    ['stubborn', { stubborn: true }, ''],
    ['roundrobin', { roundrobin: true }, ''],
    ['prio', { prio: true }, ''],
    ['weight', { weight: true }, ''],
    ['leastconn', { leastconn: true }, ''],
    ['hash', { hash: 'spread' }, ''],
    ['hash original', { hash: 'original' }, ''],
    ['no hash', {}, ''],
    ['  timeout \t 9  ', { timeout: 9 }, '9\n'],
    ['timeout 9\r\ntimeout 10', { timeout: 9 }, '9\n'],
    ['', {}, ''],
    ['   ', {}, ''],
    ['# mode', {}, ''],
    ['#mode', {}, ''],
    ['\ntimeout 9', {}, ''],
  ])('%j', (line, wanted, reply) => {
    const outcome = say(line);
    expect(outcome).toEqual({
      state: { ...START, settings: { ...DEFAULT_SETTINGS, ...wanted } },
      reply,
      actions: [],
    });
    expect(START.settings, 'the state given is never changed').toEqual(DEFAULT_SETTINGS);
  });

  test('numbers that only grow do so', () => {
    expect(replyTo('conn_max 600', 'conn_max 10', 'conn_max')).toBe('600\n');
    expect(replyTo('clients_max 10')).toBe('10\n');
    expect(replyTo('clients_max 10', 'clients_max 5')).toBe('10\n');
  });

  test('the last one wins', () => {
    expect(say('no keepalive', say('keepalive').state).state).toEqual(START);
    expect(say('no hash', say('hash original').state).state).toEqual(START);
  });
});

describe('commands that tell', () => {
  test.each([
    ['pid', '4711\n'],
    ['listen', '8080\n'],
    ['control', '127.0.0.1:8888\n'],
    ['mode', 'no hash no roundrobin no stubborn no weight no prio\n'],
    ['connection 3', 'Connection 3:\nstate = 2\ndownfd = 9, upfd = 10\nclient = 0, server = 1\npend = 0\n'],
    ['connection 4', 'Connection 4:\nstate = 0\ndownfd = -1, upfd = -1\nclient = 0, server = 0\npend = 0\n'],
    ['connection', 'Connection 0 out of range\n'],
    ['connection -1', 'Connection -1 out of range\n'],
    ['socket 9', 'Socket 9 belongs to connection 3\n'],
    ['socket 9999', 'Socket 9999 belongs to connection -1\n'],
    ['socket', 'Socket 0 belongs to connection -1\n'],
    ['recent', '127.0.0.1 connects 2 sx 12 rx 4\n'],
    ['recent 9', ''],
    ['recent 500', '127.0.0.1 connects 2 sx 12 rx 4\nunix connects 1 sx 6 rx 2\n'],
    ['close 500', 'Connection 500 out of range\n'],
    ['close -1', 'Connection -1 out of range\n'],
    ['exit', 'Exit is not enabled; restart with -X flag\n'],
    [
      'servers',
      `0 addr 192.0.2.1 port 80 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0
1 addr 192.0.2.2 port 80 conn 1 max 5 hard 7 weight 3 prio 2 sx 10 rx 100
`,
    ],
  ])('%j', (line, reply) => {
    expect(say(line)).toEqual({ state: START, reply, actions: [] });
  });

  test('mode names what is on', () => {
    expect(replyTo('hash', 'roundrobin', 'stubborn', 'weight', 'prio', 'mode')).toBe(
      'hash roundrobin stubborn weight prio\n',
    );
    expect(replyTo('hash original', 'mode')).toBe('hash no roundrobin no stubborn no weight no prio\n');
  });

  test('servers shows those that were never set, and unix sockets', () => {
    expect(replyTo('server 3 address /run/www.sock max 2', 'servers').split('\n').slice(2)).toEqual([
      '2 addr 0.0.0.0 port 0 conn 2 max 0 hard 0 weight 0 prio 0 sx 20 rx 200',
      '3 addr /run/www.sock port 1 conn 3 max 2 hard 0 weight 0 prio 0 sx 30 rx 300',
      '',
    ]);
  });
});

describe('commands that do something', () => {
  test('close', () => {
    expect(say('close 3')).toEqual({
      state: START,
      reply: 'Forcibly closing connection 3\n',
      actions: [{ kind: 'close', connection: 3 }],
    });
  });

  test('exit, once it is allowed', () => {
    const state = { ...START, settings: { ...DEFAULT_SETTINGS, exitEnabled: true } };
    expect(say('exit', state)).toEqual({ state, reply: '', actions: [{ kind: 'exit' }] });
  });

  test('listen', () => {
    expect(say('listen 192.0.2.9:81')).toEqual({
      state: { ...START, listen: [{ text: '192.0.2.9:81', endpoint: at(81, 9) }] },
      reply: '192.0.2.9:81\n',
      actions: [],
    });
    expect(say('listen www:http').state.listen).toEqual([{ text: 'www:http', endpoint: at(80, 7) }]);
    expect(say('listen 80 www:http /run/x').reply).toBe('80 www:http /run/x\n');
    expect(say('listen 80 www:http /run/x').state.listen.map(({ endpoint }) => endpoint)).toEqual([
      { kind: KIND_IPV4, ip: new Uint8Array(4), port: 80 },
      at(80, 7),
      { kind: KIND_UNIX, path: '/run/x' },
    ]);
    expect(say('listen /run/pen.sock').state.listen[0]?.endpoint).toEqual({ kind: KIND_UNIX, path: '/run/pen.sock' });
  });
});

describe('server', () => {
  test('at the port of the listener a client comes by', () => {
    const follower = serverAt(at(0, 3), { hasListenerPort: true });
    const { state } = say('server 2 address 192.0.2.3 port listener');
    expect(state.servers[2]).toEqual(follower);
    expect(say('server 2 address 192.0.2.3', state).state.servers[2], 'another address keeps it').toEqual(follower);
    expect(say('server 2 port 81', state).state.servers[2]).toEqual(serverAt(at(81, 3)));
    expect(say('server 2 address /run/x', state).state.servers[2]?.hasListenerPort).toBe(false);
    expect(say('emergency 192.0.2.3:listener:5').reply).toBe('192.0.2.3:listener:5:0:0:0\n');
    expect(say('servers', state).reply).toContain('2 addr 192.0.2.3 port 0 ');
  });

  const server = (line: string, index = 0): unknown => say(line).state.servers[index];

  test('changes what is named and keeps the rest', () => {
    expect(server('server 0 max 3')).toEqual(serverAt(at(80), { max: 3 }));
    expect(server('server 1 hard 4 weight 5 prio 6 acl 7', 1)).toEqual(
      serverAt(at(80, 2), { max: 5, hard: 4, weight: 5, prio: 6, acl: 7 }),
    );
    expect(server('server 0 port 81')).toEqual(serverAt(at(81)));
    expect(server('server 0 port http')).toEqual(serverAt(at(80)));
    expect(server('server 0 address 192.0.2.9'), 'keeps its port').toEqual(serverAt(at(80, 9)));
    expect(server('server 0 address www port 82')).toEqual(serverAt(at(82, 7)));
    expect(server('server 0 address /run/x port 1')).toEqual(serverAt({ kind: KIND_UNIX, path: '/run/x' }));
    expect(server('server 0 address [2001:db8::1] port 5')).toMatchObject({ endpoint: { kind: KIND_IPV6, port: 5 } });
    expect(server('server 0 address 2001:db8::1%3')).toMatchObject({ endpoint: { kind: KIND_IPV6, scope: 3 } });
  });

  test('makes servers, with empty places between', () => {
    expect(say('server 4 address 192.0.2.9 port 81').state.servers).toEqual([
      ...START.servers,
      undefined,
      undefined,
      serverAt(at(81, 9)),
    ]);
  });

  test('blacklists', () => {
    expect(say('server 1 blacklist 60 max 9')).toEqual({
      state: { ...START, servers: [START.servers[0], { ...START.servers[1], max: 9 }] },
      reply: '',
      actions: [{ kind: 'blacklist', server: 1, seconds: 60 }],
    });
  });

  test.each(['server', 'server 0', 'server 0 max', 'server 0 colour blue', 'server 9', 'server 9 colour blue'])(
    '%j changes nothing and says nothing',
    (line) => {
      expect(say(line)).toEqual({ state: START, reply: '', actions: [] });
    },
  );

  test('says which names must be looked up first', () => {
    const hosts = (line: string): readonly string[] => hostsOf(readLine(line), '');
    expect(hosts('server 0 address www address other port 80')).toEqual(['www', 'other']);
    expect(hosts('server 0 address 127.0.0.1 max 4')).toEqual([]);
    expect(hosts('server 0 address ::1')).toEqual([]);
    expect(hosts('server 0 address [::1]')).toEqual([]);
    expect(hosts('server 0 address /run/x')).toEqual([]);
    expect(hosts('listen www:80')).toEqual(['www']);
    expect(hosts('listen 80')).toEqual([]);
    expect(hosts('listen [::1]:80')).toEqual([]);
    expect(hosts('server 0 address xn--bcher-kva.example address bücher.example')).toHaveLength(2);
    expect(hosts('listen')).toEqual([]);
    expect(hosts('mode')).toEqual([]);
  });
});

describe('mistakes say what was wrong, after the word, and change nothing', () => {
  test.each([
    ['timeout 0', "timeout: '0' is not a whole number from 1 to 10000000"],
    ['timeout 1.5', "timeout: '1.5' is not a whole number from 1 to 10000000"],
    ['timeout -1', "timeout: '-1' is not a whole number"],
    ['timeout 0x10', "timeout: '0x10' is not a whole number"],
    ['timeout 99999999999', "timeout: '99999999999' is not a whole number"],
    ['conn_max 131073', "conn_max: '131073' is not a whole number from 0 to 131072"],
    ['pending_max abc', "pending_max: 'abc' is not a whole number"],
    ['client_prefix 32', "client_prefix: '32' is not one of 128, 64"],
    ['client_acl 10', "client_acl: '10' is not a whole number from 0 to 9"],
    ['source_max some', "source_max: 'some' is not a whole number from 0 to 131072"],
    ['hash orginal', "hash: 'orginal' is not one of original"],
    ['tcp_fastclose sideways', "tcp_fastclose: 'sideways' is not one of off, up, down, both"],
    ['connection x', "connection: 'x' is not a whole number"],
    ['close x', "close: 'x' is not a whole number"],
    ['socket x', "socket: 'x' is not a whole number"],
    ['recent x', "recent: 'x' is not a whole number"],
    ['server x max 4', "server: 'x' is not a whole number from 0 to 65531"],
    ['server -1 max 4', "server: '-1' is not a whole number"],
    ['server 2000000000 port 1', "server: '2000000000' is not a whole number"],
    ['server 0 max -2', "server: max: '-2' is not a whole number from 0 to 2147483647"],
    ['server 0 weight heavy', "server: weight: 'heavy' is not a whole number"],
    ['server 0 acl 10', "server: acl: '10' is not a whole number from 0 to 9"],
    ['server 0 port 70000', "server: port: port '70000' is neither a number from 0 to 65535 nor a service"],
    [
      'server 0 address 10.0.0.1:80',
      "server: address: '10.0.0.1:80' has a port behind it; write address 10.0.0.1 port 80",
    ],
    ['server 0 address [::1]:80', "server: address: '[::1]:80' has a port behind it; write address [::1] port 80"],
    ['server 0 address www:http', "server: address: 'www:http' has a port behind it; write address www port http"],
    ['server 0 address nowhere', "server: address: host 'nowhere' is not known"],
    ['listen 70000', "listen: port '70000' is neither a number"],
    ['listen 127.0.0.1:', "listen: '127.0.0.1:' has no port"],
    ['acl', "acl: '' is no access list; write a number from 0 to 9, or a name such as office"],
    ['acl -1 permit 10.0.0.1', "acl: '-1' is not a whole number from 0 to 9"],
    ['acl none permit 10.0.0.1', "acl: 'none' is no access list"],
    [`acl ${'x'.repeat(33)} permit 10.0.0.1`, `acl: '${'x'.repeat(33)}' is no access list`],
    ['acl 1', "acl: write permit or deny after the number or name of the list, not ''"],
    ['acl 10 permit 10.0.0.1', "acl: '10' is not a whole number from 0 to 9"],
    ['acl x/y permit 10.0.0.1', "acl: 'x/y' is no access list"],
    ['acl 1 allow 10.0.0.1', "acl: write permit or deny after the number or name of the list, not 'allow'"],
    ['acl 1 permit', 'acl: permit what? write an address, country and its two letters, or unix'],
    ['acl 1 permit 10.0.0.256', "acl: '10.0.0.256' is not an IPv4 address"],
    ['acl 1 permit 10.0.0.010', "acl: '10.0.0.010' is not an IPv4 address"],
    ['acl 1 permit ten', "acl: 'ten' is not an IPv4 address"],
    ['acl 1 permit 10.0.0.1 ten', "acl: 'ten' is not a mask such as 255.255.255.0"],
    ['acl 1 permit 10.0.0.1/33', "acl: '33' is not a whole number from 0 to 32"],
    ['acl 1 permit 2001::/129', "acl: '129' is not a whole number from 0 to 128"],
    ['acl 1 permit fe80::1%2', "acl: 'fe80::1%2' is not an IPv4 address"],
    ['acl 1 permit country', "acl: country: '' is not a country of two letters such as SE"],
    ['acl 1 permit country Sweden', "acl: country: 'Sweden' is not a country of two letters such as SE"],
    ['no acl', "no acl: '' is no access list"],
    ['help transparent', "help: 'transparent' is not in this version yet"],
    ['help dance', "help: there is no command 'dance'; 'help' lists them"],
    ['http', 'http: not in this version yet'],
    ['dsr_if lo', 'dsr_if: not in this version yet'],
    ['dance', "dance: there is no such command; 'help' lists them"],
    ['no timeout', 'no timeout: there is no such command'],
    ['no', 'no: there is no such command'],
    ['constructor', 'constructor: there is no such command'],
    ['TIMEOUT', 'TIMEOUT: there is no such command'],
  ])('%j', (line, message) => {
    expect(() => say(line)).toThrow(ConfigError);
    expect(() => say(line)).toThrow(new RegExp(`^${message.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`));
  });

  test.each([':', '%', '::1:', 'a b', '-x', '256.1.1.1:', 'x'.repeat(254), 'a\0b', '[]x'])(
    'no name server is asked for %j',
    (name) => {
      const line = readLine(`server 0 address ${name.replace(' ', '\u00a0')}`);
      expect(() => hostsOf(line, '')).toThrow(
        /^server: .* (is neither an address nor the name of a host|has control characters in it, .*)$/,
      );
    },
  );

  test('and where they stand', () => {
    expect(() => say('timeout 0', START, '-O')).toThrow("-O 'timeout': '0' is not");
    expect(() => say('dance', START, 'pen.cfg:3')).toThrow("pen.cfg:3 'dance': there is no such command");
  });
});

describe('the registry', () => {
  test('has one entry per word, each with a line of help', () => {
    const names = COMMANDS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, help } of COMMANDS) {
      expect(name).toMatch(/^[a-z_]+$/);
      expect(help, name).toMatch(/^[A-Z].{5,100}[^.]$/);
    }
  });

  test('has more to say about commands only', () => {
    const names = new Set(COMMANDS.map(({ name }) => name));
    expect(Object.keys(MORE).filter((name) => !names.has(name))).toEqual([]);
    const lines = say('help server').reply.split('\n');
    expect(lines.length).toBeGreaterThan(5);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test('help lists all of them, and tells about each', () => {
    const { reply } = say('help');
    expect(Math.max(...reply.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    for (const { name, help } of COMMANDS) {
      expect(reply).toContain(`  ${name} `);
      expect(say(`help ${name}`).reply).toContain(help);
    }
    expect(say('help acl').reply).toMatch(/^acl LIST permit\|deny ADDRESS \[MASK\]\nno acl LIST\n/);
  });
});

test('each command that can be written says what it sets, so that a reload knows what a file is about', () => {
  const silent = COMMANDS.filter(({ write, sets }) => write !== undefined && sets === undefined);
  expect(
    silent.map(({ name }) => name),
    'give them `sets`',
  ).toEqual([]);
});
