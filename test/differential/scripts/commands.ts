/** The control protocol: how lines are read, and the commands that set a number or a switch, with their replies. */
import { fate, raw, request, say, start, unlike, type Script } from '../script.ts';

/** Numbers that a command without a word tells, and with a word sets. */
const NUMBERS: readonly Script[] = [
  {
    id: 'X-blacklist',
    says: 'blacklist',
    steps: [
      say('blacklist', '30\n'),
      say('blacklist 5', '5\n'),
      say('blacklist', '5\n'),
      say('blacklist abc', '0\n', unlike('numbers', '5\n')),
      say('blacklist 7x', '7\n', unlike('numbers', '5\n')),
      say('blacklist -3', '-3\n', unlike('numbers', '5\n')),
      say('blacklist 99999999999', '1215752191\n', unlike('numbers', '5\n')),
      say('blacklist 8 9', '8\n'),
    ],
  },
  {
    id: 'X-timeout',
    says: 'timeout',
    options: '-t 4',
    steps: [
      say('timeout', '4\n'),
      say('timeout 5', '5\n'),
      say('timeout 6abc', '6\n', unlike('numbers', '5\n')),
      say('timeout', '6\n', unlike('numbers', '5\n')),
    ],
  },
  {
    id: 'X-timeout-zero',
    says: 'timeout 0',
    steps: [say('timeout 0', '0\n', unlike('timeout-zero', '3\n')), say('timeout 1', '1\n')],
  },
  {
    id: 'X-tracking',
    says: 'tracking',
    options: '-T 60',
    steps: [
      say('tracking', '60\n'),
      say('tracking 0', '0\n'),
      say('tracking 1800', '1800\n'),
      say('tracking -1', '-1\n', unlike('numbers', '1800\n')),
    ],
  },
  {
    id: 'X-clients-max',
    says: 'clients_max',
    options: '-c 100',
    steps: [
      say('clients_max', '100\n'),
      say('clients_max 3000', '3000\n'),
      say('clients_max 10', '3000\n'),
      say('clients_max', '3000\n'),
    ],
  },
  {
    id: 'X-clients-max-default',
    says: 'clients_max never shrinks what was not said',
    steps: [say('clients_max', '2048\n'), say('clients_max 10', '2048\n')],
  },
  {
    id: 'X-conn-max',
    says: 'conn_max',
    steps: [say('conn_max', '500\n'), say('conn_max 10', '500\n'), say('conn_max 600', '600\n')],
  },
  {
    id: 'X-debug',
    says: 'debug',
    steps: [
      say('debug', '0\n'),
      say('debug 2', '2\n'),
      say('debug 0', '0\n'),
      say('debug -1', '-1\n', unlike('numbers', '0\n')),
    ],
  },
  {
    id: 'X-debug-option',
    says: 'debug by option',
    startsItself: true,
    steps: [
      start('{always} -d -d -C {control} {listen} {s0}', 'serves, complains', unlike('debug-lines', 'serves')),
      say('debug', '2\n'),
    ],
  },
  {
    id: 'X-idle-timeout',
    says: 'idle_timeout',
    steps: [
      say('idle_timeout', 'Idle timeout: 0 seconds\n'),
      say('idle_timeout 60', 'Idle timeout: 60 seconds\n'),
      say('idle_timeout -5', 'Idle timeout: 0 seconds\n', unlike('numbers', 'Idle timeout: 60 seconds\n')),
    ],
  },
  {
    id: 'X-pending-max',
    says: 'pending_max never answers',
    steps: [say('pending_max'), say('pending_max 50'), say('pending_max 0')],
  },
  {
    id: 'X-client-acl',
    says: 'client_acl and control_acl',
    steps: [
      say('client_acl', '0\n'),
      say('client_acl 9', '9\n'),
      say('client_acl 10', '0\n', unlike('numbers', '9\n')),
      say('client_acl -1', '0\n', unlike('numbers', '9\n')),
      say('client_acl 3', '3\n'),
      say('control_acl', '0\n'),
      say('control_acl 2', '2\n'),
      say('control_acl 11', '0\n', unlike('numbers', '2\n')),
    ],
  },
];

const WORDS: readonly Script[] = [
  {
    id: 'X-mode',
    says: 'mode after each of its words',
    steps: [
      say('mode', 'no hash no roundrobin no stubborn no weight no prio\n'),
      say('hash'),
      say('mode', 'hash no roundrobin no stubborn no weight no prio\n'),
      say('roundrobin'),
      say('stubborn'),
      say('weight'),
      say('prio'),
      say('mode', 'hash roundrobin stubborn weight prio\n'),
      say('no hash'),
      say('no stubborn'),
      say('mode', 'no hash roundrobin no stubborn weight prio\n'),
      say('no roundrobin'),
      say('no weight'),
      say('no prio'),
      say('mode', 'no hash no roundrobin no stubborn no weight no prio\n'),
    ],
  },
  {
    id: 'X-mode-options',
    says: 'mode after options',
    options: '-r -h -s -W',
    servers: [':0:0:1'],
    steps: [say('mode', 'hash roundrobin stubborn weight no prio\n')],
  },
  {
    id: 'X-silent',
    says: 'words without an answer',
    steps: [
      say('ascii'),
      say('no ascii'),
      say('keepalive'),
      say('no keepalive'),
      say('tcp_nodelay'),
      say('no tcp_nodelay'),
      say('poll'),
      say('select'),
      say('epoll'),
      say('kqueue'),
      say('tcp_fastclose up'),
      say('tcp_fastclose down'),
      say('tcp_fastclose both'),
      say('tcp_fastclose off'),
      say(
        'tcp_fastclose sideways',
        '',
        unlike('numbers', "tcp_fastclose: 'sideways' is not one of off, up, down, both\n"),
      ),
      say('tcp_fastclose', 'do_cmd: ignoring tcp_fastclose without argument\n'),
      request('c1', '1'),
    ],
  },
  {
    id: 'X-unknown',
    says: 'commands that do not exist',
    steps: [
      say('EXIT', "do_cmd: ignoring command starting with 'EXIT'\n"),
      say('block', "do_cmd: ignoring command starting with 'block'\n"),
      say('delayed_forward', "do_cmd: ignoring command starting with 'delayed_forward'\n"),
      say('Mode', "do_cmd: ignoring command starting with 'Mode'\n"),
      say(
        'mode\t',
        "do_cmd: ignoring command starting with 'mode\t'\n",
        unlike('tabs', 'no hash no roundrobin no stubborn no weight no prio\n'),
      ),
      say('no block'),
      say('no such'),
      say('no'),
      say(''),
      say('   '),
      say('# mode'),
      say('#mode'),
    ],
  },
  {
    id: 'X-lines',
    says: 'how a line is cut',
    steps: [
      say('  blacklist   7  ', '7\n'),
      say('blacklist 8 and so on', '8\n'),
      raw('blacklist', '8\n'),
      raw('blacklist 9\r\n', '9\n'),
      raw('blacklist 10\nblacklist 11\n', '10\n'),
      raw('blacklist 12\rblacklist 13\r', '12\n'),
      raw('\nblacklist 14\n', ''),
      raw('', ''),
      say('blacklist', '12\n'),
    ],
  },
  {
    id: 'X-facts',
    says: 'what the program knows of itself',
    steps: [say('pid', '{pid}\n'), say('control', '{host}:20200\n'), say('listen', '{host}:20100\n')],
  },
  {
    id: 'X-exit',
    says: 'exit is not for everybody',
    steps: [say('exit', 'Exit is not enabled; restart with -X flag\n'), fate('alive'), request('c1', '1')],
  },
  {
    id: 'X-exit-x',
    says: 'exit with -X',
    options: '-X',
    steps: [say('exit'), fate('exit 0')],
  },
];

export const COMMANDS: readonly Script[] = [...NUMBERS, ...WORDS];
