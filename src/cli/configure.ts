/**
 * From the command line to the configuration: commands are applied, names looked up, addresses put in their places.
 *
 * @owner main thread.
 */
import { parseListen, parseServer } from '../config/address.ts';
import { wholeOf, type Action } from '../config/command.ts';
import { applyLine, hostsOf, readLine, type Context } from '../config/commands.ts';
import {
  ConfigError,
  EMPTY_CONFIGURATION,
  serverAt,
  type Configuration,
  type ServerConfig,
  type WrittenEndpoint,
} from '../config/model.ts';
import type { Endpoint } from '../base/endpoint.ts';
import type { WrittenAddress } from '../config/address.ts';
import type { CommandLine } from './arguments.ts';

/** What the outside answers. */
export interface Outside extends Pick<Context, 'facts' | 'servicePort'> {
  /** The endpoint of an address; `portMin` 0 where the system may choose a port. @errors ConfigError. */
  readonly resolve: (address: WrittenAddress, where: string, portMin: 0 | 1) => Promise<Endpoint>;
}

/** A configuration, and what its commands had to say and want done once it runs. */
export interface Configured {
  readonly configuration: Configuration;
  readonly replies: string;
  readonly actions: readonly Action[];
}

/**
 * Makes the configuration that a command line asks for.
 *
 * No option depends on its place: a server of the command line has the address, and the limits as far as they are
 * written there; the rest is what commands say about its number, or the default.
 * @errors ConfigError that names the option or word, what was wrong and what would be right.
 */
export async function configure(line: CommandLine, outside: Outside): Promise<Configured> {
  const { configuration: base, ...said } = await applyCommands(line, outside);
  const listen = base.listen ?? (await endpointOf(line.listen, 'listen address', 0, outside));
  const port = defaultPort(base.listen, line.listen);
  const server = async (text: string, where: string, said?: ServerConfig): Promise<ServerConfig> => {
    const { address, limits } = parseServer(text, where, port);
    return serverAt(await outside.resolve(address, where, 1), { ...said, ...limits });
  };
  const servers = [...base.servers];
  for (const [index, text] of line.servers.entries()) servers[index] = await server(text, 'server', servers[index]);
  if (servers.length === 0) {
    const after = line.listen === undefined ? '' : ` after the listen address '${line.listen}'`;
    throw new ConfigError(
      'server',
      `missing; write at least one server${after}, as in pen 80 www1:8080 (pen --help lists the options)`,
    );
  }
  const configuration: Configuration = {
    ...base,
    listen,
    servers,
    control: (await endpointOf(line.control, '-C', 1, outside)) ?? base.control,
    emergency: line.emergency === undefined ? base.emergency : await server(line.emergency, '-e'),
    abuse: line.abuse === undefined ? base.abuse : await server(line.abuse, '-B'),
    settings: {
      ...base.settings,
      pidFile: line.pidFile ?? base.settings.pidFile,
    },
  };
  return { ...said, configuration };
}

async function applyCommands({ commands, isExitEnabled }: CommandLine, outside: Outside): Promise<Configured> {
  const { settings } = EMPTY_CONFIGURATION;
  let configuration: Configuration = { ...EMPTY_CONFIGURATION, settings: { ...settings, exitEnabled: isExitEnabled } };
  let replies = '';
  const actions: Action[] = [];
  for (const { line: text, where, isAsked } of commands) {
    const line = readLine(text);
    const hosts = new Map<string, Endpoint>();
    for (const host of hostsOf(line, where)) hosts.set(host, await outside.resolve({ host, port: '0' }, where, 0));
    const outcome = applyLine(configuration, line, where, { ...outside, hosts });
    configuration = outcome.state;
    if (isAsked) replies += wholeOf(outcome.reply);
    actions.push(...outcome.actions);
  }
  return { configuration, replies, actions };
}

async function endpointOf(
  text: string | undefined,
  where: string,
  portMin: 0 | 1,
  outside: Outside,
): Promise<WrittenEndpoint | undefined> {
  if (text === undefined) return undefined;
  return { text, endpoint: await outside.resolve(parseListen(text, where), where, portMin) };
}

/** The port of servers that have none: the listener's, unless the system is to choose it. */
function defaultPort(listen: WrittenEndpoint | undefined, text: string | undefined): string | undefined {
  if (listen) return 'port' in listen.endpoint && listen.endpoint.port !== 0 ? String(listen.endpoint.port) : undefined;
  if (text === undefined) return undefined;
  const address = parseListen(text, 'listen address');
  return 'port' in address && address.port !== '0' ? address.port : undefined;
}
