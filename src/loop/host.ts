/**
 * The contract between the control plane and the operating system: what the main thread needs besides the loop.
 *
 * Types only. Nothing here is for the hot path; all calls are made by the main thread and return at once.
 */
import type { Endpoint } from '../base/endpoint.ts';

/** A refusal of the operating system, told for people: its message says what failed, why, and what would help. */
export interface HostError extends Error {
  readonly name: 'HostError';
  /** Positive; 0 when there is none. */
  readonly errno: number;
  /** Symbolic error number, such as `EADDRINUSE`. */
  readonly code: string;
  /** The address as a person writes it; empty when it is about none. */
  readonly endpoint: string;
  /** What would help, as part of the message; empty when we do not know. */
  readonly help: string;
}

export interface ListenOptions {
  /** Connections that may wait to be accepted, > 0; the kernel cuts it to its own limit (net.core.somaxconn). */
  readonly backlog: number;
  /** TCP_NODELAY, which accepted sockets inherit. Ignored for unix sockets. */
  readonly noDelay: boolean;
  /** SO_KEEPALIVE, which accepted sockets inherit. Ignored for unix sockets. */
  readonly keepAlive: boolean;
  /** Permission bits of a unix socket, set before anybody can connect. Default: as the umask leaves them. */
  readonly mode?: number;
}

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

export interface Host {
  /**
   * Opens a listening stream socket, non-blocking and close-on-exec.
   *
   * A second instance on the same address fails with EADDRINUSE (no SO_REUSEPORT); a restart does not (SO_REUSEADDR).
   * `[::]` takes IPv4 too. A unix path left behind by a process that died is taken over; one that is answered on, or
   * that is no socket, is left alone and reported.
   *
   * @param endpoint port 0 lets the kernel choose.
   * @errors throws HostError.
   */
  listen(endpoint: Endpoint, options: ListenOptions): number;

  /** Where a listening socket really listens: differs from what was asked for when the port was 0. */
  localEndpoint(fd: number, asked: Endpoint): Endpoint;

  /** Closes a descriptor of ours. */
  close(fd: number): void;

  /** Closes a connection so that its peer sees an abort: for those of a worker that has died. */
  abort(fd: number): void;

  /** Removes a unix socket that `listen` of this process made. No-op when the path is somebody else's by now. */
  unlinkOwn(path: string): void;

  descriptorLimit(): DescriptorLimit;

  /**
   * Raises the limit to `wanted` if possible, else as far as possible; never lowers it.
   * @returns the limit now in force.
   */
  raiseDescriptorLimit(wanted: number): number;

  /** Makes the descriptor that wakes a loop (`LoopOptions.wakeFd`). @errors throws HostError. */
  createWake(): number;

  /** Wakes the loop that waits on it. May be called from any thread, also before the loop runs; calls merge. */
  wake(fd: number): void;

  /** Loops in order of preference, and why some cannot be used. */
  loopKinds(): readonly LoopKindReport[];
}
