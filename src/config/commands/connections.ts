/** Commands about connections: how many, how long, where from, how they end, and what one of them does. */
import { KIND_UNIX } from '../../base/endpoint.ts';
import { hostText, isName, literalEndpoint, parseHost } from '../address.ts';
import { field, tellList, tellRow, type Answer, type Mistake, type Reply } from '../answer.ts';
import { answer, type Command, type Facts, type View } from '../command.ts';
import { CONNECTION_FIELDS, connectionPages, type ConnectionRow } from '../rows.ts';
import { ConfigError, CONNECTIONS_DEFAULT, CONNECTIONS_LIMIT, grown, visible } from '../model.ts';
import { settingPart } from '../parts.ts';
import { changed, oneOf, onOff, question, SECONDS_MAX, setting, whole } from './kinds.ts';

const subject = 'connections';
/** Any number a person may ask about; those that cannot be are told to be out of range. */
const anyNumber = whole('N', -(2 ** 31), 2 ** 31 - 1);
const idlerCount = whole('N', 0, CONNECTIONS_LIMIT);
const fastclose = oneOf('off', 'up', 'down', 'both');

const tcpFastclose: Command = {
  name: 'tcp_fastclose',
  subject,
  help: 'Whose end of stream ends the connection (off)',
  parameters: [{ ...oneOf('up', 'down', 'both', 'off').parameter, isOptional: false }],
  no: undefined,
  run: (call) => {
    const [word] = call.words;
    if (word === undefined) return answer(call, { mistake: 'do_cmd: ignoring tcp_fastclose without argument\n' });
    return changed(call, 'tcpFastclose', fastclose.parse(word, call.where));
  },
  sets: (words) => (words.length === 0 ? [] : [settingPart('tcpFastclose')]),
  write: ({ settings }) => [`tcp_fastclose ${settings.tcpFastclose}`],
};

const source: Command = {
  name: 'source',
  subject,
  help: 'Address that connections to servers come from',
  parameters: [{ label: 'ADDRESS', isOptional: false, words: [], help: 'an address of this machine, or its name' }],
  no: [],
  hosts: ([word], where) => {
    if (word === undefined) return [];
    const host = parseHost(word, where);
    return !host.includes('/') && isName(host, where) ? [host] : [];
  },
  refusal: ([word = '']) => `unable to set source address to '${visible(word)}'`,
  run: (call) => {
    if (call.isNo) return changed(call, 'source', undefined);
    const [word] = call.words;
    if (word === undefined) throw new ConfigError(call.where, 'write an address of this machine after it');
    const host = parseHost(word, call.where);
    const endpoint = literalEndpoint(host, 0, call.where) ?? call.hosts.get(host);
    if (!endpoint || endpoint.kind === KIND_UNIX) throw new ConfigError(call.where, `'${word}' is not an address`);
    if (endpoint.ip.every((byte) => byte === 0)) throw new ConfigError(call.where, `'${word}' is not one address`);
    return changed(call, 'source', { ...endpoint, port: 0 });
  },
  sets: () => [settingPart('source')],
  write: ({ settings }) => [settings.source ? `source ${hostText(settings.source)}` : 'no source'],
};

const idlers: Command = {
  name: 'idlers',
  subject,
  help: 'Connections to servers that are kept without a client (0)',
  parameters: [idlerCount.parameter],
  no: [],
  tell: tellIdlers,
  told: { fields: { idlers: field('how many there are'), wanted: field('how many there should be') }, lists: {} },
  run: (call) => {
    if (call.isNo) return changed(call, 'idlers', 0);
    const [word] = call.words;
    if (word === undefined) return answer(call, tellIdlers(call));
    const outcome = changed(call, 'idlers', idlerCount.parse(word, call.where));
    return { ...outcome, reply: tellIdlers({ ...call, state: outcome.state }) };
  },
  sets: () => [settingPart('idlers')],
  write: ({ settings }) => [`idlers ${settings.idlers}`],
};

function tellIdlers({ state, facts }: View): Answer {
  const row = { idlers: facts.idlers(), wanted: state.settings.idlers };
  return tellRow(row, `Idlers: ${row.idlers}/${row.wanted}\n`);
}

const close: Command = {
  name: 'close',
  subject,
  help: 'End connection N at once',
  parameters: [anyNumber.parameter],
  no: undefined,
  run: (call) => {
    const connection = numberIn(call.words, call.where);
    const row = call.facts.connection(connection);
    if (!row) return answer(call, outOfRange(connection));
    const reply = `Forcibly closing connection ${connection}\n`;
    // Nobody uses it, or a farm that was not asked for.
    if (row.state === 0) return answer(call, reply);
    return { state: call.state, reply, actions: [{ kind: 'close', connection }] };
  },
};

function numberIn([word = '0']: readonly string[], where: string): number {
  return anyNumber.parse(word, where);
}

function outOfRange(connection: number): Mistake {
  return { mistake: `Connection ${connection} out of range\n` };
}

function describe(facts: Facts, number: number): Reply {
  const row = facts.connection(number);
  if (!row) return outOfRange(number);
  const { state, downfd, upfd, client, server } = row;
  return tellRow(
    row,
    `Connection ${number}:
state = ${state}
downfd = ${downfd}, upfd = ${upfd}
client = ${client}, server = ${server}
pend = 0
`,
  );
}

function connectionLine({ connection, state, downfd, upfd, client, server, ...row }: ConnectionRow): string {
  const head = `${connection} state ${state} downfd ${downfd} upfd ${upfd} client ${client} addr ${row.address}`;
  const bytes = `pend_down ${row.pending_down} pend_up ${row.pending_up} up ${row.bytes_up} down ${row.bytes_down}`;
  return `${head} server ${server} age ${row.age} idle ${row.idle} ${bytes}\n`;
}

export const CONNECTION_COMMANDS: readonly Command[] = [
  setting({
    name: 'conn_max',
    subject,
    help: 'Connections at once (500); only grows',
    key: 'connMax',
    type: whole('N', 0, CONNECTIONS_LIMIT),
    combine: (before, said, facts) => grown(before, said, facts.limits()?.connMax ?? 0),
    value: (settings, facts) => settings.connMax || (facts.limits()?.connMax ?? CONNECTIONS_DEFAULT),
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
    reply: (seconds) => `Idle timeout: ${seconds} seconds`,
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
  source,
  idlers,
  onOff({ name: 'keepalive', subject, help: 'Probe idle servers by TCP keepalive (off)', key: 'keepalive' }),
  question({
    name: 'connections',
    subject,
    help: 'Tell about all connections that are in use',
    told: { fields: {}, lists: { connections: CONNECTION_FIELDS } },
    reply: (view) => tellList('connections', () => connectionPages(view), connectionLine),
  }),
  question({
    name: 'connection',
    subject,
    help: 'Tell about connection N (0)',
    told: { fields: CONNECTION_FIELDS, lists: {} },
    reply: ({ facts }, words, where) => describe(facts, numberIn(words, where)),
    parameters: [anyNumber.parameter],
  }),
  question({
    name: 'socket',
    subject,
    help: 'Tell which connection a descriptor belongs to',
    told: {
      fields: { socket: field('the descriptor'), connection: field('number of its connection; -1 none') },
      lists: {},
    },
    reply: ({ facts }, words, where) => {
      const socket = numberIn(words, where);
      const connection = facts.connectionOf(socket);
      return tellRow({ socket, connection }, `Socket ${socket} belongs to connection ${connection}\n`);
    },
    parameters: [{ ...anyNumber.parameter, label: 'FD' }],
  }),
  close,
];
