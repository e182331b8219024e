/** Starting: options, addresses, servers as they are written, unix sockets, exit codes; and the ends of the program. */
import { content, request, say, printed, signal, start, unlike, wait, write, type Script } from '../script.ts';

/** A start that is all there is to see. */
function begins(
  id: string,
  says: string,
  args: string | readonly string[],
  gives: string,
  ours?: Parameters<typeof start>[2],
): Script {
  return { id, says, startsItself: true, steps: [start(args, gives, ours)] };
}

const USAGE: readonly Script[] = [
  begins('S-nothing', 'nothing at all', '', 'exit 0, usage'),
  begins(
    'S-unknown',
    'an option that does not exist',
    '-y {listen} {s0}',
    'exit 0, usage, complains',
    unlike('exit', 'exit 1, complains'),
  ),
  begins('S-N', 'the option -N', '-N {listen} {s0}', 'exit 0, usage', unlike('exit', 'exit 1, complains')),
  begins(
    'S-missing',
    'an option without its word',
    '{listen} {s0} -x',
    'exit 0, usage, complains',
    unlike('exit', 'exit 1, complains'),
  ),
  begins(
    'S-timeout',
    'a timeout below 1',
    '-f -t 0 {listen} {s0}',
    'exit 0, usage',
    unlike('exit', 'exit 1, complains'),
  ),
  begins('S-i', 'the option for Windows', '-i name', 'exit 0, complains', unlike('later-options', 'exit 1, not yet')),
  begins('S-abort', 'an error, by which it is to be aborted', '-f -O abort_on_error {s0} {s1}', 'SIGABRT, complains'),
  begins(
    'S-no-abort',
    'an error, by which it is not to be aborted any more',
    ['-f', '-O', 'abort_on_error', '-O', 'no abort_on_error', '{s0}', '{s1}'],
    'exit 1, complains',
  ),
  begins('S-none', 'no server', '{always} {listen}', 'serves', unlike('no-server', 'exit 1, complains')),
  begins(
    'S-weights',
    'choice by weight, and no server has one',
    '{always} -W {listen} {s0}',
    'serves',
    unlike('weights', 'serves, complains'),
  ),
];

const ADDRESSES: readonly Script[] = [
  begins('S-port', 'a port that does not exist', '-f {host}:nosuch {s0}', 'exit 1, complains'),
  begins('S-port-zero', 'port 0', '-f {host}:0 {s0}', 'exit 1, complains', unlike('port-zero', 'serves')),
  begins('S-port-big', 'a port beyond 65535', '-f {host}:70000 {s0}', 'exit 1, complains'),
  begins('S-host', 'a listen address that does not exist', '-f nosuch.invalid:20100 {s0}', 'exit 1, complains'),
  begins('S-elsewhere', 'a listen address of another machine', '-f 192.0.2.1:20100 {s0}', 'exit 1, complains'),
  begins('S-taken', 'a port that a server has', '-f {s0} {s1}', 'exit 1, complains'),
  begins('S-server-host', 'a server that cannot be found', '-f {listen} nosuch.invalid:80', 'exit 1, complains'),
  begins('S-server-six', 'an IPv6 server without brackets', '-f {listen} ::1:80', 'exit 1, complains'),
  begins(
    'S-server-port',
    'a server whose port does not exist',
    '{always} {listen} {host}:nosuch',
    'serves',
    unlike('server-text', 'exit 1, complains'),
  ),
  begins(
    'S-server-big',
    'a server whose port is beyond 65535',
    '{always} {listen} {host}:70000',
    'serves',
    unlike('server-text', 'exit 1, complains'),
  ),
  begins(
    'S-server-max',
    'a server whose limit is no number',
    '{always} {listen} {s0}:abc',
    'serves',
    unlike('server-text', 'exit 1, complains'),
  ),
  begins(
    'S-server-minus',
    'a server with a negative limit',
    '{always} {listen} {s0}:-1',
    'serves',
    unlike('server-text', 'exit 1, complains'),
  ),
  begins(
    'S-server-more',
    'a server with a field too many',
    '{always} {listen} {s0}:1:2:3:4:5',
    'serves',
    unlike('server-text', 'exit 1, complains'),
  ),
  {
    id: 'S-server-forms',
    says: 'how a server may be written',
    startsItself: true,
    steps: [
      start(
        '{always} -C {control} {listen} 127.1 [127.0.0.1]:81 127.0.0.1:http:1:2:3:4 127.0.0.1: 127.0.0.1::5 localhost:82',
        'serves',
      ),
      say(
        'servers',
        '0 addr 127.0.0.1 port 20100 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n' +
          '1 addr 127.0.0.1 port 81 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n' +
          '2 addr 127.0.0.1 port 80 conn 0 max 1 hard 2 weight 3 prio 4 sx 0 rx 0\n' +
          '3 addr 127.0.0.1 port 20100 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n' +
          '4 addr 127.0.0.1 port 20100 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n' +
          '5 addr 127.0.0.1 port 82 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n',
        unlike(
          'empty-field',
          '0 addr 127.0.0.1 port 20100 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n' +
            '1 addr 127.0.0.1 port 81 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n' +
            '2 addr 127.0.0.1 port 80 conn 0 max 1 hard 2 weight 3 prio 4 sx 0 rx 0\n' +
            '3 addr 127.0.0.1 port 20100 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n' +
            '4 addr 127.0.0.1 port 20100 conn 0 max 5 hard 0 weight 0 prio 0 sx 0 rx 0\n' +
            '5 addr 127.0.0.1 port 82 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n',
        ),
      ),
    ],
  },
  {
    id: 'S-control-bad',
    says: 'a control address that does not exist',
    startsItself: true,
    steps: [
      start(
        '{always} -C {host}:nosuch {listen} {s0}',
        'serves, complains',
        unlike('control-address', 'exit 1, complains'),
      ),
    ],
  },
  {
    id: 'S-control-taken',
    says: 'a control address that is taken',
    startsItself: true,
    steps: [start('{always} -C {s1} {listen} {s0}', 'exit 1, complains')],
  },
  {
    id: 'S-twice',
    says: 'a second pen on the same port',
    startsItself: true,
    steps: [
      start('{always} {listen} {s0}', 'serves'),
      start('{always} {listen} {s0}', 'serves', unlike('twice', 'exit 1, complains')),
    ],
  },
];

const OPTIONS: readonly Script[] = [
  {
    id: 'S-last',
    says: 'options anywhere and together; of two the last one counts',
    startsItself: true,
    steps: [
      start('{listen} {always} -rs {s0} -b 7 -C {control} {s1} -b 8 -t 9 -T 60', 'serves'),
      say('mode', 'no hash roundrobin stubborn no weight no prio\n'),
      say('blacklist', '8\n'),
      say('timeout', '9\n'),
      say('tracking', '60\n'),
      request('c1 c1', '1 0'),
    ],
  },
  {
    id: 'S-glued',
    says: 'words glued to their options, and -- before the addresses',
    startsItself: true,
    steps: [
      start('{always} -b7 -x600 -C{control} -- {listen} {s0}', 'serves'),
      say('blacklist', '7\n'),
      say('conn_max', '600\n'),
    ],
  },
  {
    id: 'S-sizes',
    says: 'the sizes of the tables',
    options: '-c 10 -x 20',
    steps: [say('clients_max', '10\n'), say('conn_max', '20\n')],
  },
  {
    id: 'S-O',
    says: 'commands at the start, in their order, with their replies',
    startsItself: true,
    steps: [
      start(
        [
          '{always}',
          '-C',
          '{control}',
          '-O',
          'blacklist 9',
          '-O',
          'roundrobin',
          '-o',
          'mode',
          '{listen}',
          '{s0}',
          '{s1}',
        ],
        'serves',
      ),
      say('blacklist', '9\n'),
      signal('SIGTERM', 'exit 0'),
      printed('9\nno hash roundrobin no stubborn no weight no prio\n'),
    ],
  },
  {
    id: 'S-O-bad',
    says: 'a command at the start that does not exist',
    startsItself: true,
    steps: [start('{always} -O nonsense {listen} {s0}', 'serves', unlike('exit', 'exit 1, complains'))],
  },
  {
    id: 'S-O-limits',
    says: 'a limit set at the start for a server that the command line names',
    startsItself: true,
    steps: [
      start(['{always}', '-C', '{control}', '-O', 'server 0 max 5', '{listen}', '{s0}'], 'serves'),
      say(
        'servers',
        '0 addr {host} port 20001 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n',
        unlike('said-limits', '0 addr {host} port 20001 conn 0 max 5 hard 0 weight 0 prio 0 sx 0 rx 0\n'),
      ),
    ],
  },
  {
    id: 'S-small',
    says: 'numbers that are made usable',
    startsItself: true,
    steps: [start('{always} -m 0 -q 1 {listen} {s0}', 'serves, complains', unlike('exit', 'exit 1, complains'))],
  },
  {
    id: 'S-backlog',
    says: 'a backlog below 50',
    startsItself: true,
    steps: [start('{always} -q 10 {listen} {s0}', 'serves, complains', unlike('backlog', 'serves'))],
  },
  {
    id: 'S-obsolete',
    says: 'options that do nothing any more',
    startsItself: true,
    steps: [start('{always} -D -Q -n -S 3 {listen} {s0} {s1}', 'serves, complains'), request('c1', '1')],
  },
  {
    id: 'S-P',
    says: 'the option -P',
    options: '-P -r',
    steps: [request('c1 c1', '1 0')],
  },
  {
    id: 'S-number',
    says: 'options whose word is not a number',
    startsItself: true,
    steps: [start('{always} -b soon -C {control} {listen} {s0}', 'serves', unlike('exit', 'exit 1, complains'))],
  },
];

const UNIX: readonly Script[] = [
  {
    id: 'S-unix',
    says: 'a unix listener and a unix control listener',
    startsItself: true,
    steps: [
      start('{always} -C {dir}/control.sock {dir}/listen.sock {s0} {s1}', 'serves'),
      say('control', '{dir}/control.sock\n'),
      say('listen', '{dir}/listen.sock\n'),
      request('c1 c2', '1 1'),
      say(
        'servers',
        '0 addr {host} port 20001 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n1 addr {host} port 20002 conn 0 max 0 hard 0 weight 0 prio 0 sx 4 rx 12\n',
      ),
    ],
  },
  {
    id: 'S-unix-acl',
    says: 'access lists do not concern unix clients',
    startsItself: true,
    steps: [
      start('{always} -C {dir}/control.sock -r {dir}/listen.sock {s0} {s1}', 'serves'),
      say('acl 0 permit 10.0.0.1'),
      say('mode', 'no hash roundrobin no stubborn no weight no prio\n'),
      request('c1 c2', '1 0'),
    ],
  },
  {
    id: 'S-unix-port',
    says: 'a server without a port behind a unix listener',
    startsItself: true,
    steps: [start('{always} {dir}/listen.sock {host}', 'serves', unlike('server-text', 'exit 1, complains'))],
  },
  {
    id: 'S-unix-file',
    says: 'a file where the unix listener should be',
    startsItself: true,
    steps: [
      write('listen.sock', 'precious'),
      start('{always} {dir}/listen.sock {s0}', 'serves', unlike('unix-file', 'exit 1, complains')),
    ],
  },
];

const ENDS: readonly Script[] = [
  { id: 'S-term', says: 'TERM', steps: [request('c1', '1'), signal('SIGTERM', 'exit 0')] },
  { id: 'S-term-abort', says: 'TERM is no error', steps: [say('abort_on_error'), signal('SIGTERM', 'exit 0')] },
  { id: 'S-int', says: 'INT', steps: [signal('SIGINT', 'SIGINT', unlike('int', 'exit 0'))] },
  { id: 'S-hup', says: 'HUP', steps: [signal('SIGHUP', 'alive'), request('c1', '1')] },
  { id: 'S-usr1', says: 'USR1', steps: [request('c1', '1'), signal('SIGUSR1', 'alive'), request('c1', '1')] },
  { id: 'S-usr2', says: 'USR2', steps: [signal('SIGUSR2', 'SIGABRT')] },
  { id: 'S-pipe', says: 'PIPE', steps: [signal('SIGPIPE', 'alive'), request('c1', '1')] },
  {
    id: 'S-pidfile',
    says: 'the pid file',
    startsItself: true,
    steps: [
      start('{always} -p {dir}/pid -C {control} {listen} {s0}', 'serves'),
      content('pid', '{pid}'),
      signal('SIGTERM', 'exit 0'),
      content('pid', 'none'),
    ],
  },
  {
    id: 'S-pidfile-bad',
    says: 'a pid file that cannot be written',
    startsItself: true,
    steps: [start('{always} -p {dir}/no/pid {listen} {s0}', 'exit 1, complains')],
  },
  {
    id: 'S-user-unknown',
    says: 'a user that is none',
    startsItself: true,
    steps: [start('-f -u nosuchuser {listen} {s0}', 'exit 1, complains')],
  },
  {
    id: 'S-jail-none',
    says: 'a root directory that is none',
    startsItself: true,
    steps: [
      start('{always} -j {dir}/no {listen} {s0}', 'exit 1, complains'),
      start('{always} -j /etc/passwd {listen} {s0}', 'exit 1, complains'),
    ],
  },
  {
    id: 'S-background',
    says: 'in the background',
    startsItself: true,
    steps: [start('{listen} {s0} {s1}', 'exit 0, serves'), request('c1', '1')],
  },
  {
    id: 'S-background-taken',
    says: 'in the background, on a port that is taken',
    startsItself: true,
    steps: [start('{s0} {s1}', 'exit 0', unlike('background', 'exit 1, complains'))],
  },
  {
    id: 'S-background-pid',
    says: 'in the background, with a pid file',
    startsItself: true,
    steps: [start('-p {dir}/pid {listen} {s0}', 'exit 0, serves'), wait(100), content('pid', '#', undefined, /^\d+$/)],
  },
];

export const START: readonly Script[] = [...USAGE, ...ADDRESSES, ...OPTIONS, ...UNIX, ...ENDS];
