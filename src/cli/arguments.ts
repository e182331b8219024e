/** The command line of `pen`: options as the original has them, as far as this version knows them. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { parseListen, parseServer, type WrittenAddress, type WrittenServer } from '../config/address.ts';
import { idleFacts } from '../config/command.ts';
import { applyCommand } from '../config/commands.ts';
import { ConfigError, EMPTY_CONFIGURATION, type Configuration } from '../config/model.ts';

export interface CommandLine {
  readonly listen: WrittenAddress;
  readonly listenText: string;
  readonly servers: readonly WrittenServer[];
  readonly emergency: WrittenServer | undefined;
  /** Where commands come to, as it was written. */
  readonly controlText: string | undefined;
  readonly user: string | undefined;
  /** What options have set; without addresses. */
  readonly configuration: Configuration;
}

/** Options that are commands written short: the letter and the command it stands for. */
const SHORT_COMMANDS: ReadonlyMap<string, string> = new Map([
  ['b', 'blacklist'],
  ['t', 'timeout'],
  ['x', 'conn_max'],
  ['m', 'accept_batch'],
  ['q', 'backlog'],
]);

const OPTIONS = {
  b: { type: 'string', short: 'b' },
  t: { type: 'string', short: 't' },
  x: { type: 'string', short: 'x' },
  m: { type: 'string', short: 'm' },
  q: { type: 'string', short: 'q' },
  e: { type: 'string', short: 'e' },
  C: { type: 'string', short: 'C' },
  u: { type: 'string', short: 'u' },
  X: { type: 'boolean', short: 'X' },
  O: { type: 'string', short: 'O', multiple: true },
  r: { type: 'boolean', short: 'r' },
  s: { type: 'boolean', short: 's' },
  f: { type: 'boolean', short: 'f' },
  help: { type: 'boolean' },
  version: { type: 'boolean' },
} as const satisfies ParseArgsConfig['options'];

/** Letters of the original that a later version will know. */
const LATER = 'BFPTUWacdhijlopwEKGARZLHDQSn';

export const USAGE = `usage: pen [options] [host:]port|/path server [server ...]

A server is host[:port[:max[:hard[:weight[:prio]]]]], [ipv6]:port or /path.

  -C ADDR  take commands at [host:]port or /path, from penctl
  -b SEC   pass over a failed server for SEC seconds (30)
  -e SERVER  emergency server, used when no other can be reached
  -f       stay in the foreground (this version always does)
  -m N     accept at most N connections per wake-up (100)
  -O CMD   run a command, as -O 'idle_timeout 60'; may be repeated
  -q N     clients that may wait in the kernel's backlog (500)
  -r       round robin (this version always does)
  -s       stubborn: close the client when its server fails
  -t SEC   give a connect up after SEC seconds (3)
  -u USER  the user we run as anyway; as root needed with -C
  -x N     connections at once (500)
  -X       allow the command exit
  --help, --version

Commands: uring, epoll (choose the loop), idle_timeout N, half_closed_timeout N,
pending_max N, tcp_fastclose up|down|both|off, [no] tcp_nodelay, [no] keepalive.

Example: pen -x 1000 80 www1:8080 www2:8080
`;

/** What the command line asks for. */
export type Request =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'run'; readonly line: CommandLine };

/**
 * Reads the command line.
 *
 * @param args without node and script.
 * @errors ConfigError that names the option, what was wrong and what would be right.
 */
export function readCommandLine(args: readonly string[]): Request {
  const { values, positionals, tokens } = parse(args);
  if (values.version) return { kind: 'version' };
  if (values.help || positionals.length === 0) return { kind: 'help' };
  const configuration = readSettings(tokens);
  const [listenText = '', ...serverTexts] = positionals;
  const listen = parseListen(listenText, 'listen address');
  const port = 'port' in listen ? listen.port : undefined;
  if (serverTexts.length === 0)
    throw new ConfigError('pen', `needs at least one server after the listen address '${listenText}'`);
  const servers = serverTexts.map((text) => parseServer(text, 'server', port));
  const emergency = values.e === undefined ? undefined : parseServer(values.e, '-e', port);
  return {
    kind: 'run',
    line: { listen, listenText, servers, emergency, controlText: values.C, user: values.u, configuration },
  };
}

type Tokens = ReturnType<typeof parse>['tokens'];

/** Applies options in the order in which they stand, so that the last word counts whichever way it was said. */
function readSettings(tokens: Tokens): Configuration {
  const context = { facts: idleFacts(0), hosts: new Map<string, never>(), servicePort: () => undefined };
  let state = EMPTY_CONFIGURATION;
  const apply = (command: string, where: string): void => {
    ({ state } = applyCommand(state, command, where, context));
  };
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const { name, value = '' } = token;
    const command = SHORT_COMMANDS.get(name);
    if (command !== undefined && value.trim() === '') throw new ConfigError(`-${name}`, 'needs a number');
    if (command !== undefined) apply(`${command} ${value}`, `-${name}`);
    else if (name === 'O') apply(value, '-O');
    else if (name === 's') apply('stubborn', '-s');
    else if (name === 'r') apply('roundrobin', '-r');
    else if (name === 'X') state = withExit(state);
  }
  return state;
}

function withExit(state: Configuration): Configuration {
  return { ...state, settings: { ...state.settings, exitEnabled: true } };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true, tokens: true });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const letter = /Unknown option '-(\w)'/.exec(message)?.[1];
    if (letter !== undefined && LATER.includes(letter)) throw new ConfigError(`-${letter}`, 'not in this version yet');
    if (letter !== undefined) throw new ConfigError(`-${letter}`, 'no such option; pen --help lists them');
    throw new ConfigError('pen', message);
  }
}
