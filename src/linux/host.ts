/** The host contract on Linux. @owner the main thread. */
import { accessSync, constants, fchmodSync, lstatSync, realpathSync, unlinkSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import type { Fd } from '../base/brand.ts';
import {
  ENDPOINT_KIND,
  ENDPOINT_PATH,
  ENDPOINT_PATH_LENGTH,
  ENDPOINT_SIZE,
  endpointText,
  KIND_IPV6,
  KIND_UNIX,
} from '../base/endpoint.ts';
import { EACCES, EADDRINUSE, EAGAIN, ECONNREFUSED, EEXIST, errnoNamed } from '../base/errno.ts';
import { listenRefusal } from '../base/listen-help.ts';
import type { Ffi } from '../ffi/load.ts';
import type { Libc } from '../ffi/libc.ts';
import { openDatagrams } from './datagrams.ts';
import type {
  DatagramSender,
  DescriptorLimit,
  Host,
  HostError,
  ListenOptions,
  ListenResult,
  LoopKindReport,
  Tuning,
} from '../loop/host.ts';
import { dropNewcomers } from './newcomers.ts';
import { changeRoot, sealRights } from './rights.ts';
import { decodePeer, encodeSockaddr, SOCKADDR_SIZE } from './sockaddr.ts';
import {
  bindSockets,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  SHUT_RDWR,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_SOCKET,
  TCP_NODELAY,
  type Sockets,
} from './sockets.ts';
import { openSystemLog } from './system-log.ts';
import { probeUring } from './uring/probe.ts';

const EFD_NONBLOCK_CLOEXEC = 0o2004000;
const POLLIN = 1;
const POLLOUT = 4;
/* @source flock(2): LOCK_EX, LOCK_NB */
const LOCK_EXCLUSIVE = 2;
const LOCK_AT_ONCE = 4;
const RLIMIT_NOFILE = 7;
const STDERR = 2;
/** No table has room for connections with descriptors beyond this. */
const FD_MAX = 2 ** 20;
const RLIM_INFINITY = 2n ** 64n - 1n;

const ADDRESS_AT = 0;
const LENGTH_AT = SOCKADDR_SIZE;
const VALUE_AT = LENGTH_AT + 8;
const LIMIT_AT = VALUE_AT + 8;
const WAKE_AT = LIMIT_AT + 16;
/** struct pollfd: descriptor, events asked for, events that came. */
const POLL_AT = WAKE_AT + 8;
const MEMORY_SIZE = POLL_AT + 8;

/** Which file a path was when we bound it. */
interface Identity {
  readonly device: bigint;
  readonly inode: bigint;
}

/** A unix socket of ours in the file system. */
interface OwnSocket {
  readonly identity: Identity;
  /** Where it is, without links; undefined: outside of what we see. */
  readonly at: string | undefined;
}

export class LinuxHost implements Host {
  readonly nativeFile: string;
  private readonly ffi: Ffi;
  private readonly libc: Libc;
  private readonly sockets: Sockets;
  private readonly base: number;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private isSealed = false;
  private readonly own = new Map<string, OwnSocket>();

  constructor(ffi: Ffi) {
    const memory = ffi.reserve(MEMORY_SIZE);
    this.ffi = ffi;
    this.nativeFile = ffi.file;
    this.libc = ffi.libc;
    this.sockets = bindSockets(ffi);
    this.base = memory.base;
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.view.setBigUint64(WAKE_AT, 1n, true);
  }

  listen(endpoint: Uint8Array, options: ListenOptions): ListenResult {
    const kind = endpoint[ENDPOINT_KIND];
    const opened = this.sockets.openStream(kind, options);
    if (opened < 0) return { error: this.refusal(opened, endpoint) };
    const fd = opened as Fd;
    if (kind !== KIND_UNIX) this.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    // The system's default (net.ipv6.bindv6only) must not decide which clients reach us.
    if (kind === KIND_IPV6) this.setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    this.setReusePort([fd, options.beside], 1);
    const result = this.bindAndListen(fd, endpoint, options);
    this.setReusePort([fd, options.beside], 0);
    if (result >= 0) return { fd };
    this.sockets.closeFd(fd);
    return { error: this.refusal(result, endpoint) };
  }

  localEndpoint(fd: Fd): Uint8Array {
    const endpoint = new Uint8Array(ENDPOINT_SIZE);
    this.view.setInt32(LENGTH_AT, SOCKADDR_SIZE, true);
    if (this.libc.getsockname(fd, this.base + ADDRESS_AT, this.base + LENGTH_AT) < 0) return endpoint;
    const length = this.view.getInt32(LENGTH_AT, true);
    decodePeer(this.bytes, ADDRESS_AT, length, endpoint, 0);
    if (endpoint[ENDPOINT_KIND] !== KIND_UNIX) return endpoint;
    const path = this.bytes.subarray(ADDRESS_AT + 2, ADDRESS_AT + length);
    const end = path.indexOf(0);
    const text = end < 0 ? path : path.subarray(0, end);
    endpoint[ENDPOINT_PATH_LENGTH] = text.length;
    endpoint.set(text, ENDPOINT_PATH);
    return endpoint;
  }

  tuneListening(fd: Fd, { backlog, noDelay }: Tuning): void {
    // A unix socket refuses it, and has no need of it.
    this.setOption(fd, IPPROTO_TCP, TCP_NODELAY, Number(noDelay));
    // @source listen(2), Linux: of a socket that listens already it changes the backlog and nothing else.
    this.libc.listen(fd, backlog);
  }

  holdNewcomers(fd: Fd): void {
    const endpoint = this.localEndpoint(fd);
    if (endpoint[ENDPOINT_KIND] === KIND_UNIX) this.unlinkOwn(endpointText(endpoint, 0));
    else dropNewcomers(this.ffi, fd);
  }

  hasWaiting(fd: Fd, done: (isWaiting: boolean) => void): void {
    done(this.isReady(fd, POLLIN));
  }

  stopListening(fd: Fd): void {
    this.libc.shutdown(fd, SHUT_RDWR);
  }

  close(fd: Fd): void {
    this.sockets.closeFd(fd);
  }

  abort(fd: Fd): void {
    this.sockets.setAbortOnClose(fd);
    this.sockets.closeFd(fd);
  }

  abortAtExit(): void {
    // What is closed, or no socket, says so and stays as it is. The limit may be far above what was ever asked for.
    const end = Math.min(this.descriptorLimit().soft, FD_MAX);
    for (let fd = STDERR + 1; fd < end; fd++) this.sockets.setAbortOnClose(fd as Fd);
  }

  unlinkOwn(path: string): void {
    const own = this.own.get(path);
    this.own.delete(path);
    if (own?.at === undefined) return;
    try {
      if (isSame(own.identity, identityOf(own.at))) unlinkSync(own.at);
    } catch {
      // We may not any more. Whoever comes next finds that nobody answers, and takes its place.
    }
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
    return this.libc.eventfd(0, EFD_NONBLOCK_CLOEXEC);
  }

  wake(fd: number): void {
    // Fails only when the counter is full, and then the loop has been woken.
    this.libc.write(fd, this.base + WAKE_AT, 8);
  }

  canWrite(fd: number): boolean {
    // An error of the descriptor is an event as well, and the write will tell it.
    return this.isReady(fd, POLLOUT);
  }

  lockFile(fd: number): boolean {
    return this.libc.flock(fd, LOCK_EXCLUSIVE | LOCK_AT_ONCE) !== -EAGAIN;
  }

  preferBigPages(bytes: Uint8Array): void {
    this.ffi.preferBigPages(bytes);
  }

  changeRoot(path: string): number {
    const result = changeRoot(this.ffi, path);
    if (result < 0) return result;
    for (const [name, { identity, at }] of this.own) this.own.set(name, { identity, at: at && seenFrom(path, at) });
    return 0;
  }

  sealRights(): string {
    this.isSealed = true;
    return sealRights(this.ffi);
  }

  exitNow(code: number): never {
    this.libc._exit(code);
    throw new Error('_exit does not return');
  }

  systemLog(ident: string): (text: string) => boolean {
    return openSystemLog(this.ffi, ident);
  }

  readonly openDatagrams = (endpoint: Uint8Array, bytesMax: number): DatagramSender | number =>
    openDatagrams(this.ffi, endpoint, bytesMax);

  loopKinds(): readonly LoopKindReport[] {
    return [
      { kind: 'uring', reason: probeUring(this.ffi) },
      { kind: 'epoll', reason: '' },
    ];
  }

  private isReady(fd: number, events: number): boolean {
    this.view.setInt32(POLL_AT, fd, true);
    this.view.setInt16(POLL_AT + 4, events, true);
    return this.libc.poll(this.base + POLL_AT, 1, 0) !== 0;
  }

  private refusal(errno: number, endpoint: Uint8Array): HostError {
    const refusal = listenRefusal(errno, endpoint);
    if (!this.isSealed || errno !== -EACCES || endpoint[ENDPOINT_KIND] === KIND_UNIX) return refusal;
    return { ...refusal, help: `${refusal.help}; -u has given that up, so name it at the start` };
  }

  /** @returns 0 or -errno; -EEXIST when the unix path is a file that is no socket. */
  private bindAndListen(fd: Fd, endpoint: Uint8Array, { backlog, mode, isTrial }: ListenOptions): number {
    const isUnix = endpoint[ENDPOINT_KIND] === KIND_UNIX;
    if (isUnix && isTrial === true) return this.tryPath(endpoint);
    // Before it has a name, at which somebody else could put another file. @source unix(7): bind takes it from the socket
    if (isUnix && mode !== undefined) fchmodSync(fd, mode);
    let bound = this.bind(fd, endpoint);
    if (bound === -EADDRINUSE && isUnix) {
      const left = this.lookAtLeftover(endpoint);
      if (left === 0) unlinkSync(endpointText(endpoint, 0));
      bound = left < 0 ? left : this.bind(fd, endpoint);
    }
    if (bound < 0) return bound;
    if (isUnix) this.claim(endpointText(endpoint, 0));
    return isTrial === true ? 0 : this.libc.listen(fd, backlog);
  }

  private bind(fd: Fd, endpoint: Uint8Array): number {
    return this.libc.bind(fd, this.base + ADDRESS_AT, this.encode(endpoint));
  }

  /** Whether a unix path could be had, without a trace in the file system. @returns 0 or -errno, as from a bind. */
  private tryPath(endpoint: Uint8Array): number {
    const path = endpointText(endpoint, 0);
    try {
      accessSync(dirname(path), constants.W_OK | constants.X_OK);
      return lstatSync(path, { throwIfNoEntry: false }) ? this.lookAtLeftover(endpoint) : 0;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      return -(errnoNamed(code) ?? EACCES);
    }
  }

  /** Whether a unix path is a socket that nobody answers on. @returns 0, -EEXIST for another kind of file, -errno. */
  private lookAtLeftover(endpoint: Uint8Array): number {
    const path = endpointText(endpoint, 0);
    if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === false) return -EEXIST;
    const probe = this.sockets.openStream(KIND_UNIX, { noDelay: false, keepAlive: false });
    if (probe < 0) return probe;
    const answer = this.libc.connect(probe, this.base + ADDRESS_AT, this.encode(endpoint));
    this.sockets.closeFd(probe as Fd);
    // Whatever is not a clear refusal counts as alive: taking over somebody's socket is the worse mistake.
    if (answer === 0 || answer === -EAGAIN) return -EADDRINUSE;
    return answer === -ECONNREFUSED ? 0 : answer;
  }

  private encode(endpoint: Uint8Array): number {
    return encodeSockaddr(endpoint, 0, this.bytes, ADDRESS_AT);
  }

  private claim(path: string): void {
    const identity = identityOf(path);
    if (identity === undefined) return;
    try {
      this.own.set(path, { identity, at: join(realpathSync.native(dirname(path)), basename(path)) });
    } catch {
      // It has been removed already, with its folder.
    }
  }

  /** Two sockets may overlap while both are bound with this option; nobody else's can, for they are not ours. */
  private setReusePort([fd, beside]: readonly [Fd, Fd | undefined], value: number): void {
    if (beside === undefined) return;
    this.setOption(fd, SOL_SOCKET, SO_REUSEPORT, value);
    this.setOption(beside, SOL_SOCKET, SO_REUSEPORT, value);
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

function isSame(one: Identity, other: Identity | undefined): boolean {
  return one.device === other?.device && one.inode === other.inode;
}

/** The path of a file inside a folder for who has that folder as root directory; undefined for one outside. */
function seenFrom(root: string, path: string): string | undefined {
  const inside = relative(root, path);
  return inside === '..' || inside.startsWith('../') ? undefined : join('/', inside);
}
