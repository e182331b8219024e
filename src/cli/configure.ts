/**
 * From the command line and its file to the configuration: commands are applied, names looked up, addresses put in their
 * places.
 *
 * @owner main thread.
 */
import { defaultPort, hostText, parseListen, parseServer } from '../config/address.ts';
import type { Action } from '../config/command.ts';
import type { Context } from '../config/commands.ts';
import { isUnserved, UNNAMED } from '../config/farms.ts';
import {
  ConfigError,
  EMPTY_CONFIGURATION,
  isSamePlace,
  isServed,
  serverAt,
  textOfListen,
  type Configuration,
  type ServerConfig,
  type WrittenEndpoint,
} from '../config/model.ts';
import type { Endpoint } from '../base/endpoint.ts';
import type { WrittenAddress } from '../config/address.ts';
import { Parts, shared } from '../config/parts.ts';
import { EMPTY_SCRIPT, type Script } from '../config/script.ts';
import { applyScript, readingWithin, readLines, readScript, type ReaderOptions } from '../control/script-reader.ts';
import type { CommandLine, NamedFile } from './arguments.ts';

/** What the outside answers. */
export interface Outside extends Pick<Context, 'facts' | 'servicePort'> {
  /** The endpoint of an address; `portMin` 0 where the system may choose a port. @errors ConfigError. */
  readonly resolve: (address: WrittenAddress, where: string, portMin: 0 | 1) => Promise<Endpoint>;
  /** Files, and names in files. */
  readonly files: ReaderOptions;
}

/** A configuration, and what its commands had to say and want done once it runs. */
export interface Configured {
  readonly configuration: Configuration;
  readonly replies: string;
  /** What options want done, and what the file does. */
  readonly actions: readonly Action[];
  readonly fileActions: readonly Action[];
  /** What the file says something about. */
  readonly said: Parts;
  /** What options or the file say something about, with who says it last: for errors. */
  readonly places: Parts;
  /** What a person should know who wrote this. */
  readonly notices: readonly string[];
}

/**
 * Makes the configuration that a command line and its file ask for.
 *
 * No option depends on its place, and the file has the last word, except about the control socket and the pid file. A
 * server of the command line has the address, and the limits as far as they are written there; the rest is what
 * commands say about its number, or the default.
 * @errors ConfigError that names the option or file and line, the word, what was wrong and what would be right; all of a
 * file's together.
 */
export async function configure(line: CommandLine, outside: Outside): Promise<Configured> {
  const options = await readLines(
    line.commands.map(({ line: text, where, isAsked }) => ({ text, where, isAsked })),
    { ...outside.files, lookUp: async (host, where) => outside.resolve({ host, port: '0' }, where, 0) },
  );
  const file = line.file === undefined ? EMPTY_SCRIPT : await readWhole(line.file, outside.files);
  const given = line.listen === undefined ? [] : [line.listen];
  const textsOf = (farm: string): readonly string[] =>
    file.listen.get(farm) ?? options.listen.get(farm) ?? (farm === UNNAMED ? given : []);
  const { facts, servicePort } = outside;
  const context = { facts, servicePort, listenPort: (farm: string) => defaultPort(textsOf(farm)) };
  const fromOptions = await applyScript(startOf(line), options, context);
  const base = await withPlaces(line, fromOptions.state, textsOf(UNNAMED), outside);
  const ran = await applyScript(base, file, context);
  const control = (await endpointOf(line.control, '-C', 1, outside)) ?? ran.state.control;
  const pidFile = line.pidFile ?? ran.state.settings.pidFile;
  return {
    configuration: { ...ran.state, control, settings: { ...ran.state.settings, pidFile } },
    replies: fromOptions.replies + ran.replies,
    actions: fromOptions.actions,
    fileActions: ran.actions,
    said: ran.said,
    places: partsOf(fromOptions.said, ran.said),
    notices: [...options.notices, ...file.notices, ...disagreements(line, base, ran.state)],
  };
}

function partsOf(...all: readonly Parts[]): Parts {
  const parts = new Parts();
  for (const each of all) parts.addAll(each);
  return parts;
}

async function readWhole({ path, where, folder = '' }: NamedFile, files: ReaderOptions): Promise<Script> {
  return readScript(path, where, readingWithin(folder, files));
}

/** @errors ConfigError when nothing could be balanced. */
export function checkComplete({ listen }: CommandLine, configuration: Configuration): void {
  for (const [name, farm] of configuration.farms) {
    if (!isUnserved(farm)) continue;
    throw new ConfigError(
      `farm ${name}`,
      `has no server; say at least one, as in farm ${name} server 0 address www1 port 80`,
    );
  }
  const isLeftOut = configuration.farms.size > 0 && configuration.listen.length === 0;
  if (isLeftOut || isServed(configuration) || configuration.settings.dummy) return;
  const after = listen === undefined ? '' : ` after the listen address '${listen}'`;
  throw new ConfigError(
    'server',
    `missing; write at least one server${after}, as in pen 80 www1:8080 (pen --help lists the options)`,
  );
}

function startOf({ isExitEnabled }: CommandLine): Configuration {
  const { settings } = EMPTY_CONFIGURATION;
  return { ...EMPTY_CONFIGURATION, settings: { ...settings, exitEnabled: isExitEnabled } };
}

/** The configuration with the addresses that stand on the command line by themselves. */
async function withPlaces(
  line: CommandLine,
  base: Configuration,
  listenTexts: readonly string[],
  outside: Outside,
): Promise<Configuration> {
  const port = defaultPort(listenTexts);
  const server = async (text: string, where: string, said?: ServerConfig): Promise<ServerConfig> => {
    const { address, limits, hasListenerPort } = parseServer(text, where, port);
    const endpoint = await outside.resolve(address, where, hasListenerPort ? 0 : 1);
    return serverAt(endpoint, { ...said, ...limits, hasListenerPort });
  };
  const given = base.listen.length > 0 ? undefined : await endpointOf(line.listen, 'listen address', 0, outside);
  const listen = given ? [given] : base.listen;
  const servers = [...base.servers];
  for (const [index, text] of line.servers.entries()) servers[index] = await server(text, 'server', servers[index]);
  const emergency = line.emergency === undefined ? base.emergency : await server(line.emergency, '-e');
  const abuse = line.abuse === undefined ? base.abuse : await server(line.abuse, '-B');
  return { ...base, listen, servers, emergency, abuse };
}

/** Where the file has another address than the command line: its word counts, and somebody may not know. */
function disagreements(line: CommandLine, base: Configuration, state: Configuration): string[] {
  const isSame = (one: Endpoint | undefined, other: Endpoint | undefined): boolean => shared(one, other) === one;
  const said: string[] = [];
  if (line.listen !== undefined && !isSamePlace(base.listen, state.listen)) {
    said.push(
      `listen address: the file says ${textOfListen(state.listen)}, which counts, the command line ${line.listen}`,
    );
  }
  const tell = (name: string, text: string | undefined, before?: ServerConfig, now?: ServerConfig): void => {
    if (text === undefined || isSame(before?.endpoint, now?.endpoint)) return;
    said.push(`${name}: the file says ${placeOf(now)}, which counts, the command line ${text}`);
  };
  for (const [index, text] of line.servers.entries()) {
    tell(`server ${index}`, text, base.servers[index], state.servers[index]);
  }
  tell('emergency', line.emergency, base.emergency, state.emergency);
  tell('abuse', line.abuse, base.abuse, state.abuse);
  return said;
}

function placeOf(server: ServerConfig | undefined): string {
  if (server === undefined) return 'that there is none';
  const { endpoint } = server;
  return `${hostText(endpoint)}${'port' in endpoint ? ` port ${endpoint.port}` : ''}`;
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
