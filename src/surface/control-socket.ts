/**
 * The control socket: one command a connection, answered and closed, whatever the peer does.
 *
 * A line is collected until its end, the end of the stream, or a deadline; an incomplete one is never obeyed. Peers
 * that stall cost their own connection only: there are few at once, and the one that has been idle longest makes
 * room. Nothing here waits for a peer, so neither other peers nor the clients of the balancer do.
 *
 * @owner main thread.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { LINE_MAX } from '../config/words.ts';

/** Peers at once. Each costs a descriptor, which the balancer keeps back for it. */
export const PEERS_MAX = 100;
/** A line has to be complete by then, ms. */
const LINE_MS = 5000;
/** A peer that takes nothing of its answer for so long is dropped; Node may need twice as long to notice, ms. */
const STALL_MS = 5000;
/** However slowly it takes it, it is gone by then, ms. */
const ANSWER_MS = 60_000;
/** What other protocols begin with; most of all browsers that were talked into speaking to us. */
const HTTP = /^[A-Za-z]+ \S+ HTTP\/[0-9]/;

export interface ControlOptions {
  /** Runs a line. @returns the answer, whole or in pieces that are made when the peer has taken those before. */
  readonly execute: (line: string) => Promise<string | Iterable<string>>;
  /** Whether who comes from this address may give commands; undefined for a unix socket. */
  readonly isPermitted: (address: string | undefined) => boolean;
  /** Tells about a command that failed by a fault of ours. */
  readonly onFault: (error: unknown) => void;
  /** Peers at once. **Default** PEERS_MAX. */
  readonly peersMax?: number;
}

export class ControlSocket {
  private readonly server: Server;
  /** Those who came before anybody served them. */
  private readonly early: Socket[] = [];
  /** In the order in which they came. */
  private readonly peers = new Set<Peer>();
  private take = (socket: Socket): void => {
    // Without a listener an error would end the process.
    socket.on('error', () => undefined);
    this.early.push(socket);
  };

  private constructor() {
    this.server = createServer({ allowHalfOpen: true }, (socket) => this.take(socket));
  }

  /**
   * Opens it; peers wait until somebody serves them.
   *
   * @param listen has the server listen. @errors its own.
   */
  static async open(listen: (server: Server) => Promise<void>): Promise<ControlSocket> {
    const control = new ControlSocket();
    await listen(control.server);
    return control;
  }

  /** Serves peers from now on. */
  serve(options: ControlOptions): void {
    // A peer that cannot be accepted, for want of descriptors, comes again; we stay.
    this.server.on('error', options.onFault);
    this.take = (socket) => this.admit(socket, options);
    for (const socket of this.early.splice(0)) this.take(socket);
  }

  /** Closes the listening socket; answers that are under way are cut. */
  async close(): Promise<void> {
    for (const socket of this.early) socket.destroy();
    for (const peer of this.peers) peer.drop();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private admit(socket: Socket, options: ControlOptions): void {
    const { peersMax = PEERS_MAX, isPermitted } = options;
    if (!isPermitted(socket.remoteAddress)) {
      refuse(socket);
      return;
    }
    if (this.peers.size >= peersMax) this.makeRoom();
    const peer = new Peer(socket, options);
    this.peers.add(peer);
    socket.once('close', () => this.peers.delete(peer));
  }

  /** Drops who came first of those that have not said anything whole; else of all. */
  private makeRoom(): void {
    const [first] = this.peers;
    let victim = first;
    for (const peer of this.peers) {
      if (!peer.isIdle) continue;
      victim = peer;
      break;
    }
    victim?.drop();
    if (victim) this.peers.delete(victim);
  }
}

/** One who gives a command. */
class Peer {
  /** Has not said anything whole yet. */
  isIdle = true;
  private readonly socket: Socket;
  private readonly options: ControlOptions;
  private readonly parts: Buffer[] = [];
  private length = 0;
  private deadline: NodeJS.Timeout;

  constructor(socket: Socket, options: ControlOptions) {
    this.socket = socket;
    this.options = options;
    this.deadline = setTimeout(() => this.drop(), LINE_MS);
    socket.on('data', (part) => this.take(part));
    socket.on('end', () => this.complete());
    // Whatever goes wrong on the way ends in 'close'.
    socket.on('error', () => this.drop());
    socket.on('timeout', () => this.drop());
    socket.once('close', () => clearTimeout(this.deadline));
  }

  /** Ends it at once. */
  drop(): void {
    clearTimeout(this.deadline);
    this.socket.destroy();
  }

  /** Collects the line; what follows it is read, so that the answer is not lost to a reset, and forgotten. */
  private take(part: Buffer): void {
    if (!this.isIdle) return;
    const end = part.indexOf(LF);
    this.parts.push(end < 0 ? part : part.subarray(0, end));
    this.length += end < 0 ? part.length : end;
    if (this.length > LINE_MAX) this.answer(`pen: a command has at most ${LINE_MAX} bytes\n`);
    else if (end >= 0) this.complete();
  }

  private complete(): void {
    if (!this.isIdle) return;
    this.isIdle = false;
    // What is obeyed is answered, however late it came.
    clearTimeout(this.deadline);
    const line = Buffer.concat(this.parts).toString('utf8');
    if (HTTP.test(line)) this.drop();
    else void this.run(line);
  }

  private async run(line: string): Promise<void> {
    try {
      const reply = await this.options.execute(line);
      // Nobody is there to hear it, and nobody would clear the deadline of it.
      if (!this.socket.destroyed) await this.tell(reply);
    } catch (error) {
      this.options.onFault(error);
      if (this.socket.destroyed || this.socket.bytesWritten > 0) this.drop();
      else this.answer('pen: the command failed by a fault of Pen; its log has details\n');
    }
  }

  private async tell(reply: string | Iterable<string>): Promise<void> {
    if (typeof reply === 'string') {
      this.answer(reply);
      return;
    }
    this.beginAnswer();
    for (const piece of reply) {
      if (piece !== '') await new Promise((resolve) => this.socket.write(piece, resolve));
      // The others have their turn, also with a peer that takes everything at once.
      await setImmediate();
      if (this.socket.destroyed) return;
    }
    this.socket.end();
  }

  private answer(text: string): void {
    this.beginAnswer();
    this.socket.end(text);
  }

  private beginAnswer(): void {
    this.isIdle = false;
    this.parts.length = 0;
    clearTimeout(this.deadline);
    this.deadline = setTimeout(() => this.drop(), ANSWER_MS);
    this.socket.setTimeout(STALL_MS);
  }
}

const LF = 10;

/** By reset, so that it does not look like an empty answer. */
function refuse(socket: Socket): void {
  socket.on('error', () => undefined);
  socket.resetAndDestroy();
}
