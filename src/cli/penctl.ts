/**
 * `penctl`: sends one command to a running Pen and prints the answer.
 *
 * @errors a ConfigError, for one line on stderr and exit code 1, when there was nobody to ask or the answer did not
 * come; whatever Pen answered is a success.
 */
import { lookup } from 'node:dns/promises';
import { connect, type Socket } from 'node:net';
import { literalEndpoint, parseListen, portNumber, type WrittenAddress } from '../config/address.ts';
import { ConfigError } from '../config/model.ts';
import { servicePort } from '../control/resolver.ts';

export const PENCTL_USAGE = `usage: penctl [--json] host:port|/path/to/socket command

Sends a command to a running Pen and prints its answer; the command help tells
which commands there are. Example: penctl 127.0.0.1:8888 servers
With --json the answer is a JSON document.
`;

/** How long nothing may happen, in each step. */
const LIMIT_MS = 10_000;
/** Longest command, with its line end. */
const COMMAND_MAX = 65_536;
const WHERE = 'penctl';

/** What a command line asks for. */
export interface PenctlRequest {
  readonly address: WrittenAddress;
  /** The command, with its line end. */
  readonly line: string;
}

/** A place to connect to. */
type Target = { readonly path: string } | { readonly host: string; readonly port: number };

/** @returns undefined when it does not say enough, so that usage is wanted. @errors ConfigError. */
export function readPenctl(args: readonly string[]): PenctlRequest | undefined {
  const isJson = args[0] === '--json';
  const [where, ...words] = isJson ? args.slice(1) : args;
  if (where === undefined || words.length === 0) return undefined;
  if (!/[:/]/.test(where))
    throw new ConfigError(WHERE, `'${where}' has no port; write host:port, [ipv6]:port or /path`);
  const command = (isJson ? ['--json', ...words] : words).join(' ');
  if (/[\r\n]/.test(command)) throw new ConfigError(WHERE, 'a command is one line');
  const line = `${command}\n`;
  const length = Buffer.byteLength(line);
  if (length > COMMAND_MAX) throw new ConfigError(WHERE, `the command has ${length} bytes, of ${COMMAND_MAX} possible`);
  return { address: parseListen(where, WHERE), line };
}

/**
 * Asks at each address of the host in turn, until one takes the connection.
 *
 * @param print is given the answer as it comes.
 * @param program whose errors they are.
 * @errors ConfigError.
 */
export async function ask(
  { address, line }: PenctlRequest,
  print: (bytes: Uint8Array) => void,
  program = WHERE,
): Promise<void> {
  const failures: string[] = [];
  for (const target of await targetsOf(address, program)) {
    const socket = connect(target);
    socket.setTimeout(LIMIT_MS);
    const failure = await opened(socket);
    if (failure === undefined) {
      await converse(socket, line, print, program);
      return;
    }
    failures.push(`${textOf(target)} (${failure})`);
  }
  throw new ConfigError(program, `cannot connect to ${failures.join(', ')}`);
}

async function targetsOf(address: WrittenAddress, program: string): Promise<readonly Target[]> {
  if ('path' in address) return [address];
  const { host } = address;
  const port = portNumber(address.port, program, 1, servicePort);
  if (literalEndpoint(host.split('%', 1)[0] ?? '', port, program)) return [{ host, port }];
  const failed = (reason: string): ConfigError =>
    new ConfigError(program, `host '${host}' cannot be resolved (${reason})`);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(failed('ETIMEDOUT')), LIMIT_MS);
  });
  const found = lookup(host, { all: true, verbatim: true }).catch((error: unknown) => {
    throw failed(codeOf(error));
  });
  try {
    const addresses = await Promise.race([found, late]);
    return addresses.map(({ address }) => ({ host: address, port }));
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until the connection stands. @returns why it does not, or undefined. */
async function opened(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(undefined));
    socket.once('error', (error) => resolve(codeOf(error)));
    socket.once('timeout', () => {
      socket.destroy();
      resolve('ETIMEDOUT');
    });
  });
}

async function converse(
  socket: Socket,
  line: string,
  print: (bytes: Uint8Array) => void,
  program: string,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fail = (reason: string): void => reject(new ConfigError(program, `the answer did not come (${reason})`));
    socket.on('data', print);
    socket.once('end', resolve);
    socket.once('error', (error) => fail(codeOf(error)));
    socket.once('close', () => fail('ECONNRESET'));
    socket.once('timeout', () => fail('ETIMEDOUT'));
    socket.write(line);
  });
  socket.destroy();
}

function textOf(target: Target): string {
  if ('path' in target) return target.path;
  return target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
