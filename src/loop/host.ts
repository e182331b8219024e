/**
 * The contract between the control plane and the operating system: what the main thread needs besides the loop.
 *
 * Types only. Nothing here is for the hot path; all calls are made by the main thread and return at once.
 */
import type { Fd } from '../base/brand.ts';

/** A failure that a person has to do something about. */
export interface HostError {
  /** Symbolic error number, such as `EADDRINUSE`. */
  readonly code: string;
  /** The address as a person writes it. */
  readonly endpoint: string;
  /** One line: what failed and why, with the address; without the help. */
  readonly message: string;
  /** What would help; empty when we do not know. */
  readonly help: string;
}

export type ListenResult =
  | { readonly fd: Fd; readonly error?: never }
  | { readonly fd?: never; readonly error: HostError };

export interface ListenOptions {
  /** Connections that may wait to be accepted, > 0; the kernel cuts it to its own limit (net.core.somaxconn). */
  readonly backlog: number;
  /** TCP_NODELAY, which accepted sockets inherit. Ignored for unix sockets. */
  readonly noDelay: boolean;
  /** SO_KEEPALIVE, which accepted sockets inherit. Ignored for unix sockets. */
  readonly keepAlive: boolean;
  /**
   * A listener of ours that may have the same port at an address that includes this one or is included in it, and is
   * about to be closed: both stand for a while, so that nobody is refused when one takes over from the other. Ignored
   * where the system has no such thing.
   */
  readonly beside?: Fd | undefined;
  /** Only whether it can be had: nobody can connect, and of a unix path nothing is changed. **Default** no. */
  readonly isTrial?: boolean;
  /** Permission bits of a unix socket, set before anybody can connect. Default: as the umask leaves them. */
  readonly mode?: number;
}

/** What can be changed of a socket that listens. */
export type Tuning = Pick<ListenOptions, 'backlog' | 'noDelay'>;

/** How many descriptors the process may have. Infinity when there is no limit. */
export interface DescriptorLimit {
  /** In force. */
  readonly soft: number;
  /** How far `raiseDescriptorLimit` can go without being root. */
  readonly hard: number;
}

/** Whether a kind of loop can be used on this machine. */
export interface LoopKindReport {
  readonly kind: 'uring' | 'epoll' | 'node';
  /** Why not; empty when it can be used. */
  readonly reason: string;
}

/** Where datagrams go. */
export interface DatagramSender {
  /**
   * Sends pieces of `bytes`, one datagram each, and never waits.
   *
   * @param ends where each ends. @returns how many of them could not be sent.
   */
  send(bytes: Uint8Array, ends: Uint32Array): number;
  close(): void;
}

export interface Host {
  /** The file of native code that this process has loaded, for workers that start later; empty where there is none. */
  readonly nativeFile: string;

  /**
   * Opens a listening stream socket, non-blocking and close-on-exec.
   *
   * A second instance on the same address fails with EADDRINUSE (no SO_REUSEPORT); a restart does not (SO_REUSEADDR).
   * `[::]` takes IPv4 too. A unix path left behind by a process that died is taken over; one that is answered on, or
   * that is no socket, is left alone and reported.
   *
   * @param endpoint ENDPOINT_SIZE bytes (base/endpoint.ts); port 0 lets the kernel choose.
   */
  listen(endpoint: Uint8Array, options: ListenOptions): ListenResult;

  /**
   * Has the worker's loop open a listening socket, where that cannot be handed to it. Then the worker must run before
   * its listeners are opened, and the loop holds as many clients as `backlog` says, each with a descriptor. Undefined
   * where `listen` serves the loop as well.
   */
  readonly listenInLoop?: (endpoint: Uint8Array, options: ListenOptions, done: (result: ListenResult) => void) => void;

  /** The address a socket is bound to, as ENDPOINT_SIZE bytes: for port 0. KIND_NONE when there is none. */
  localEndpoint(fd: Fd): Uint8Array;

  /**
   * Puts other options of a listener in force: how many may wait, and TCP_NODELAY for clients that come from now on.
   * Those who are there keep what they have. No-op for a descriptor that does not listen.
   */
  tuneListening(fd: Fd, options: Tuning): void;

  /**
   * Nobody new comes to a listener; those who wait at it stay, to be accepted. A unix path is removed. Who comes to an
   * address all the same is refused or not answered, and then tries again a second later, at whoever listens there by
   * then; handshakes under way still end well where the system can do that.
   */
  holdNewcomers(fd: Fd): void;

  /** Tells, at once or soon, whether anybody waits at a listener to be accepted. */
  hasWaiting(fd: Fd, done: (isWaiting: boolean) => void): void;

  /**
   * A listener takes no more clients, while its descriptor stays for accepts that are still to end. Those who waited at
   * it are reset at once, rather than when it is closed. No-op where the loop listens.
   */
  stopListening(fd: Fd): void;

  /** Closes a descriptor of ours. */
  close(fd: Fd): void;

  /** Closes a connection so that its peer sees an abort: for those of a worker that has died. */
  abort(fd: Fd): void;

  /**
   * Makes the end of this process an abort of every connection that is open, also of those that nobody knows of but a
   * thread that has failed. No-op where sockets are not ours to reach.
   */
  abortAtExit(): void;

  /** Removes a unix socket that `listen` of this process made. No-op when the path is somebody else's by now. */
  unlinkOwn(path: string): void;

  descriptorLimit(): DescriptorLimit;

  /**
   * Raises the limit to `wanted` if possible, else as far as possible; never lowers it.
   * @returns the limit now in force.
   */
  raiseDescriptorLimit(wanted: number): number;

  /** Makes the descriptor that wakes a loop (`LoopOptions.wakeFd`): descriptor or -errno. */
  createWake(): number;

  /** Wakes the loop that waits on it. May be called from any thread, also before the loop runs; calls merge. */
  wake(fd: number): void;

  /**
   * Whether a write of at most PIPE_BUF (4096) bytes would return at once, be it with an error: whoever reads a pipe or
   * looks at a terminal may stand still.
   */
  canWrite(fd: number): boolean;

  /**
   * Locks an open file for as long as the descriptor is open, so also until the process ends, whatever ends it.
   *
   * @returns false when another process holds the lock; true also where files cannot be locked.
   */
  lockFile(fd: number): boolean;

  /**
   * Asks for big pages under memory that is read all over, which spares the processor the search for small ones. Takes
   * up to two of them more than is used. Undefined where there are none to ask for.
   */
  readonly preferBigPages?: (bytes: Uint8Array) => void;

  /**
   * Ends the process at once, without waiting for threads: for a worker that hangs in the kernel or in a loop.
   * Does not return.
   */
  exitNow(code: number): never;

  /**
   * Opens the system's log, under `ident`.
   * @returns a function that logs one line, false when the log did not take it; undefined where there is none.
   */
  systemLog(ident: string): ((text: string) => boolean) | undefined;

  /**
   * Opens a socket for many datagrams at once to one address (ENDPOINT_SIZE bytes), `bytesMax` in all. Undefined where
   * there is no such thing.
   *
   * @returns -errno when there can be none.
   */
  readonly openDatagrams?: (endpoint: Uint8Array, bytesMax: number) => DatagramSender | number;

  /**
   * Makes a folder the root directory of the process, for good. Files that are open stay open; the current directory is
   * still outside, so a change to `/` must follow. Unix sockets of `listen` that lie inside are still found by
   * `unlinkOwn`. Undefined where there are no such things.
   *
   * @param path absolute and without links.
   * @returns 0 or -errno.
   */
  readonly changeRoot?: (path: string) => number;

  /**
   * Makes what rights this process has left the most that any thread of it can ever have: to be called when the user has
   * changed. No program can be started any more. Undefined where that cannot be had.
   *
   * @returns empty, or what could not be done, for people.
   */
  readonly sealRights?: () => string;

  /** Loops in order of preference, and why some cannot be used. */
  loopKinds(): readonly LoopKindReport[];
}
