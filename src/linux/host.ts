/** The host contract on Linux. @owner the main thread. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import type { Fd } from '../base/brand.ts';
import { ENDPOINT_SIZE, endpointText, type Endpoint, KIND_IPV6, KIND_UNIX, writeEndpoint } from '../base/endpoint.ts';
import { EADDRINUSE, EAGAIN, ECONNREFUSED, EEXIST, errnoName } from '../base/errno.ts';
import { type Ffi, loadFfi } from '../ffi/load.ts';
import type { Libc } from '../ffi/libc.ts';
import type {
  DescriptorLimit,
  Host,
  HostError as HostErrorContract,
  ListenOptions,
  LoopKindReport,
} from '../loop/host.ts';
import { listenHelp } from './host-help.ts';
import { encodeSockaddr, SOCKADDR_SIZE } from './sockaddr.ts';
import { bindSockets, IPPROTO_IPV6, IPV6_V6ONLY, SO_REUSEADDR, SOL_SOCKET, type Sockets } from './sockets.ts';
import { probeUring } from './uring/probe.ts';

/** See the contract. */
export class HostError extends Error implements HostErrorContract {
  override readonly name = 'HostError';
  readonly errno: number;
  readonly code: string;
  readonly endpoint: string;
  readonly help: string;

  /** @param what failed, and why. @param errno positive, 0 for none. */
  constructor(what: string, errno: number, endpoint = '', help = '') {
    super(help === '' ? what : `${what}; ${help}`);
    this.errno = errno;
    this.code = errno === 0 ? '' : errnoName(errno);
    this.endpoint = endpoint;
    this.help = help;
  }
}

const EFD_NONBLOCK_CLOEXEC = 0o2004000;
const RLIMIT_NOFILE = 7;
const RLIM_INFINITY = 2n ** 64n - 1n;

const ADDRESS_AT = 0;
const LENGTH_AT = SOCKADDR_SIZE;
const VALUE_AT = LENGTH_AT + 8;
const LIMIT_AT = VALUE_AT + 8;
const WAKE_AT = LIMIT_AT + 16;
const MEMORY_SIZE = WAKE_AT + 8;

/** Which file a path was when we bound it. */
interface Identity {
  readonly device: bigint;
  readonly inode: bigint;
}

/**
 * Opens the host.
 * @errors HostError when native calls are not possible on this machine.
 */
export function createHost(): Host {
  const { ffi, reason } = loadFfi();
  if (ffi === undefined) throw new HostError(reason, 0);
  return new LinuxHost(ffi);
}

class LinuxHost implements Host {
  private readonly ffi: Ffi;
  private readonly libc: Libc;
  private readonly sockets: Sockets;
  private readonly base: number;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly own = new Map<string, Identity>();

  constructor(ffi: Ffi) {
    const memory = ffi.reserve(MEMORY_SIZE);
    this.ffi = ffi;
    this.libc = ffi.libc;
    this.sockets = bindSockets(ffi);
    this.base = memory.base;
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.view.setBigUint64(WAKE_AT, 1n, true);
  }

  listen(endpoint: Endpoint, options: ListenOptions): number {
    const { kind } = endpoint;
    const opened = this.sockets.openStream(kind, options);
    if (opened < 0) throw refusal(opened, endpoint);
    const fd = opened as Fd;
    if (kind !== KIND_UNIX) this.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    // The system's default (net.ipv6.bindv6only) must not decide which clients reach us.
    if (kind === KIND_IPV6) this.setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    const result = this.bindAndListen(fd, endpoint, options);
    if (result >= 0) return fd;
    this.sockets.closeFd(fd);
    throw refusal(result, endpoint);
  }

  localEndpoint(fd: number, asked: Endpoint): Endpoint {
    if (asked.kind === KIND_UNIX || asked.port !== 0) return asked;
    this.view.setInt32(LENGTH_AT, SOCKADDR_SIZE, true);
    const result = this.libc.getsockname(fd, this.base + ADDRESS_AT, this.base + LENGTH_AT);
    // sockaddr_in and sockaddr_in6 have the port, big-endian, at the same place.
    return result < 0 ? asked : { ...asked, port: this.view.getUint16(ADDRESS_AT + 2) };
  }

  close(fd: number): void {
    this.sockets.closeFd(fd as Fd);
  }

  abort(fd: number): void {
    this.sockets.setAbortOnClose(fd as Fd);
    this.sockets.closeFd(fd as Fd);
  }

  unlinkOwn(path: string): void {
    const own = this.own.get(path);
    this.own.delete(path);
    const now = identityOf(path);
    if (own === undefined || now === undefined || own.device !== now.device || own.inode !== now.inode) return;
    unlinkSync(path);
  }

  descriptorLimit(): DescriptorLimit {
    this.libc.getrlimit(RLIMIT_NOFILE, this.base + LIMIT_AT);
    return { soft: this.readLimit(LIMIT_AT), hard: this.readLimit(LIMIT_AT + 8) };
  }

  raiseDescriptorLimit(wanted: number): number {
    const { soft, hard } = this.descriptorLimit();
    if (wanted <= soft) return soft;
    // Root may go beyond the hard limit, everybody else up to it.
    if (wanted <= hard || this.setLimit(wanted, wanted) < 0) this.setLimit(Math.min(wanted, hard), hard);
    return this.descriptorLimit().soft;
  }

  createWake(): number {
    const fd = this.libc.eventfd(0, EFD_NONBLOCK_CLOEXEC);
    if (fd < 0) throw new HostError(`cannot open a descriptor for wake-ups (${errnoName(fd)})`, -fd);
    return fd;
  }

  wake(fd: number): void {
    // Fails only when the counter is full, and then the loop has been woken.
    this.libc.write(fd, this.base + WAKE_AT, 8);
  }

  loopKinds(): readonly LoopKindReport[] {
    return [
      { kind: 'uring', reason: probeUring(this.ffi) },
      { kind: 'epoll', reason: '' },
    ];
  }

  /** @returns 0 or -errno; -EEXIST when the unix path is a file that is no socket. */
  private bindAndListen(fd: Fd, endpoint: Endpoint, options: ListenOptions): number {
    let bound = this.bind(fd, endpoint);
    if (bound === -EADDRINUSE && endpoint.kind === KIND_UNIX) {
      const left = this.removeLeftover(endpoint.path, endpoint);
      bound = left < 0 ? left : this.bind(fd, endpoint);
    }
    if (bound < 0) return bound;
    if (endpoint.kind === KIND_UNIX) this.claim(endpoint.path, options.mode);
    return this.libc.listen(fd, options.backlog);
  }

  private bind(fd: Fd, endpoint: Endpoint): number {
    return this.libc.bind(fd, this.base + ADDRESS_AT, this.encode(endpoint));
  }

  /** Removes a unix socket that nobody answers on. @returns 0, -EEXIST for another kind of file, -errno. */
  private removeLeftover(path: string, endpoint: Endpoint): number {
    if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === false) return -EEXIST;
    const probe = this.sockets.openStream(KIND_UNIX, { noDelay: false, keepAlive: false });
    if (probe < 0) return probe;
    const answer = this.libc.connect(probe, this.base + ADDRESS_AT, this.encode(endpoint));
    this.sockets.closeFd(probe as Fd);
    // Whatever is not a clear refusal counts as alive: taking over somebody's socket is the worse mistake.
    if (answer === 0 || answer === -EAGAIN) return -EADDRINUSE;
    if (answer !== -ECONNREFUSED) return answer;
    unlinkSync(path);
    return 0;
  }

  private encode(endpoint: Endpoint): number {
    return encodeSockaddr(recordOf(endpoint), 0, this.bytes, ADDRESS_AT);
  }

  private claim(path: string, mode: number | undefined): void {
    if (mode !== undefined) chmodSync(path, mode);
    const identity = identityOf(path);
    if (identity !== undefined) this.own.set(path, identity);
  }

  private setOption(fd: Fd, level: number, name: number, value: number): void {
    this.view.setInt32(VALUE_AT, value, true);
    this.libc.setsockopt(fd, level, name, this.base + VALUE_AT, 4);
  }

  private readLimit(at: number): number {
    const value = this.view.getBigUint64(at, true);
    return value === RLIM_INFINITY ? Number.POSITIVE_INFINITY : Number(value);
  }

  private setLimit(soft: number, hard: number): number {
    this.view.setBigUint64(LIMIT_AT, toLimit(soft), true);
    this.view.setBigUint64(LIMIT_AT + 8, toLimit(hard), true);
    return this.libc.setrlimit(RLIMIT_NOFILE, this.base + LIMIT_AT);
  }
}

function toLimit(value: number): bigint {
  return value === Number.POSITIVE_INFINITY ? RLIM_INFINITY : BigInt(Math.floor(value));
}

function identityOf(path: string): Identity | undefined {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? undefined : { device: found.dev, inode: found.ino };
}

function recordOf(endpoint: Endpoint): Uint8Array {
  const record = new Uint8Array(ENDPOINT_SIZE);
  writeEndpoint(endpoint, record, 0);
  return record;
}

function refusal(result: number, endpoint: Endpoint): HostError {
  const text = endpointText(recordOf(endpoint), 0);
  const { why, help } = listenHelp(-result, endpoint.kind === KIND_UNIX);
  const reason = why === '' ? '' : `: ${why}`;
  return new HostError(`cannot listen on ${text} (${errnoName(result)})${reason}`, -result, text, help);
}
