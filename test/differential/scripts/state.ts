/** The control protocol: commands about servers, connections, access lists and listeners, with their replies. */
import { fate, hold, release, request, say, unlike, wait, type Script } from '../script.ts';

const HEAD = (index: number, port: number, rest: string): string =>
  `${index} addr {host} port ${port} conn 0 ${rest}\n`;
const FRESH = 'max 0 hard 0 weight 0 prio 0 sx 0 rx 0';

const SERVERS: readonly Script[] = [
  {
    id: 'X-servers',
    says: 'servers, before and after a request',
    servers: ['', ':5:7:3:2'],
    steps: [
      say('servers', HEAD(0, 20001, FRESH) + HEAD(1, 20002, 'max 5 hard 7 weight 3 prio 2 sx 0 rx 0')),
      request('c1', '1'),
      say('servers', HEAD(0, 20001, FRESH) + HEAD(1, 20002, 'max 5 hard 7 weight 3 prio 2 sx 2 rx 6')),
      say('recent', '127.0.0.1 connects 1 sx 6 rx 2\n'),
    ],
  },
  {
    id: 'X-servers-held',
    says: 'servers while connections are open',
    servers: 2,
    steps: [
      hold('c1 c1 c2', '1 1 0'),
      say(
        'servers',
        `0 addr {host} port 20001 conn 1 max 0 hard 0 weight 0 prio 0 sx 2 rx 6\n1 addr {host} port 20002 conn 2 max 0 hard 0 weight 0 prio 0 sx 4 rx 12\n`,
      ),
      say('recent', '127.0.0.1 connects 2 sx 12 rx 4\n127.0.0.2 connects 1 sx 6 rx 2\n'),
      release('0 1 2'),
      say(
        'servers',
        `0 addr {host} port 20001 conn 0 max 0 hard 0 weight 0 prio 0 sx 2 rx 6\n1 addr {host} port 20002 conn 0 max 0 hard 0 weight 0 prio 0 sx 4 rx 12\n`,
      ),
    ],
  },
  {
    id: 'X-server',
    says: 'server with each of its keys',
    servers: 1,
    steps: [
      say('server 0 max 3'),
      say('server 0 hard 4 weight 5 prio 6'),
      say('servers', HEAD(0, 20001, 'max 3 hard 4 weight 5 prio 6 sx 0 rx 0')),
      say('server 0 port 20002'),
      say('servers', HEAD(0, 20002, 'max 3 hard 4 weight 5 prio 6 sx 0 rx 0')),
      request('c1', '1'),
      say('server 0 address {host} port 20003'),
      request('c1', '2'),
      say('server 0 max'),
      say('server 0'),
      say('server 0 colour blue max 9'),
      say('servers', HEAD(0, 20003, 'max 9 hard 4 weight 5 prio 6 sx 4 rx 12')),
    ],
  },
  {
    id: 'X-server-bad',
    says: 'server with what it cannot use',
    servers: 1,
    steps: [
      say('server'),
      say('server x max 4', '', unlike('numbers', "server: 'x' is not a whole number from 0 to 65531\n")),
      say('server -1 max 4', '', unlike('numbers', "server: '-1' is not a whole number from 0 to 65531\n")),
      say('server 0 max -2', '', unlike('numbers', "server: max: '-2' is not a whole number from 0 to 2147483647\n")),
      say(
        'server 0 weight heavy',
        '',
        unlike('numbers', "server: weight: 'heavy' is not a whole number from 0 to 2147483647\n"),
      ),
      say('server 0 address nosuch.invalid max 4', '', unlike('numbers', '#'), /^server: .*nosuch\.invalid.*\n$/),
      say(
        'servers',
        HEAD(0, 20001, 'max -2 hard 0 weight 0 prio 0 sx 0 rx 0'),
        unlike('numbers', HEAD(0, 20001, FRESH)),
      ),
    ],
  },
  {
    id: 'X-server-new',
    says: 'servers beyond those there were',
    servers: 1,
    steps: [
      say('server 3 address {host} port 20002'),
      say(
        'servers',
        HEAD(0, 20001, FRESH) +
          `1 addr (unknown address family 0 port 0 conn 0 ${FRESH}\n2 addr (unknown address family 0 port 0 conn 0 ${FRESH}\n` +
          HEAD(3, 20002, FRESH),
        unlike(
          'empty-text',
          HEAD(0, 20001, FRESH) +
            `1 addr 0.0.0.0 port 0 conn 0 ${FRESH}\n2 addr 0.0.0.0 port 0 conn 0 ${FRESH}\n` +
            HEAD(3, 20002, FRESH),
        ),
      ),
    ],
  },
  {
    id: 'X-server-unset',
    says: 'a server whose address is taken away',
    steps: [
      say('server 1 address 0.0.0.0'),
      say('servers', HEAD(0, 20001, FRESH) + `1 addr 0.0.0.0 port 20002 conn 0 ${FRESH}\n`),
    ],
  },
  {
    id: 'X-recent',
    says: 'recent knows who came lately',
    steps: [
      say('recent', ''),
      request('c3 c1 c3', '1 0 1'),
      say('recent', '127.0.0.3 connects 2 sx 12 rx 4\n127.0.0.1 connects 1 sx 6 rx 2\n'),
      say('recent 100', '127.0.0.3 connects 2 sx 12 rx 4\n127.0.0.1 connects 1 sx 6 rx 2\n'),
      wait(2100),
      say('recent 1', ''),
      request('c1', '0'),
      say('recent 1', '127.0.0.1 connects 2 sx 12 rx 4\n'),
    ],
  },
];

const DESCRIPTORS = /downfd = \d+, upfd = \d+/;
const CONNECTIONS: readonly Script[] = [
  {
    id: 'X-connection',
    says: 'connection tells about one',
    servers: 2,
    steps: [
      hold('c1', '1'),
      say('connection 0', 'Connection 0:\nstate = 2\n#\nclient = 0, server = 1\npend = 0\n', undefined, DESCRIPTORS),
      say('connection', 'Connection 0:\nstate = 2\n#\nclient = 0, server = 1\npend = 0\n', undefined, DESCRIPTORS),
      say('connection 500', 'Connection 500 out of range\n'),
      say('connection -1', 'Connection -1 out of range\n'),
    ],
  },
  {
    id: 'X-connection-unused',
    says: 'connection tells about a place that was never used',
    shares: true,
    steps: [
      say('connection 7', 'Connection 7:\nstate = 0\ndownfd = -1, upfd = -1\nclient = 0, server = 0\npend = 0\n'),
    ],
  },
  {
    id: 'X-close',
    says: 'close ends a connection',
    servers: 2,
    steps: [
      hold('c1', '1'),
      say('close 0', 'Forcibly closing connection 0\n'),
      wait(50),
      say('servers', HEAD(0, 20001, FRESH) + HEAD(1, 20002, 'max 0 hard 0 weight 0 prio 0 sx 2 rx 6')),
      say('close 9999', 'Connection 9999 out of range\n'),
      say('close -1', 'Connection -1 out of range\n'),
    ],
  },
  {
    id: 'X-close-unused',
    says: 'close of a place that is not used',
    servers: 2,
    steps: [
      say('close 3', 'Forcibly closing connection 3\n'),
      say('servers', HEAD(0, 20001, FRESH) + HEAD(1, 20002, FRESH)),
      request('c1', '1'),
    ],
  },
  {
    id: 'X-socket',
    says: 'socket tells whose a descriptor is',
    shares: true,
    steps: [say('socket 9999', 'Socket 9999 belongs to connection -1\n')],
  },
];

const NO_LIST = 'is no access list; write a number from 0 to 9, or a name such as office';

const LISTS: readonly Script[] = [
  {
    id: 'X-acl',
    says: 'acl does not answer',
    shares: true,
    steps: [
      say('acl 1 permit 10.0.0.0 255.0.0.0'),
      say('acl 1 permit 10.1.1.1'),
      say('acl 9 deny 2001:db8::/32'),
      say('acl 9 deny ::1'),
      say('no acl 1'),
      say('no acl 9'),
    ],
  },
  {
    id: 'X-acl-bad',
    says: 'acl with what it cannot use',
    steps: [
      say('acl 10 permit 10.0.0.1', '', unlike('acl-errors', "acl: '10' is not a whole number from 0 to 9\n")),
      say(
        'acl 1 allow 10.0.0.1',
        '',
        unlike('acl-errors', "acl: write permit or deny after the number or name of the list, not 'allow'\n"),
      ),
      say(
        'acl 1 permit ten',
        '',
        unlike('acl-errors', "acl: 'ten' is not an IPv4 address, an IPv6 address, or one of them with /LENGTH\n"),
      ),
      say('acl 1 permit 2001::/129', '', unlike('acl-errors', "acl: '129' is not a whole number from 0 to 128\n")),
      say('acl x/y permit 10.0.0.1', '', unlike('acl-errors', `acl: 'x/y' ${NO_LIST}\n`)),
      say('acl', '', unlike('acl-errors', `acl: '' ${NO_LIST}\n`)),
      say(
        'acl 1',
        '',
        unlike('acl-errors', "acl: write permit or deny after the number or name of the list, not ''\n"),
      ),
    ],
  },
  {
    id: 'X-acl-name',
    says: 'acl with a name',
    steps: [
      say('acl office deny 127.0.0.2'),
      request('c1 c2', '1 R', unlike('acl-names', '1 0')),
      say('client_acl office', '0\n', unlike('acl-names', 'office\n')),
      request('c1 c2', '1 R'),
    ],
  },
  {
    id: 'X-no-acl',
    says: 'no acl without a number',
    steps: [
      say('no acl', '', unlike('crashes', `no acl: '' ${NO_LIST}\n`)),
      fate('SIGSEGV', unlike('crashes', 'alive')),
    ],
  },
  {
    id: 'X-control-acl',
    says: 'control_acl shuts people out',
    steps: [say('control_acl 4', '4\n'), say('acl 4 permit 10.0.0.1'), say('mode', ''), request('c1', '1')],
  },
];

const LISTENERS: readonly Script[] = [
  {
    id: 'X-listen',
    says: 'listen moves to another port',
    steps: [
      say('listen {host}:20300', '{host}:20300\n'),
      say('listen', '{host}:20300\n'),
      say('listen {host}:20100', '{host}:20100\n'),
      request('c1', '1'),
    ],
  },
  {
    id: 'X-listen-busy',
    says: 'listen on a port that is taken',
    steps: [say('listen {s0}', '', unlike('listen', '{host}:20100\n')), fate('exit 1', unlike('listen', 'alive'))],
  },
];

export const STATE: readonly Script[] = [...SERVERS, ...CONNECTIONS, ...LISTS, ...LISTENERS];
