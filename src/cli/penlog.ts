/** `penlog`: sends each line of its standard input as a datagram, for `penlogd`. */
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { isIP } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { ConfigError } from '../config/model.ts';
import { servicePort } from '../control/resolver.ts';
import { LineCutter } from '../logs/line-cutter.ts';
import { codeOf } from '../logs/output.ts';
import type { Given, Tool } from './letters.ts';

export const PENLOG: Tool = { name: 'penlog', synopsis: 'server_ip server_port [my_ip]', letters: [] };

/** The most that fits a datagram of IPv4. */
const LINE_MAX = 65_507;
/** So many lines may be on their way; then reading rests. */
const SENDING_MAX = 256;

/** When it is to end, and lines do not stop coming. */
const SECONDS_LEFT = 5;

/** What the composition root has. */
export interface PenlogRoot {
  readonly input: Readable;
  readonly say: (text: string) => void;
  /** Settles when the program is to end before its input does. */
  readonly stopped: Promise<unknown>;
}

/** @returns the exit status, when all lines are sent. @errors ConfigError. */
export async function penlog({ words }: Given, { input, say, stopped }: PenlogRoot): Promise<number> {
  const [host, port, source] = words;
  if (host === undefined || port === undefined || words.length > 3) {
    throw new ConfigError('arguments', `usage: ${PENLOG.name} ${PENLOG.synopsis}`);
  }
  const sender = new Sender(await open(host, port, source), say);
  const cutter = new LineCutter(LINE_MAX, (line) => sender.send(line));
  await drain(input, cutter, sender, stopped);
  input.destroy();
  cutter.end();
  await sender.close();
  if (cutter.cutCount > 0) say(`lines cut after ${LINE_MAX} bytes: ${cutter.cutCount}`);
  return 0;
}

/**
 * Until the input ends. A web server that starts anew tells this program to end while lines are still on their way: so
 * then it ends when nothing has come for a second.
 */
async function drain(input: Readable, cutter: LineCutter, sender: Sender, stopped: Promise<unknown>): Promise<void> {
  let hasCome = true;
  const ended = new Promise<void>((resolve, reject) => {
    input.on('data', (bytes: Buffer) => {
      hasCome = true;
      cutter.push(bytes);
      if (!sender.isBusy) return;
      input.pause();
      void sender.rested().finally(() => input.resume());
    });
    input.on('end', resolve);
    input.on('error', (error) => reject(new ConfigError('input', `cannot be read (${error.message})`)));
  });
  await Promise.race([ended, stopped]);
  for (let seconds = 0; hasCome && seconds < SECONDS_LEFT; seconds++) {
    hasCome = false;
    await Promise.race([ended, setTimeout(1000, undefined, { ref: false })]);
  }
}

/** A socket that knows where its datagrams go. */
async function open(host: string, port: string, source: string | undefined): Promise<Socket> {
  const number = /^\d{1,5}$/.test(port) ? Number(port) : servicePort(port);
  if (number === undefined || number < 1 || number > 65_535) {
    throw new ConfigError('server_port', `'${port}' is neither a number from 1 to 65535 nor a name in /etc/services`);
  }
  const { address, family } = await find(host, source === undefined ? 0 : isIP(source));
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  if (source !== undefined) await bindTo(socket, source);
  socket.connect(number, address);
  await once(socket, 'connect');
  return socket;
}

async function find(host: string, family: number): Promise<{ address: string; family: number }> {
  try {
    return await lookup(host, { family });
  } catch (error) {
    throw new ConfigError('server_ip', `cannot find '${host}' (${codeOf(error)})`);
  }
}

async function bindTo(socket: Socket, source: string): Promise<void> {
  if (isIP(source) === 0) throw new ConfigError('my_ip', `'${source}' is no address`);
  try {
    socket.bind({ address: source });
    await once(socket, 'listening');
  } catch (error) {
    throw new ConfigError('my_ip', `cannot send from '${source}' (${codeOf(error)})`);
  }
}

/** Sends, counts what could not be sent, and says so when that begins and when it ends. */
class Sender {
  private readonly socket: Socket;
  private readonly say: (text: string) => void;
  private sending = 0;
  private failed = 0;
  private wake: (() => void) | undefined;

  constructor(socket: Socket, say: (text: string) => void) {
    this.socket = socket;
    this.say = say;
    // What came back for a datagram that has long been sent.
    socket.on('error', (error) => this.note(error));
  }

  get isBusy(): boolean {
    return this.sending >= SENDING_MAX;
  }

  send(line: Uint8Array): void {
    this.sending++;
    this.socket.send(line, (error) => {
      this.sending--;
      this.note(error);
      if (this.sending === 0) this.wake?.();
    });
  }

  /** Settles when nothing is on its way. */
  async rested(): Promise<void> {
    if (this.sending > 0) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  async close(): Promise<void> {
    await this.rested();
    this.socket.close();
    if (this.failed > 0) this.say(`lines that did not arrive: ${this.failed}, as far as is known`);
  }

  private note(error: Error | null): void {
    if (!error) return;
    if (this.failed === 0) this.say(`lines do not arrive (${codeOf(error)}); more are sent, and failures counted`);
    this.failed++;
  }
}
