/** One end of a simulated stream, and a simulated listening socket. Only `net.ts` changes their state. */
import { PEER_SIZE } from '../base/endpoint.ts';
import { Pipe } from './pipe.ts';

export const SOCK_FREE = 0;
/** Open, not connected. */
export const SOCK_NEW = 1;
export const SOCK_CONNECTING = 2;
export const SOCK_OPEN = 3;

/** Whoever holds a socket and wants to know when it changed. */
export interface SockOwner {
  /** Something can be read or written now, or the stream has ended or died. Must not call back into the network. */
  sockChanged(sock: Sock): void;
}

export interface ListenerOwner {
  /** A connection waits to be accepted. Must not call back into the network. */
  listenerChanged(listener: SimListener): void;
}

/** Without progress for longer than this, an end rests. */
export const REST_US = 100_000;

export class Sock {
  readonly index: number;
  /** Rises when the object is reused, so that events of an earlier life are told from new ones. */
  generation = 0;
  state = SOCK_FREE;
  isUnix = false;
  peer: Sock | null = null;
  owner: SockOwner | null = null;
  /** For the owner's use. */
  tag = 0;
  /** Bytes from the peer. */
  readonly inbound: Pipe;
  /** The peer has ended its writing direction: the end follows the bytes of `inbound`. */
  isFinQueued = false;
  /** The end has arrived; it is read after the bytes. */
  isFinArrived = false;
  /** Our writing direction has ended. */
  isWriteShut = false;
  /** Reset or failed: nothing more arrives and nothing can be sent. */
  isDead = false;
  /** Its owner has closed it; the kernel may still be sending its last bytes. */
  isClosed = false;
  /** An error that the next call reports, once (sk_err). */
  error = 0;
  /** The same, but it stays: what the stream died of. */
  failure = 0;
  /** An arrival at this end is scheduled. */
  isArriving = false;
  /** Times the SYN has been sent again. */
  synRetries = 0;
  /** Key of the address it connects to. */
  target = 0;
  /** Serial number of the client connection that it serves, 0 none; an accepted end inherits it. For the oracles. */
  origin = 0;
  /** An accepted end: the how-manieth of its listener. For the oracles. */
  serial = 0;
  /** Row of the server that it connects to, for an upstream end of the process under test. For the oracles. */
  server = 0;
  /** The process under test was told that its connect succeeded. For the oracles. */
  isReported = false;
  /** Held by the process under test: its progress is what it reads, not what its kernel holds. */
  isInner = false;
  /** When this end last made progress: an actor's end by arrival, an inner one by reading. */
  progressUs = 0;
  /** When progress was last made after a rest, and when it had been made before. For the oracles. */
  wokeUs = 0;
  restedUs = 0;
  /** This end's address, as an acceptor sees it. */
  readonly address = new Uint8Array(PEER_SIZE);

  constructor(index: number, ringSize: number) {
    this.index = index;
    this.inbound = new Pipe(ringSize);
  }

  /** Begins a new life. */
  begin(state: number, isUnix: boolean): void {
    this.state = state;
    this.isUnix = isUnix;
    this.peer = null;
    this.owner = null;
    this.tag = 0;
    this.isFinQueued = false;
    this.isFinArrived = false;
    this.isWriteShut = false;
    this.isDead = false;
    this.isClosed = false;
    this.error = 0;
    this.failure = 0;
    this.isArriving = false;
    this.synRetries = 0;
    this.target = 0;
    this.origin = 0;
    this.server = 0;
    this.serial = 0;
    this.isReported = false;
    this.progressUs = 0;
    this.wokeUs = 0;
    this.restedUs = 0;
    this.isInner = false;
  }

  /** Notes progress now. */
  moves(nowUs: number): void {
    if (nowUs - this.progressUs > REST_US) {
      this.wokeUs = nowUs;
      this.restedUs = this.progressUs;
    }
    this.progressUs = nowUs;
  }
}

export class SimListener {
  readonly key: number;
  readonly isUnix: boolean;
  backlog: number;
  owner: ListenerOwner | null = null;
  tag = 0;
  /** Established connections that wait, first come first. */
  readonly queue: Sock[] = [];
  /** Connections that ever stood in the queue. */
  established = 0;
  /** Swallows every SYN. */
  isBlackHole = false;
  /** Added to the time a connect takes. */
  delayUs = 0;
  /** Sockets that it accepts: receive window, 0 for the network's default. */
  window = 0;

  constructor(key: number, isUnix: boolean, backlog: number) {
    this.key = key;
    this.isUnix = isUnix;
    this.backlog = backlog;
  }
}
