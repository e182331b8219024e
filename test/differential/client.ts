/** A client of the scripts: makes one request and learns who answered. */
import { connect, type Socket } from 'node:net';

/** A client that was not served. */
export const REFUSED = 'R';
/** A client that still waits. */
export const WAITING = '-';

/** Time for a balancer to notice that a client has gone, before the next one comes. */
const GONE_MS = 15;
const CLOSE_LIMIT_MS = 1000;

export class Client {
  /** Who has answered, REFUSED, or WAITING. */
  result = WAITING;
  private readonly socket: Socket;
  private received = '';
  private isReset = false;
  private readonly asksForReset: boolean;
  private readonly closed: Promise<void>;
  private decide: () => void = () => {};

  private constructor(socket: Socket, asksForReset: boolean) {
    this.socket = socket;
    this.asksForReset = asksForReset;
    socket.setNoDelay(true);
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', (error: NodeJS.ErrnoException) => (this.isReset = error.code === 'ECONNRESET'));
    socket.on('data', (bytes) => this.take(bytes.toString('latin1')));
    socket.once('close', () => {
      if (this.result === WAITING) this.settle(REFUSED);
    });
    socket.write('q\n');
  }

  /**
   * Connects and waits for the answer.
   *
   * @param who `c1`, `c1@21001`, an address of 127.0.0.0/8, `c1!` for a request whose connection the server resets.
   */
  static async visit(who: string, to: { host: string; port: number } | { path: string }, ms: number): Promise<Client> {
    const [, address = '', port, mark = ''] = /^([\w.]+?)(?:@(\d+))?(!?)$/.exec(who) ?? [];
    const localAddress = address.startsWith('c') ? `127.0.0.${address.slice(1)}` : address;
    const from = 'path' in to ? {} : { localAddress, ...(port === undefined ? {} : { localPort: Number(port) }) };
    const client = new Client(connect({ ...to, ...from }), mark !== '');
    await client.answered(ms);
    if (mark !== '') await client.ended();
    return client;
  }

  /** Waits until it is decided what becomes of it. */
  async answered(ms: number): Promise<void> {
    if (this.result !== WAITING) return;
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, ms);
      this.decide = () => {
        clearTimeout(late);
        resolve();
      };
    });
  }

  /** Goes, and gives the balancer time to notice. */
  async leave(): Promise<void> {
    this.socket.end();
    const late = setTimeout(() => this.socket.destroy(), CLOSE_LIMIT_MS);
    await this.closed;
    clearTimeout(late);
    await new Promise((resolve) => setTimeout(resolve, GONE_MS));
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** The connection is ended by the other side: a reset that comes through as one is marked. */
  private async ended(): Promise<void> {
    await this.closed;
    if (this.result !== REFUSED && this.isReset) this.result += '!';
  }

  private take(text: string): void {
    this.received += text;
    const name = /ok:s(\w)\n/.exec(this.received)?.[1];
    if (name === undefined || this.result !== WAITING) return;
    this.settle(name);
    // Only now: a reset takes with it whatever a balancer that was not quick has not read yet.
    if (this.asksForReset) this.socket.write('!\n');
  }

  private settle(result: string): void {
    this.result = result;
    this.decide();
  }
}
