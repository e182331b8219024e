/** Commands about servers: which there are, what they may take, and how one is chosen. */
import { KIND_UNIX } from '../../base/endpoint.ts';
import { parseAclId } from '../access-list.ts';
import { hostText, isName, LISTENER, literalEndpoint, parseHost, portNumber, unixEndpoint } from '../address.ts';
import { field, tellList, tellRow } from '../answer.ts';
import { answer, replaced, type Action, type Call, type Command } from '../command.ts';
import { portOf, SERVER_FIELDS, serverPages, type ServerRow } from '../rows.ts';
import {
  ConfigError,
  SERVERS_LIMIT,
  UNSET_SERVER,
  type Configuration,
  type ServerConfig,
  type Settings,
} from '../model.ts';
import { parseWhole, shorten } from '../numbers.ts';
import { settingPart } from '../parts.ts';
import { quoted } from '../words.ts';
import { changed, oneOf, onOff, question, SECONDS_MAX, setting, whole } from './kinds.ts';

const subject = 'servers';
const LIMIT_MAX = 2 ** 31 - 1;

/** What a key of `server` changes: the server, or something about the running process. */
interface Change {
  readonly server: ServerConfig;
  readonly action?: Action;
}

/** A word in front of what is wanted of a server. */
interface Key {
  /** What stands behind it, for help. */
  readonly value: string;
  readonly change: (call: Call, server: ServerConfig, value: string, where: string, index: number) => Change;
  /** What of a configuration it is about, and how that is written; undefined: it is about the running process. */
  readonly state?: { readonly parts: readonly (keyof ServerConfig)[]; readonly text: (server: ServerConfig) => string };
}

function numberKey(part: 'max' | 'hard' | 'weight' | 'prio'): Key {
  return {
    value: 'N',
    change: (_call, server, value, where) => ({
      server: { ...server, [part]: parseWhole(value, where, 0, LIMIT_MAX) },
    }),
    state: { parts: [part], text: (server) => String(server[part]) },
  };
}

/** In the order in which they are written. */
const KEYS: ReadonlyMap<string, Key> = new Map<string, Key>([
  [
    'acl',
    {
      value: 'LIST',
      change: (_call, server, value, where) => ({ server: { ...server, acl: parseAclId(value, where) } }),
      state: { parts: ['acl'], text: ({ acl }) => String(acl) },
    },
  ],
  [
    'address',
    {
      value: 'HOST|/PATH',
      change: (call, server, value, where) => ({ server: moved(call, server, value, where) }),
      // Where nobody says a port, it is one of the listener's.
      state: { parts: ['endpoint', 'hasListenerPort'], text: ({ endpoint }) => quoted(hostText(endpoint)) },
    },
  ],
  [
    'port',
    {
      value: 'PORT|listener',
      change: (call, server, value, where) => ({ server: ported(call, server, value, where) }),
      state: {
        parts: ['endpoint', 'hasListenerPort'],
        text: ({ endpoint, hasListenerPort }) => (hasListenerPort ? LISTENER : String(portOf(endpoint))),
      },
    },
  ],
  ['max', numberKey('max')],
  ['hard', numberKey('hard')],
  ['weight', numberKey('weight')],
  ['prio', numberKey('prio')],
  [
    'blacklist',
    {
      value: 'SECONDS',
      change: (_call, server, value, where, index) => {
        const seconds = parseWhole(value, where, 0, SECONDS_MAX);
        return { server, action: { kind: 'blacklist', server: index, seconds } };
      },
    },
  ],
]);

/** @errors ConfigError, also for a port behind it, as it stands behind the servers of the command line. */
function hostOf(value: string, where: string): string {
  const [, address, port] = HOST_AND_PORT.exec(value) ?? [];
  if (address === undefined) return parseHost(value, where);
  throw new ConfigError(where, `'${shorten(value)}' has a port behind it; write address ${address} port ${port}`);
}

/** The server's port at another address. */
function moved({ hosts }: Call, server: ServerConfig, value: string, where: string): ServerConfig {
  const host = hostOf(value, where);
  if (host.includes('/')) return { ...server, endpoint: unixEndpoint(host), hasListenerPort: false };
  const port = server.endpoint.kind === KIND_UNIX ? 0 : server.endpoint.port;
  const endpoint = literalEndpoint(host, port, where) ?? hosts.get(host);
  if (!endpoint || endpoint.kind === KIND_UNIX) throw new ConfigError(where, `host '${host}' is not known`);
  return { ...server, endpoint: { ...endpoint, port } };
}

/**
 * The server with the port of the listener, where a line says an address and nobody has said a port.
 *
 * @errors ConfigError when the listener has none to take.
 */
function withPort(call: Call, server: ServerConfig, said: ReadonlySet<string>): ServerConfig {
  const { endpoint, hasListenerPort } = server;
  if (hasListenerPort || !call.listenPort || !said.has('address') || said.has('port')) return server;
  if (endpoint.kind === KIND_UNIX || endpoint.port !== 0 || endpoint.ip.every((byte) => byte === 0)) return server;
  const text = call.listenPort();
  if (text !== undefined) return ported(call, server, text, call.where);
  const right = `as in server ${call.words[0]} address ${hostText(endpoint)} port 80`;
  throw new ConfigError(call.where, `needs a port, ${right}, because the listener has no fixed one`);
}

/** A unix socket has no port; the one that the original shows for it is taken without effect. */
function ported({ servicePort }: Call, server: ServerConfig, value: string, where: string): ServerConfig {
  const hasListenerPort = value === LISTENER;
  const port = hasListenerPort ? 0 : portNumber(value, where, 0, servicePort);
  const { endpoint } = server;
  return endpoint.kind === KIND_UNIX ? server : { ...server, endpoint: { ...endpoint, port }, hasListenerPort };
}

/** `host:port`, `[ipv6]:port`: neither an IPv6 address nor a path is one of these. */
const HOST_AND_PORT = /^([^:/[\]]+|\[[^\]/]*\]):([^:/]+)$/;

/** What the original writes as the address of a number that it has no server for, and stops to read at. */
const NO_ADDRESS = '(unknown';

/** Pairs of words: a last one that is alone is ignored. */
function* pairsOf(words: readonly string[]): Generator<readonly [string, string]> {
  for (let at = 0; at + 1 < words.length; at += 2) {
    const [key = '', value = ''] = words.slice(at, at + 2);
    if (key === 'address' && value === NO_ADDRESS) return;
    yield [key, value];
  }
}

const server: Command = {
  name: 'server',
  subject,
  help: 'Change server N, or make it',
  parameters: [
    { ...whole('N', 0, SERVERS_LIMIT - 1).parameter, isOptional: false },
    {
      label: 'KEY VALUE...',
      isOptional: true,
      words: [...KEYS.keys()],
      help: `pairs of ${[...KEYS].map(([key, { value }]) => `${key} ${value}`).join(', ')}`,
    },
  ],
  no: undefined,
  hosts: (words, where) => {
    const names: string[] = [];
    for (const [key, value] of pairsOf(words.slice(1))) {
      if (key !== 'address') continue;
      const host = hostOf(value, where);
      if (!host.includes('/') && isName(host, where)) names.push(host);
    }
    return names;
  },
  run: (call) => {
    const [number, ...rest] = call.words;
    if (number === undefined) return answer(call, '');
    const index = parseWhole(number, call.where, 0, SERVERS_LIMIT - 1);
    const actions: Action[] = [];
    const said = new Set<string>();
    let changing = call.state.servers[index];
    for (const [key, value] of pairsOf(rest)) {
      said.add(key);
      const change = KEYS.get(key)?.change(call, changing ?? UNSET_SERVER, value, `${call.where}: ${key}`, index);
      if (!change) continue; // a key that nobody knows has never been a mistake
      changing = change.server;
      if (change.action) actions.push(change.action);
    }
    if (changing) changing = withPort(call, changing, said);
    return { state: withServer(call, index, changing), reply: '', actions };
  },
  doubts: ([, ...rest]) =>
    [...pairsOf(rest)].flatMap(([key]) => (KEYS.has(key) ? [] : [`there is no key '${shorten(key)}', passed over`])),
  sets: ([number, ...rest]) => {
    const keys = [...pairsOf(rest)].flatMap(([key]) => KEYS.get(key)?.state?.parts ?? []);
    return keys.map((key) => ({ of: 'servers', index: Number(number), key }));
  },
  write: ({ servers }) => servers.flatMap((each, index) => (each ? [`server ${index} ${pairsFor(each)}`] : [])),
};

/** The words that make a server again. */
function pairsFor(server: ServerConfig): string {
  return [...KEYS].flatMap(([key, { state }]) => (state ? [`${key} ${state.text(server)}`] : [])).join(' ');
}

function withServer(call: Call, index: number, server: ServerConfig | undefined): Configuration {
  const { state } = call;
  if (server === state.servers[index]) return state;
  const servers = replaced(call, state.servers, index, server);
  return servers === state.servers ? state : { ...state, servers };
}

const FORMULA = oneOf('original');

const hash: Command = {
  name: 'hash',
  subject,
  help: "Choose a server by the client's address",
  parameters: [{ ...FORMULA.parameter, help: 'with the formula of the original pen' }],
  no: [],
  run: (call) => {
    const [word] = call.words;
    if (call.isNo) return changed(call, 'hash', 'off');
    return changed(call, 'hash', word === undefined ? 'spread' : FORMULA.parse(word, call.where));
  },
  sets: () => [settingPart('hash')],
  write: ({ settings }) => [{ off: 'no hash', spread: 'hash', original: 'hash original' }[settings.hash]],
};

function serverLine({ server, address, port, connections, max, hard, weight, prio, ...row }: ServerRow): string {
  const head = `${server} addr ${address} port ${port} conn ${connections} max ${max} hard ${hard}`;
  return `${head} weight ${weight} prio ${prio} sx ${row.sent} rx ${row.received}\n`;
}

/** What the original tells of how servers are chosen, in its order. */
const KNOWN_MODES = ['hash', 'roundrobin', 'stubborn', 'weight', 'prio'] as const;

function modeOf({ hash, roundrobin, stubborn, weight, prio, leastconn }: Settings): Readonly<Record<string, boolean>> {
  return { hash: hash !== 'off', roundrobin, stubborn, weight, prio, leastconn };
}

function modeLine(mode: Readonly<Record<string, boolean>>): string {
  const words = KNOWN_MODES.map((word) => (mode[word] === true ? word : `no ${word}`));
  return `${words.join(' ')}\n`;
}

export const SERVER_COMMANDS: readonly Command[] = [
  server,
  question({
    name: 'servers',
    subject,
    help: 'Tell about all servers',
    told: { fields: {}, lists: { servers: SERVER_FIELDS } },
    reply: (view) => tellList('servers', () => serverPages(view), serverLine),
  }),
  onOff({ name: 'roundrobin', subject, help: 'Clients do not keep their server', key: 'roundrobin' }),
  onOff({ name: 'prio', subject, help: 'Choose the server with the lowest prio', key: 'prio' }),
  onOff({ name: 'weight', subject, help: 'Choose the server with fewest connections per weight', key: 'weight' }),
  onOff({ name: 'leastconn', subject, help: 'Choose the server with fewest connections', key: 'leastconn' }),
  hash,
  onOff({ name: 'peek', subject, help: 'Choose a server when the client has said something', key: 'peek' }),
  onOff({ name: 'dummy', subject, help: 'Answer clients by a line of HTML, without a server', key: 'dummy' }),
  onOff({ name: 'stubborn', subject, help: 'Close clients whose server fails, try no other', key: 'stubborn' }),
  setting({
    name: 'blacklist',
    subject,
    help: 'Seconds for which a failed server is passed over (30)',
    key: 'blacklist',
    type: whole('SECONDS', 0, SECONDS_MAX),
  }),
  question({
    name: 'mode',
    subject,
    help: 'Tell how servers are chosen',
    told: {
      fields: {
        hash: field('by the address of the client'),
        roundrobin: field('clients do not keep their server'),
        stubborn: field('no other server is tried'),
        weight: field('by connections per weight'),
        prio: field('by the lowest prio'),
        leastconn: field('by connections'),
      },
      lists: {},
    },
    reply: ({ state }) => {
      const mode = modeOf(state.settings);
      return tellRow(mode, modeLine(mode));
    },
  }),
];
