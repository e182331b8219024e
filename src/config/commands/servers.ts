/** Commands about servers: which there are, what they may take, and how one is chosen. */
import { KIND_UNIX, type Endpoint } from '../../base/endpoint.ts';
import { hostText, isName, literalEndpoint, parseHost, portNumber, unixEndpoint } from '../address.ts';
import { answer, type Action, type Call, type Command, type Pieces, type View } from '../command.ts';
import { ConfigError, SERVERS_LIMIT, UNSET_SERVER, type Configuration, type ServerConfig } from '../model.ts';
import { parseWhole } from '../numbers.ts';
import { changed, oneOf, onOff, question, SECONDS_MAX, setting, whole } from './kinds.ts';

const subject = 'servers';
const LIMIT_MAX = 2 ** 31 - 1;
/** Lines of a piece of an answer: some 5 KB, which Node hands to the kernel without a copy of its own. */
const LINES = 64;

/** What a key of `server` changes: the server, or something about the running process. */
interface Change {
  readonly server: ServerConfig;
  readonly action?: Action;
}

type Key = (call: Call, server: ServerConfig, value: string, where: string, index: number) => Change;

function limit(key: 'max' | 'hard' | 'weight' | 'prio', max = LIMIT_MAX): Key {
  return (_call, server, value, where) => ({ server: { ...server, [key]: parseWhole(value, where, 0, max) } });
}

const KEYS: ReadonlyMap<string, Key> = new Map<string, Key>([
  ['acl', (_call, server, value, where) => ({ server: { ...server, acl: parseWhole(value, where, 0, 9) } })],
  ['address', (call, server, value, where) => ({ server: { ...server, endpoint: moved(call, server, value, where) } })],
  ['port', (call, server, value, where) => ({ server: { ...server, endpoint: ported(call, server, value, where) } })],
  ['max', limit('max')],
  ['hard', limit('hard')],
  ['weight', limit('weight')],
  ['prio', limit('prio')],
  [
    'blacklist',
    (_call, server, value, where, index) => {
      const seconds = parseWhole(value, where, 0, SECONDS_MAX);
      return { server, action: { kind: 'blacklist', server: index, seconds } };
    },
  ],
]);

/** The server's port at another address. */
function moved({ hosts }: Call, { endpoint }: ServerConfig, value: string, where: string): Endpoint {
  const host = parseHost(value, where);
  if (host.includes('/')) return unixEndpoint(host);
  const port = endpoint.kind === KIND_UNIX ? 0 : endpoint.port;
  const literal = literalEndpoint(host, port, where);
  if (literal) return literal;
  const found = hosts.get(host);
  if (!found || found.kind === KIND_UNIX) throw new ConfigError(where, `host '${host}' is not known`);
  return { ...found, port };
}

/** A unix socket has no port; the one that the original shows for it is taken without effect. */
function ported({ servicePort }: Call, { endpoint }: ServerConfig, value: string, where: string): Endpoint {
  const port = portNumber(value, where, 0, servicePort);
  return endpoint.kind === KIND_UNIX ? endpoint : { ...endpoint, port };
}

/** Pairs of words: a last one that is alone is ignored. */
function* pairsOf(words: readonly string[]): Generator<readonly [string, string]> {
  for (let at = 0; at + 1 < words.length; at += 2) yield [words[at] ?? '', words[at + 1] ?? ''];
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
      help: `pairs of ${[...KEYS.keys()].join(', ')} and what is wanted`,
    },
  ],
  no: undefined,
  hosts: (words, where) => {
    const names: string[] = [];
    for (const [key, value] of pairsOf(words.slice(1))) {
      if (key !== 'address') continue;
      const host = parseHost(value, where);
      if (!host.includes('/') && isName(host, where)) names.push(host);
    }
    return names;
  },
  run: (call) => {
    const [number, ...rest] = call.words;
    if (number === undefined) return answer(call, '');
    const index = parseWhole(number, call.where, 0, SERVERS_LIMIT - 1);
    const actions: Action[] = [];
    let changing = call.state.servers[index];
    for (const [key, value] of pairsOf(rest)) {
      const change = KEYS.get(key)?.(call, changing ?? UNSET_SERVER, value, `${call.where}: ${key}`, index);
      if (!change) continue; // a key that nobody knows has never been a mistake
      changing = change.server;
      if (change.action) actions.push(change.action);
    }
    return { state: withServer(call.state, index, changing), reply: '', actions };
  },
  write: ({ servers }) =>
    servers.flatMap((each, index) => {
      if (!each) return [];
      const { acl, endpoint, max, hard, weight, prio } = each;
      const head = `server ${index} acl ${acl} address ${hostText(endpoint)} port ${portOf(endpoint)}`;
      return [`${head} max ${max} hard ${hard} weight ${weight} prio ${prio}`];
    }),
};

function withServer(state: Configuration, index: number, server: ServerConfig | undefined): Configuration {
  if (server === state.servers[index]) return state;
  const servers = [...state.servers];
  while (servers.length <= index) servers.push(undefined);
  servers[index] = server;
  return { ...state, servers };
}

/** A unix socket is shown with port 1, as it always was. */
function portOf(endpoint: Endpoint): number {
  return endpoint.kind === KIND_UNIX ? 1 : endpoint.port;
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
  write: ({ settings }) => [{ off: 'no hash', spread: 'hash', original: 'hash original' }[settings.hash]],
};

function* serverLines(view: View): Pieces {
  for (let from = 0; from < view.state.servers.length; from += LINES) yield linesFrom(view, from);
}

/** Made apart, because what a generator has in hand lives as long as a slow reader wants. */
function linesFrom({ state: { servers }, facts }: View, from: number): string {
  const factsOf = facts.servers();
  const lines = servers.slice(from, from + LINES).map((each, i) => {
    const { endpoint, max, hard, weight, prio } = each ?? UNSET_SERVER;
    const { inFlight, sent, received } = factsOf(from + i);
    const head = `${from + i} addr ${hostText(endpoint)} port ${portOf(endpoint)} conn ${inFlight}`;
    return `${head} max ${max} hard ${hard} weight ${weight} prio ${prio} sx ${sent} rx ${received}\n`;
  });
  return lines.join('');
}

export const SERVER_COMMANDS: readonly Command[] = [
  server,
  question({ name: 'servers', subject, help: 'Tell about all servers' }, serverLines),
  onOff({ name: 'roundrobin', subject, help: 'Clients do not keep their server', key: 'roundrobin' }),
  onOff({ name: 'prio', subject, help: 'Choose the server with the lowest prio', key: 'prio' }),
  onOff({ name: 'weight', subject, help: 'Choose the server with fewest connections per weight', key: 'weight' }),
  onOff({ name: 'leastconn', subject, help: 'Choose the server with fewest connections', key: 'leastconn' }),
  hash,
  onOff({ name: 'stubborn', subject, help: 'Close clients whose server fails, try no other', key: 'stubborn' }),
  setting({
    name: 'blacklist',
    subject,
    help: 'Seconds for which a failed server is passed over (30)',
    key: 'blacklist',
    type: whole('SECONDS', 0, SECONDS_MAX),
  }),
  question({ name: 'mode', subject, help: 'Tell how servers are chosen' }, ({ state: { settings } }) => {
    const flags: readonly (readonly [string, boolean])[] = [
      ['hash', settings.hash !== 'off'],
      ['roundrobin', settings.roundrobin],
      ['stubborn', settings.stubborn],
      ['weight', settings.weight],
      ['prio', settings.prio],
    ];
    return `${flags.map(([word, isOn]) => (isOn ? word : `no ${word}`)).join(' ')}\n`;
  }),
];
