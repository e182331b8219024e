/**
 * The contract between main and the operating system: listeners, limits, wake-ups. Types only, no code that runs.
 *
 * @owner main thread.
 */
import type { Endpoint } from '../base/endpoint.ts';

/** How a listening socket is opened. Accepted sockets inherit both flags. */
export interface ListenOptions {
  /** Clients that may wait in the kernel. */
  readonly backlog: number;
  readonly noDelay: boolean;
  readonly keepAlive: boolean;
}

export interface Host {
  /**
   * Opens a listening stream socket, non-blocking and close-on-exec.
   *
   * `::` takes IPv4 clients too. No SO_REUSEPORT: a second instance on the same port must fail. A unix socket's path
   * is freed first only when it is a socket on which nobody answers.
   * @errors an Error named HostError whose message names the address, what was wrong and what would help.
   */
  listen(endpoint: Endpoint, options: ListenOptions): number;

  /** Where a listening socket really listens: differs from what was asked for when the port was 0. */
  localEndpoint(fd: number, asked: Endpoint): Endpoint;

  close(fd: number): void;

  /** Removes a socket of ours from the file system; what is not a socket, or gone, is left alone. */
  unlinkOwn(path: string): void;

  /** Raises the soft limit of descriptors to `wanted` if it is lower and the hard limit lets us. @returns the limit in force. */
  raiseDescriptorLimit(wanted: number): number;

  /** A descriptor that a loop can wait for and `wake` makes readable. */
  createWake(): number;
  wake(fd: number): void;
}
