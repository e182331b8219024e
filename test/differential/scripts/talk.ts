/**
 * The control protocol once more: each command with words that are missing, too many, wrong or strange. All of it is
 * said to one started program, so an exchange costs a millisecond; each script leaves everything as it was.
 */
import { raw, say, unlike, type Script, type Step } from '../script.ts';

const REST = 'conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0';
const SECOND = `1 addr {host} port 20002 ${REST}\n`;
const servers = (first: string): Step => say('servers', `0 ${first}\n${SECOND}`);
const FRESH = servers(`addr {host} port 20001 ${REST}`);
const MODE = 'no hash no roundrobin no stubborn no weight no prio\n';
const UNUSED = (number: number): string =>
  `Connection ${number}:\nstate = 0\ndownfd = -1, upfd = -1\nclient = 0, server = 0\npend = 0\n`;

/** What Pen says where the original takes what it can. */
const number = (text: string): ReturnType<typeof unlike> => unlike('numbers', text);
const refused = (command: string, word: string, min: number, max: number): ReturnType<typeof unlike> =>
  number(`${command}: '${word}' is not a whole number from ${min} to ${max}\n`);
const aclError = (text: string): ReturnType<typeof unlike> => unlike('acl-errors', `acl: ${text}\n`);
const BIG = [-(2 ** 31), 2 ** 31 - 1] as const;

const NUMBERS: readonly Script[] = [
  {
    id: 'T-blacklist',
    says: 'blacklist with what is not quite a number',
    steps: [
      say('blacklist 007', '7\n'),
      say('blacklist +5', '5\n', number('7\n')),
      say('blacklist 0x10', '0\n', number('7\n')),
      say('blacklist 1e3', '1\n', number('7\n')),
      say('blacklist .5', '0\n', number('7\n')),
      say('blacklist -0', '0\n'),
      say('blacklist 30s', '30\n', number('0\n')),
      say('blacklist 2147483648', '-2147483648\n', number('0\n')),
      say('blacklist 30', '30\n'),
    ],
  },
  {
    id: 'T-times',
    says: 'times',
    steps: [
      say('timeout 10', '10\n'),
      say('timeout +5', '5\n', number('10\n')),
      say('timeout 10.9', '10\n'),
      say('timeout 5 7', '5\n'),
      say('timeout 3', '3\n'),
      say('tracking 5 6', '5\n'),
      say('tracking abc', '0\n', number('5\n')),
      say('tracking +9', '9\n', number('5\n')),
      say('tracking 0', '0\n'),
      say('idle_timeout 7 8', 'Idle timeout: 7 seconds\n'),
      say('idle_timeout abc', 'Idle timeout: 0 seconds\n', number('Idle timeout: 7 seconds\n')),
      say('idle_timeout 0', 'Idle timeout: 0 seconds\n'),
    ],
  },
  {
    id: 'T-sizes',
    says: 'sizes never shrink, whatever is said',
    steps: [
      say('clients_max abc', '2048\n'),
      say('clients_max -5', '2048\n'),
      say('clients_max 0', '2048\n'),
      say('clients_max 5 6', '2048\n'),
      say('conn_max abc', '500\n'),
      say('conn_max 0', '500\n'),
      say('pending_max abc', '', refused('pending_max', 'abc', 0, 131_072)),
      say('pending_max -1', '', refused('pending_max', '-1', 0, 131_072)),
      say('pending_max 100 x'),
    ],
  },
  {
    id: 'T-lists',
    says: 'numbers of access lists',
    steps: [
      say('client_acl 9 8', '9\n'),
      say('client_acl x', '0\n', number('9\n')),
      say('client_acl 99999999999', '0\n', number('9\n')),
      say('client_acl 0', '0\n'),
      say('control_acl 9', '9\n'),
      say('control_acl x', '0\n', number('9\n')),
      say('control_acl 1 2', '1\n'),
      say('control_acl 0', '0\n'),
    ],
  },
  {
    id: 'T-debug',
    says: 'debug',
    steps: [
      say('debug 9', '9\n'),
      say('debug 10', '10\n', number('9\n')),
      say('debug x', '0\n', number('9\n')),
      say('debug 0', '0\n'),
    ],
  },
];

const QUESTIONS: readonly Script[] = [
  {
    id: 'T-recent',
    says: 'recent',
    steps: [
      say('recent'),
      say('recent 0'),
      say('recent 5 6'),
      say('recent abc', '', refused('recent', 'abc', 0, 10_000_000)),
      say('recent -5', '', refused('recent', '-5', 0, 10_000_000)),
    ],
  },
  {
    id: 'T-connection',
    says: 'connection',
    steps: [
      say('connection 0 1', UNUSED(0)),
      say('connection 499', UNUSED(499)),
      say('connection 500', 'Connection 500 out of range\n'),
      say('connection -1', 'Connection -1 out of range\n'),
      say('connection 2147483647', 'Connection 2147483647 out of range\n'),
      say('connection 5x', UNUSED(5), refused('connection', '5x', ...BIG)),
      say(
        'connection 99999999999',
        'Connection 1215752191 out of range\n',
        refused('connection', '99999999999', ...BIG),
      ),
    ],
  },
  {
    id: 'T-socket',
    says: 'socket',
    steps: [
      say('socket', 'Socket 0 belongs to connection -1\n'),
      say('socket -1', 'Socket -1 belongs to connection -1\n'),
      say('socket 1 2', 'Socket 1 belongs to connection -1\n'),
      say('socket 1x', 'Socket 1 belongs to connection -1\n', refused('socket', '1x', ...BIG)),
    ],
  },
  {
    id: 'T-facts',
    says: 'questions that take no word',
    steps: [
      say('pid please', '{pid}\n'),
      say('mode x', MODE),
      say('control x', '{host}:20200\n'),
      say('listen', '{host}:20100\n'),
      say('servers x', `0 addr {host} port 20001 ${REST}\n${SECOND}`),
    ],
  },
];

const SERVER: readonly Script[] = [
  {
    id: 'T-server',
    says: 'server with words that are missing, unknown or strange',
    steps: [
      say('server'),
      say('server 0'),
      say('server 0 max'),
      say('server 0 colour'),
      say('server 0 colour blue'),
      say('server x', '', refused('server', 'x', 0, 65_531)),
      say('server x max 0', '', refused('server', 'x', 0, 65_531)),
      say('server -1 max 4', '', refused('server', '-1', 0, 65_531)),
      say('server +1 max 0', '', refused('server', '+1', 0, 65_531)),
      say('server 00 max 3'),
      servers('addr {host} port 20001 conn 0 max 3 hard 0 weight 0 prio 0 sx 0 rx 0'),
      say('server 0 max 1 max 2 max 0'),
      FRESH,
    ],
  },
  {
    id: 'T-server-port',
    says: 'ports of servers',
    steps: [
      say('server 0 port http'),
      say(
        'servers',
        `0 addr {host} port 0 ${REST}\n${SECOND}`,
        unlike('service-port', `0 addr {host} port 80 ${REST}\n${SECOND}`),
      ),
      say('server 0 port 0'),
      servers(`addr {host} port 0 ${REST}`),
      say('server 0 port 1 colour blue port 2'),
      servers(`addr {host} port 2 ${REST}`),
      say(
        'server 0 port nosuch',
        '',
        number("server: port: port 'nosuch' is neither a number from 0 to 65535 nor a service in /etc/services\n"),
      ),
      say(
        'server 0 port 65536',
        '',
        number("server: port: port '65536' is neither a number from 0 to 65535 nor a service in /etc/services\n"),
      ),
      say('server 0 port 20001'),
      FRESH,
    ],
  },
  {
    id: 'T-server-address',
    says: 'addresses of servers',
    steps: [
      say('server 0 address 127.1'),
      servers(`addr 127.0.0.1 port 20001 ${REST}`),
      say('server 0 address localhost'),
      servers(`addr 127.0.0.1 port 20001 ${REST}`),
      say('server 0 address 0.0.0.0'),
      servers(`addr 0.0.0.0 port 20001 ${REST}`),
      say('server 0 address {dir}/www'),
      servers(`addr {dir}/www port 1 ${REST}`),
      say('server 0 port 5'),
      servers(`addr {dir}/www port 1 ${REST}`),
      say('server 0 address {host} port 20001'),
      FRESH,
    ],
  },
  {
    id: 'T-server-six',
    says: 'a server with an IPv6 address',
    steps: [
      say('server 0 address ::1'),
      servers(`addr ::1 port 20001 ${REST}`),
      say('server 0 address 2001:DB8::1 port 80'),
      servers(`addr 2001:db8::1 port 80 ${REST}`),
      say('server 0 address {host} port 20001'),
      FRESH,
    ],
  },
  {
    id: 'T-server-limits',
    says: 'limits of servers that are no numbers',
    steps: [
      say('server 0 max abc', '', number("server: max: 'abc' is not a whole number from 0 to 2147483647\n")),
      say(
        'server 0 hard 99999999999',
        '',
        number("server: hard: '99999999999' is not a whole number from 0 to 2147483647\n"),
      ),
      say('server 0 weight -1', '', number("server: weight: '-1' is not a whole number from 0 to 2147483647\n")),
      say('server 0 prio 5x', '', number("server: prio: '5x' is not a whole number from 0 to 2147483647\n")),
      say('server 0 acl 10', '', number("server: acl: '10' is not a whole number from 0 to 9\n")),
      say('server 0 acl -1', '', number("server: acl: '-1' is not a whole number from 0 to 9\n")),
      say('server 0 max 0 hard 0 weight 0 prio 0 acl 0'),
      say('server 0 blacklist'),
      say('server 0 blacklist 0'),
      say('server 0 max 2147483647'),
      servers('addr {host} port 20001 conn 0 max 2147483647 hard 0 weight 0 prio 0 sx 0 rx 0'),
      say('server 0 max 0'),
      FRESH,
    ],
  },
];

const SWITCHES: readonly Script[] = [
  {
    id: 'T-no',
    says: 'no with what has no such form',
    steps: [
      ...['timeout', 'blacklist', 'server', 'servers', 'mode', 'listen', 'tcp_fastclose', 'pid', 'no', 'block'].map(
        (word) => say(`no ${word}`),
      ),
      say('mode', MODE),
    ],
  },
  {
    id: 'T-switch',
    says: 'switches with words behind them',
    steps: [
      say('roundrobin x'),
      say('weight 1'),
      say('stubborn no'),
      say('prio 1 2'),
      say('mode', 'no hash roundrobin stubborn weight prio\n'),
      say('no roundrobin x'),
      say('no weight 1'),
      say('no stubborn no'),
      say('no prio 1 2'),
      say('mode', MODE),
      say('tcp_nodelay x'),
      say('no tcp_nodelay x'),
      say('keepalive x'),
      say('no keepalive x'),
      say('ascii 1'),
      say('no ascii 1'),
      say('epoll x'),
      say('poll x'),
      say('select x'),
      say('kqueue x'),
    ],
  },
  {
    id: 'T-hash',
    says: 'hash with a word behind it',
    steps: [
      say('hash x', '', unlike('hash-word', "hash: 'x' is not one of original\n")),
      say('no hash x'),
      say('mode', MODE),
    ],
  },
  {
    id: 'T-fastclose',
    says: 'tcp_fastclose',
    steps: [
      say('tcp_fastclose up down'),
      say('tcp_fastclose UP', '', number("tcp_fastclose: 'UP' is not one of off, up, down, both\n")),
      say('tcp_fastclose off'),
    ],
  },
];

const LISTS: readonly Script[] = [
  {
    id: 'T-acl',
    says: 'entries of access lists that can be',
    steps: [
      say('acl 1 permit 10.0.0.1 255.0.0.0 x'),
      say('acl 1 permit 10.0.0.1 255.0.255.0'),
      say('acl 1 permit ::1/128'),
      say('acl 1 deny ::/0'),
      say('acl 1 deny 0.0.0.0 0.0.0.0'),
      say('no acl 1 2'),
      say('no acl 0'),
    ],
  },
  {
    id: 'T-acl-bad',
    says: 'entries of access lists that cannot be',
    steps: [
      say('acl 0', '', aclError("write permit or deny after the number or name of the list, not ''")),
      say('acl 1 permit', '', aclError('permit what? write an address, country and its two letters, or unix')),
      say('acl 1 permit 10.0.0.1 x', '', aclError("'x' is not a mask such as 255.255.255.0")),
      say(
        'acl 1 PERMIT 10.0.0.1',
        '',
        aclError("write permit or deny after the number or name of the list, not 'PERMIT'"),
      ),
      say('acl 1 permit ::1/abc', '', aclError("'abc' is not a whole number from 0 to 128")),
      say('acl -1 permit 10.0.0.1', '', aclError("'-1' is not a whole number from 0 to 9")),
      say('no acl 10', '', unlike('acl-errors', "no acl: '10' is not a whole number from 0 to 9\n")),
      say('no acl -1', '', unlike('acl-errors', "no acl: '-1' is not a whole number from 0 to 9\n")),
      say('no acl 1'),
    ],
  },
];

const LINES: readonly Script[] = [
  {
    id: 'T-lines',
    says: 'lines that are hardly any',
    steps: [
      say('#'),
      say(' # mode'),
      say('     mode     ', MODE),
      raw('mode', MODE),
      raw('mode\r', MODE),
      raw('mode\r\n\r\nmode\n', MODE),
      raw('\r\n', ''),
      raw('\n\n\n', ''),
      raw(' \n', ''),
      say(`mode ${'x'.repeat(4000)}`, MODE),
    ],
  },
  {
    id: 'T-unknown',
    says: 'words that nobody knows',
    steps: [
      ...['modes', 'mod', 'SERVERS', '-r', '0', '?', 'quit', 'constructor', '__proto__', "it's", 'caf\u00e9'].map(
        (word) =>
          // The reply is read byte by byte.
          say(word, `do_cmd: ignoring command starting with '${Buffer.from(word).toString('latin1')}'\n`),
      ),
      say('no constructor'),
      say('no __proto__'),
    ],
  },
  {
    id: 'T-help',
    says: 'help, which the original does not have',
    steps: [
      say(
        'help mode',
        "do_cmd: ignoring command starting with 'help'\n",
        unlike('help', 'mode\n  Tell how servers are chosen\n  With farm NAME in front it is about that farm.\n'),
      ),
    ],
  },
];

const ALL: readonly Script[] = [...NUMBERS, ...QUESTIONS, ...SERVER, ...SWITCHES, ...LISTS, ...LINES];

export const TALK: readonly Script[] = ALL.map((script) => ({ ...script, shares: true }));
