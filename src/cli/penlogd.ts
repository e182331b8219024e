/** `penlogd`: makes one log of what Pen and web servers send, with the clients that Pen has seen. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { parseListen } from '../config/address.ts';
import { ConfigError } from '../config/model.ts';
import { parseWhole } from '../config/numbers.ts';
import { LogFile } from '../logs/log-file.ts';
import { codeOf } from '../logs/output.ts';
import { Senders } from '../logs/senders.ts';
import { isInBackground, openMessenger, startInBackground, type Messenger } from './background.ts';
import { chooseHost } from './choose-host.ts';
import type { Given, Tool } from './letters.ts';
import { LogDesk } from './log-desk.ts';
import { messageOf, say, sayTo, sayWithoutWaiting } from './messages.ts';
import { writePidFile } from './pid-file.ts';
import { checkHost, giveUp, readRights, viewOf } from './rights.ts';
import { Signals, type Signal } from './signals.ts';

export const PENLOGD: Tool = {
  name: 'penlogd',
  synopsis: '[-bdf] [-a addr] [-j dir] [-l file] [-n N] [-p file] [-u user] [-w sec] [addr:]port',
  letters: [
    { letter: 'a', argument: 'ADDR', help: 'take datagrams from this address or network only; may be repeated' },
    { letter: 'b', help: 'write each line for itself' },
    { letter: 'd', help: 'tell every ten seconds what has come' },
    { letter: 'f', help: 'stay in the foreground' },
    { letter: 'j', argument: 'DIR', help: 'make DIR the root directory, a jail (chroot)' },
    { letter: 'l', argument: 'FILE', help: 'append lines to FILE [standard output]' },
    { letter: 'n', argument: 'N', help: 'remember the last N requests of pen [1000]' },
    { letter: 'p', argument: 'FILE', help: 'write the process id to FILE' },
    { letter: 'u', argument: 'USER', help: 'run as USER once the port is open' },
    { letter: 'w', argument: 'SEC', help: 'let a line wait up to SEC seconds for what pen says about it [1]' },
  ],
};

const REQUESTS_DEFAULT = 1000;
const REQUESTS_MAX = 10_000_000;
const WAIT_DEFAULT = 1;
const WAIT_MAX = 3600;
/** As many bytes as datagrams may wait in, when we are busy; the kernel gives what it allows. */
const RECEIVE_BYTES = 4 * 1024 * 1024;

/** What the composition root has. */
export interface DaemonRoot {
  /** The program itself, to be started again in the background, and its arguments. */
  readonly script: string;
  readonly args: readonly string[];
  /** Gives all signals to `take`, first those that came before. Called once. */
  readonly onSignal: (take: (signal: Signal) => void) => void;
}

/** What the command line says. */
interface Settings {
  readonly host: string | undefined;
  readonly port: number;
  readonly senders: Senders;
  readonly requestsMax: number;
  readonly waitSeconds: number;
  readonly path: string | undefined;
}

/** @returns the exit status; undefined when usage is wanted. @errors ConfigError, in the foreground. */
export async function penlogd(given: Given, root: DaemonRoot): Promise<number | undefined> {
  if (given.words.length === 0) return undefined;
  const settings = readSettings(given);
  const isForeground = given.all('f').length > 0;
  if (!isForeground && !isInBackground()) {
    return startInBackground(root.script, root.args, {
      name: PENLOGD.name,
      keepsStdout: settings.path === undefined,
    });
  }
  const signals = new Signals();
  root.onSignal(signals.obey);
  const messenger = isInBackground() ? openMessenger() : undefined;
  if (!messenger) return serve(settings, given, signals, undefined);
  sayTo((text) => messenger.err(`${text}\n`));
  try {
    return await serve(settings, given, signals, messenger);
  } catch (error) {
    messenger.err(`${PENLOGD.name}: ${messageOf(error)}\n`);
    return 1;
  }
}

/** In the order of privileges: the port as root; files as whoever we are then, where HUP will look for them again. */
async function serve(
  settings: Settings,
  given: Given,
  signals: Signals,
  messenger: Messenger | undefined,
): Promise<number> {
  const rights = readRights({ user: given.last('u'), jail: given.last('j') });
  const { host } = chooseHost('auto');
  checkHost(rights, host);
  sayWithoutWaiting(host);
  const log = messenger && host.systemLog(PENLOGD.name);
  const socket = await bind(settings);
  try {
    const warnings = giveUp(rights, host);
    const view = viewOf(rights);
    const file = openLog(settings.path, view);
    const pidPath = given.last('p');
    const pid = pidPath === undefined ? undefined : writePidFile(pidPath, process.pid, { host, view });
    const options = { isUnbuffered: given.all('b').length > 0, isTelling: given.all('d').length > 0 };
    const desk = new LogDesk(socket, file, { ...settings, ...options }, say);
    for (const warning of warnings) say(warning);
    signals.tellStatistics = desk.tell;
    signals.onHangUp(() => desk.rotate());
    if (messenger) sayTo((text) => void log?.(text));
    messenger?.ready();
    await signals.stopped;
    desk.stop();
    pid?.remove();
    return 0;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function readSettings(given: Given): Settings {
  const { host, port } = readPort(given);
  const number = (letter: string, min: number, max: number, otherwise: number): number => {
    const text = given.last(letter);
    return text === undefined ? otherwise : parseWhole(text, `-${letter}`, min, max);
  };
  const senders = new Senders();
  for (const text of given.all('a')) {
    if (!senders.add(text))
      throw new ConfigError('-a', `'${text}' is neither an address nor a network as 192.0.2.0/24`);
  }
  const path = given.last('l');
  if (path === '') throw new ConfigError('-l', 'needs the path of a file, not an empty word');
  return {
    host,
    port,
    senders,
    path,
    requestsMax: number('n', 1, REQUESTS_MAX, REQUESTS_DEFAULT),
    waitSeconds: number('w', 0, WAIT_MAX, WAIT_DEFAULT),
  };
}

function readPort({ words }: Given): { host: string | undefined; port: number } {
  const [word = '', more] = words;
  if (more !== undefined) throw new ConfigError(more, `the port is ${word} already, and there is only one`);
  const isPort = !word.includes(':');
  const address = isPort ? { host: undefined, port: word } : parseListen(word, 'port');
  if ('path' in address) throw new ConfigError('port', `'${word}' is a path; datagrams come to a port`);
  return { host: address.host, port: parseWhole(address.port, 'port', 1, 65_535) };
}

/** On all addresses, IPv4 and IPv6, unless one is named. @errors ConfigError. */
async function bind({ host, port }: Settings): Promise<Socket> {
  try {
    if (host !== undefined) return await bound(host.includes(':') ? 'udp6' : 'udp4', host, port);
    try {
      return await bound('udp6', '::', port);
    } catch (error) {
      if (!['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'].includes(codeOf(error))) throw error;
      return await bound('udp4', '0.0.0.0', port);
    }
  } catch (error) {
    const code = codeOf(error);
    const reason = code === 'EADDRINUSE' ? 'another program has it' : code === 'EACCES' ? 'only root may have it' : '';
    throw new ConfigError('port', `cannot open port ${port}: ${reason || messageFrom(error)}`);
  }
}

async function bound(type: 'udp4' | 'udp6', address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type, recvBufferSize: RECEIVE_BYTES });
  socket.bind({ address, port });
  try {
    await once(socket, 'listening');
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function openLog(path: string | undefined, view: string): LogFile {
  try {
    return new LogFile(path);
  } catch (error) {
    throw new ConfigError('-l', `cannot write to '${path ?? ''}'${view}: ${messageFrom(error)}`);
  }
}

function messageFrom(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
