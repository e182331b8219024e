/** Commands about connections: how many, how long, how they end, and what one of them does. */
import { answer, type Command, type Facts } from '../command.ts';
import { CONNECTIONS_LIMIT, limitsOf } from '../model.ts';
import { changed, oneOf, onOff, question, SECONDS_MAX, setting, whole } from './kinds.ts';

const subject = 'connections';
/** Any number a person may ask about; those that cannot be are told to be out of range. */
const anyNumber = whole('N', -(2 ** 31), 2 ** 31 - 1);
const fastclose = oneOf('off', 'up', 'down', 'both');

const tcpFastclose: Command = {
  name: 'tcp_fastclose',
  subject,
  help: 'Whose end of stream ends the connection (off)',
  parameters: [{ ...oneOf('up', 'down', 'both', 'off').parameter, isOptional: false }],
  no: undefined,
  run: (call) => {
    const [word] = call.words;
    if (word === undefined) return answer(call, 'do_cmd: ignoring tcp_fastclose without argument\n');
    return changed(call, 'tcpFastclose', fastclose.parse(word, call.where));
  },
  write: ({ settings }) => [`tcp_fastclose ${settings.tcpFastclose}`],
};

const close: Command = {
  name: 'close',
  subject,
  help: 'End connection N at once',
  parameters: [anyNumber.parameter],
  no: undefined,
  run: (call) => {
    const connection = numberIn(call.words, call.where);
    if (!call.facts.connection(connection)) return answer(call, outOfRange(connection));
    const reply = `Forcibly closing connection ${connection}\n`;
    return { state: call.state, reply, actions: [{ kind: 'close', connection }] };
  },
};

function numberIn([word = '0']: readonly string[], where: string): number {
  return anyNumber.parse(word, where);
}

function outOfRange(connection: number): string {
  return `Connection ${connection} out of range\n`;
}

function describe(facts: Facts, number: number): string {
  const connection = facts.connection(number);
  if (!connection) return outOfRange(number);
  const { state, downFd, upFd, client, server } = connection;
  return `Connection ${number}:
state = ${state}
downfd = ${downFd}, upfd = ${upFd}
client = ${client}, server = ${server}
pend = 0
`;
}

export const CONNECTION_COMMANDS: readonly Command[] = [
  setting({
    name: 'conn_max',
    subject,
    help: 'Connections at once (500); only grows',
    key: 'connMax',
    type: whole('N', 0, CONNECTIONS_LIMIT),
    combine: Math.max,
    reply: (settings) => String(limitsOf(settings).connMax),
  }),
  setting({
    name: 'pending_max',
    subject,
    help: 'Connections that wait for their server at once (100)',
    key: 'pendingMax',
    type: whole('N', 0, CONNECTIONS_LIMIT),
    combine: (_before, said) => Math.max(1, said),
    reply: null,
  }),
  setting({
    name: 'timeout',
    subject,
    help: 'Seconds after which a connect is given up (3)',
    key: 'timeout',
    type: whole('SECONDS', 1, SECONDS_MAX),
  }),
  setting({
    name: 'idle_timeout',
    subject,
    help: 'Seconds without progress that end a connection; 0 off',
    key: 'idleTimeout',
    type: whole('SECONDS', 0, SECONDS_MAX),
    reply: ({ idleTimeout }) => `Idle timeout: ${idleTimeout} seconds`,
  }),
  setting({
    name: 'half_closed_timeout',
    subject,
    help: 'The same once one direction has ended; 0 as idle_timeout',
    key: 'halfClosedTimeout',
    type: whole('SECONDS', 0, SECONDS_MAX),
  }),
  tcpFastclose,
  onOff({ name: 'tcp_nodelay', subject, help: 'Send small packets at once (on)', key: 'tcpNodelay' }),
  onOff({ name: 'keepalive', subject, help: 'Probe idle servers by TCP keepalive (off)', key: 'keepalive' }),
  question(
    { name: 'connection', subject, help: 'Tell about connection N (0)' },
    ({ facts }, words, where) => describe(facts, numberIn(words, where)),
    anyNumber.parameter,
  ),
  question(
    { name: 'socket', subject, help: 'Tell which connection a descriptor belongs to' },
    ({ facts }, words, where) => {
      const fd = numberIn(words, where);
      return `Socket ${fd} belongs to connection ${facts.connectionOf(fd)}\n`;
    },
    { ...anyNumber.parameter, label: 'FD' },
  ),
  close,
];
