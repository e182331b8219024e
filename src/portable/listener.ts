/**
 * One listener of the node loop: a `net.Server` whose clients wait here until the engine asks for them.
 *
 * `net.Server` takes every client from the kernel at once and cannot be told to leave it there [measured: decisions].
 * So this is the backlog: clients wait in order and unread, as many as would wait in the kernel elsewhere. Who comes
 * when that many wait is reset, never closed, so that nobody takes it for an empty answer.
 */
import { createServer, type ListenOptions as NetListenOptions, type Server, type Socket } from 'node:net';
import type { ListenOptions, Tuning } from '../loop/host.ts';

/** What to listen on: an address, or a descriptor that listens already. */
export type Where = Pick<NetListenOptions, 'path' | 'host' | 'port'> | { readonly fd: number };

export interface ListenerEvents {
  /** A client begins to wait. */
  onClient(): void;
  /** A client was reset, because too many were waiting. */
  onTurnedAway(): void;
}

/** @owner the loop's thread. */
export class Listener {
  readonly isUnix: boolean;
  /** Settles when it listens. @errors that of Node, with its `code`. */
  readonly listening: Promise<void>;
  /** The accept in flight: how many clients it wants, 0 for none. */
  wanted = 0;
  slot = 0;
  seq = 0;
  private readonly server: Server;
  private readonly waiting: Socket[] = [];
  private waitingMax = 0;
  private noDelay = false;

  constructor(where: Where, isUnix: boolean, options: ListenOptions, on: ListenerEvents) {
    this.isUnix = isUnix;
    this.tune(options);
    const { keepAlive } = options;
    this.server = createServer({ allowHalfOpen: true, pauseOnConnect: true, keepAlive }, (socket) => {
      // Nothing is read yet, but an error without a listener would end the thread.
      socket.on('error', () => undefined);
      if (this.waiting.length >= this.waitingMax) {
        reset(socket, isUnix);
        on.onTurnedAway();
        return;
      }
      if (this.noDelay) socket.setNoDelay(true);
      this.waiting.push(socket);
      on.onClient();
    });
    this.listening = new Promise((resolve, reject) => {
      this.server.once('error', reject);
      // Beside a descriptor the backlog must be an argument of its own.
      this.server.listen(where, options.backlog, () => {
        // Whatever fails later is one client's business.
        this.server.off('error', reject).on('error', () => undefined);
        resolve();
      });
    });
  }

  /** For clients that come from now on. */
  tune({ backlog, noDelay }: Tuning): void {
    this.waitingMax = backlog;
    this.noDelay = noDelay;
  }

  /** Where it really listens, for port 0. */
  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get isWaitedFor(): boolean {
    return this.wanted > 0 && this.hasWaiting;
  }

  get hasWaiting(): boolean {
    return this.waiting.length > 0;
  }

  /** The client that has waited longest. */
  next(): Socket | undefined {
    return this.waiting.shift();
  }

  /** Who waits stays. Whom libuv has not taken yet, in its present round, the system resets. */
  holdNewcomers(): void {
    this.server.close();
  }

  close(): void {
    this.server.close();
    for (const socket of this.waiting.splice(0)) reset(socket, this.isUnix);
  }
}

function reset(socket: Socket, isUnix: boolean): void {
  if (isUnix) socket.destroy();
  else socket.resetAndDestroy();
}
