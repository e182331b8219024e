/** Peers of a control socket: well-behaved ones that ask, and others that do what they like. */
import { createServer, connect, type NetConnectOpts, type Socket } from 'node:net';

/** As root, a control socket is only opened for those who mean it. */
export const AS_WHO_WE_ARE: readonly string[] = process.getuid?.() === 0 ? ['-u', 'root'] : [];

/** Sends bytes, ends the stream, and collects everything until the other end closes. */
export async function ask(where: string, bytes: string | Uint8Array): Promise<string> {
  const peer = await Visitor.open(where);
  peer.socket.end(bytes);
  return peer.whole();
}

/** A connection to a control socket. */
export class Visitor {
  readonly socket: Socket;
  received = '';
  /** Empty while it is open; `end` when it was closed, or the error's name. */
  ending = '';
  private readonly ended: Promise<void>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => (this.received += text));
    this.ended = new Promise((resolve) => {
      socket.once('end', () => (this.ending ||= 'end'));
      socket.once('error', (error: NodeJS.ErrnoException) => (this.ending ||= error.code ?? error.message));
      socket.once('close', () => {
        this.ending ||= 'end';
        resolve();
      });
    });
  }

  /** @param where `host:port` or a path. */
  static async open(where: string): Promise<Visitor> {
    const visitor = new Visitor(connect(optionsOf(where)));
    await new Promise<void>((resolve, reject) => {
      visitor.socket.once('connect', resolve).once('error', reject);
    });
    return visitor;
  }

  /** Everything it is told until the other end closes. @errors when it was reset instead. */
  async whole(): Promise<string> {
    await this.ended;
    if (this.ending !== 'end') throw new Error(`the control socket ended it by ${this.ending}`);
    return this.received;
  }

  /** Waits until the connection is over, in whatever way. */
  async over(): Promise<string> {
    // A stream that is not read is not seen to end.
    this.socket.resume();
    await this.ended;
    return this.ending;
  }
}

function optionsOf(where: string): NetConnectOpts {
  if (where.includes('/')) return { path: where };
  const colon = where.lastIndexOf(':');
  return { host: where.slice(0, colon), port: Number(where.slice(colon + 1)) };
}

/** A port that was free a moment ago. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer().listen(0, host);
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('there is no port');
  return address.port;
}
