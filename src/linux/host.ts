/** The host of main on Linux: sockets to listen on, limits, wake-ups. */
import { lstatSync, unlinkSync } from 'node:fs';
import {
  ENDPOINT_SIZE,
  endpointText,
  KIND_IPV4,
  KIND_IPV6,
  KIND_UNIX,
  writeEndpoint,
  type Endpoint,
} from '../base/endpoint.ts';
import { EACCES, EADDRINUSE, EADDRNOTAVAIL, ECONNREFUSED, errnoName } from '../base/errno.ts';
import { loadFfi, type Ffi } from '../ffi/load.ts';
import type { Host, ListenOptions } from '../loop/host.ts';
import { encodeSockaddr, familyOf, SOCKADDR_SIZE } from './sockaddr.ts';
import {
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  SO_KEEPALIVE,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from './sockets.ts';

/** A refusal of the operating system, told for people. */
export class HostError extends Error {
  override readonly name = 'HostError';
  readonly errno: number;

  constructor(message: string, errno: number) {
    super(message);
    this.errno = errno;
  }
}

const RLIMIT_NOFILE = 7;
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

// Scratch memory of main: an address, an int of value 1, an int of value 0, a length, two u64.
const SCRATCH_SIZE = 4096;
const AT_ONE = SOCKADDR_SIZE;
const AT_ZERO = AT_ONE + 8;
const AT_LENGTH = AT_ZERO + 8;
const AT_LIMIT = AT_LENGTH + 8;

/**
 * Opens the host.
 * @errors HostError when native calls are not possible on this machine.
 */
export function createHost(): Host {
  const { ffi, reason } = loadFfi();
  if (!ffi) throw new HostError(reason, 0);
  return new LinuxHost(ffi);
}

class LinuxHost implements Host {
  private readonly ffi: Ffi;
  private readonly base: number;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(ffi: Ffi) {
    const scratch = ffi.reserve(SCRATCH_SIZE);
    this.ffi = ffi;
    this.base = scratch.base;
    this.bytes = new Uint8Array(scratch.buffer);
    this.view = new DataView(scratch.buffer);
    this.view.setInt32(AT_ONE, 1, true);
  }

  listen(endpoint: Endpoint, options: ListenOptions): number {
    const { libc } = this.ffi;
    const fd = libc.socket(familyOf(endpoint.kind), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw this.refusal(endpoint, 'open a socket for', -fd);
    try {
      this.setOptions(fd, endpoint, options);
      if (endpoint.kind === KIND_UNIX) this.freePath(endpoint);
      const bound = libc.bind(fd, this.base, this.encode(endpoint));
      if (bound < 0) throw this.refusal(endpoint, 'listen on', -bound);
      const listening = libc.listen(fd, options.backlog);
      if (listening < 0) throw this.refusal(endpoint, 'listen on', -listening);
      return fd;
    } catch (error) {
      libc.close(fd);
      throw error;
    }
  }

  localEndpoint(fd: number, asked: Endpoint): Endpoint {
    if (asked.kind === KIND_UNIX || asked.port !== 0) return asked;
    this.view.setInt32(AT_LENGTH, SOCKADDR_SIZE, true);
    const result = this.ffi.libc.getsockname(fd, this.base, this.base + AT_LENGTH);
    // sockaddr_in and sockaddr_in6 have the port, big-endian, at the same place.
    return result < 0 ? asked : { ...asked, port: this.view.getUint16(2) };
  }

  close(fd: number): void {
    this.ffi.libc.close(fd);
  }

  unlinkOwn(path: string): void {
    try {
      if (lstatSync(path).isSocket()) unlinkSync(path);
    } catch {
      // Gone already: that is all we wanted.
    }
  }

  raiseDescriptorLimit(wanted: number): number {
    const { libc } = this.ffi;
    if (libc.getrlimit(RLIMIT_NOFILE, this.base + AT_LIMIT) < 0) return wanted;
    const soft = Number(this.view.getBigUint64(AT_LIMIT, true));
    const hard = Number(this.view.getBigUint64(AT_LIMIT + 8, true));
    if (soft >= wanted) return soft;
    const raised = Math.min(wanted, hard);
    this.view.setBigUint64(AT_LIMIT, BigInt(raised), true);
    return libc.setrlimit(RLIMIT_NOFILE, this.base + AT_LIMIT) < 0 ? soft : raised;
  }

  createWake(): number {
    const fd = this.ffi.libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) throw new HostError(`cannot create a wake-up descriptor (${errnoName(fd)})`, -fd);
    return fd;
  }

  wake(fd: number): void {
    this.view.setBigUint64(AT_LIMIT, 1n, true);
    this.ffi.libc.write(fd, this.base + AT_LIMIT, 8);
  }

  private setOptions(fd: number, endpoint: Endpoint, options: ListenOptions): void {
    if (endpoint.kind === KIND_UNIX) return;
    this.set(fd, SOL_SOCKET, SO_REUSEADDR, AT_ONE);
    if (endpoint.kind === KIND_IPV6) this.set(fd, IPPROTO_IPV6, IPV6_V6ONLY, AT_ZERO);
    if (options.noDelay) this.set(fd, IPPROTO_TCP, TCP_NODELAY, AT_ONE);
    if (options.keepAlive) this.set(fd, SOL_SOCKET, SO_KEEPALIVE, AT_ONE);
  }

  private set(fd: number, level: number, name: number, at: number): void {
    this.ffi.libc.setsockopt(fd, level, name, this.base + at, 4);
  }

  private encode(endpoint: Endpoint): number {
    const record = new Uint8Array(ENDPOINT_SIZE);
    writeEndpoint(endpoint, record, 0);
    return encodeSockaddr(record, 0, this.bytes, 0);
  }

  /** Removes a left-over socket so that the path can be bound; refuses to touch anything else. */
  private freePath(endpoint: Endpoint & { readonly kind: typeof KIND_UNIX }): void {
    let isSocket: boolean;
    try {
      isSocket = lstatSync(endpoint.path).isSocket();
    } catch {
      return; // nothing there
    }
    if (!isSocket)
      throw new HostError(
        `cannot listen on ${endpoint.path}: it exists and is not a socket; remove it or choose another path`,
        EADDRINUSE,
      );
    if (this.isAnswered(endpoint)) throw this.refusal(endpoint, 'listen on', EADDRINUSE);
    unlinkSync(endpoint.path);
  }

  private isAnswered(endpoint: Endpoint): boolean {
    const { libc } = this.ffi;
    const fd = libc.socket(familyOf(KIND_UNIX), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return true;
    const result = libc.connect(fd, this.base, this.encode(endpoint));
    libc.close(fd);
    return result !== -ECONNREFUSED;
  }

  private refusal(endpoint: Endpoint, verb: string, errno: number): HostError {
    const record = new Uint8Array(ENDPOINT_SIZE);
    writeEndpoint(endpoint, record, 0);
    const help = helpFor(endpoint, errno);
    return new HostError(
      `cannot ${verb} ${endpointText(record, 0)} (${errnoName(errno)})${help === '' ? '' : `: ${help}`}`,
      errno,
    );
  }
}

/** What a person can do about a refusal. */
function helpFor(endpoint: Endpoint, errno: number): string {
  const isPort = endpoint.kind === KIND_IPV4 || endpoint.kind === KIND_IPV6;
  if (errno === EADDRINUSE) return 'another program listens there; stop it or choose another address';
  if (errno === EADDRNOTAVAIL) return 'this machine does not have that address';
  if (errno === EACCES && isPort) return 'ports below 1024 need root or the capability CAP_NET_BIND_SERVICE';
  if (errno === EACCES) return 'the directory cannot be written';
  return '';
}
