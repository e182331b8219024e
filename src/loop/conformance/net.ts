/**
 * The other side of the wire, as the conformance suite sees it: clients and servers that a test plays against the
 * loop under test, from inside its own turns.
 *
 * Two implementations: non-blocking sockets of the real kernel (test/loop/real-net.ts) and the simulated network.
 * Nothing here blocks, calls back or throws for what a network may do; a peer is polled by the test's script.
 *
 * Addresses are endpoint records of base/endpoint.ts (ENDPOINT_SIZE bytes) at offset 0 of their own array.
 */
import type { Fd } from '../../base/brand.ts';

/** What a peer found when it read. Bytes that were sent before a reset may be lost, as TCP allows. */
export type PeerRead = Uint8Array | 'empty' | 'eof' | 'reset';

/** One end of a stream, played by the test. */
export interface Peer {
  /** Its own address as PEER_SIZE bytes: what the loop must report when it accepts this peer. */
  readonly address: Uint8Array;

  /**
   * Sends what fits without waiting.
   * @returns bytes taken (0 when the way is full or the connection not yet established), -errno when it is dead.
   */
  write(bytes: Uint8Array): number;

  /**
   * Receives at most `max` bytes.
   * @returns bytes; `empty` when none are there (also while the connection is not yet established); `eof` after an
   * orderly end, also when asked again; `reset` for ECONNRESET or any other death of the stream.
   */
  read(max: number): PeerRead;

  /** Ends its writing direction (FIN); reading goes on. */
  shutdown(): void;

  /** Aborts: the loop's side sees ECONNRESET. The peer is closed afterwards. Not for unix, which has no abort. */
  reset(): void;

  /** Closes in order. Unread bytes may turn this into a reset, as in TCP; read them first. No-op when closed. */
  close(): void;
}

/** A server the test plays: the loop connects to it. */
export interface PeerServer {
  readonly endpoint: Uint8Array;

  /** Takes the next connection, if one is there. */
  accept(): Peer | undefined;

  /** Stops listening; later connects are refused. */
  close(): void;
}

/** A listening descriptor for the loop under test to accept from. */
export interface PeerListener {
  readonly fd: Fd;
  readonly endpoint: Uint8Array;
}

export interface PeerOptions {
  /**
   * The peer's receive window in bytes, approximately (SO_RCVBUF): small for a reader that must stall its sender.
   * Accepted peers take the value of their server. Default: whatever the network gives.
   */
  readonly receiveBuffer?: number;
}

/** A network with nobody on it but the loop under test and the peers made here. */
export interface Net {
  /**
   * Opens a listening socket for the loop.
   * @param kind KIND_IPV4, KIND_IPV6 or KIND_UNIX.
   */
  listen(kind: number): PeerListener;

  /** Closes a descriptor that `listen` gave; nothing may be in flight on it. */
  closeListener(listener: PeerListener): void;

  /** Opens a server for the loop to connect to. */
  serve(kind: number, options?: PeerOptions): PeerServer;

  /** An address where nobody listens: connecting to it is refused (unix: -ECONNREFUSED, the path exists). */
  refusing(kind: number): Uint8Array;

  /** An IPv4 address that never answers: connecting to it neither succeeds nor fails within a test. */
  silent(): Uint8Array;

  /** Starts to connect to a listener; on a free backlog the peer can write at once, before it is accepted. */
  connect(endpoint: Uint8Array, options?: PeerOptions): Peer;

  /** Lets everything that is on its way arrive: afterwards the loop's next poll sees it. Bounded. */
  settle(): void;

  /** Leaves room for exactly `spare` more descriptors, so that the next one fails with -EMFILE; -1 lifts it. */
  limitDescriptors(spare: number): void;

  /** Descriptors open now, in loop and peers together: equal before and after a test. */
  openDescriptors(): number;

  /** What `LoopOptions.wakeFd` needs, and how to ring it from this thread. */
  createWake(): { readonly fd: number; wake(): void; close(): void };

  /** Closes every peer, server and listener still open, but no wake-up. */
  closePeers(): void;

  /** Closes everything. */
  closeAll(): void;
}
