/**
 * Socket calls that every loop on Linux needs the same way: opening, accepting, ending, asking how far a send got.
 *
 * Results are values or -errno; nothing throws. EINTR is retried inside.
 */
import type { Fd } from '../base/brand.ts';
import { KIND_UNIX, PEER_SIZE } from '../base/endpoint.ts';
import { EAFNOSUPPORT, EAGAIN, EBADF, EINTR, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM } from '../base/errno.ts';
import type { Ffi } from '../ffi/load.ts';
import type { StreamOptions } from '../loop/loop.ts';
import { decodePeer, encodeSockaddr, familyOf, SOCKADDR_SIZE } from './sockaddr.ts';

export const SOCK_STREAM = 1;
/** O_NONBLOCK and O_CLOEXEC, for socket(2) and accept4(2). @source asm-generic/fcntl.h (x86-64, arm64, riscv64) */
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_WAITALL = 0x100;

export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
export const SO_KEEPALIVE = 9;
export const SO_LINGER = 13;
export const SO_REUSEPORT = 15;
/** Level of what IPv6 sockets obey as well. @source ip(7) */
const IPPROTO_IP = 0;
const IP_BIND_ADDRESS_NO_PORT = 24;
export const IPPROTO_TCP = 6;
export const TCP_NODELAY = 1;
export const IPPROTO_IPV6 = 41;
export const IPV6_V6ONLY = 26;

const SHUT_WR = 1;
export const SHUT_RDWR = 2;
export const TCP_INFO = 11;
/** tcpi_state, the first byte of struct tcp_info, of a connection that is gone. @source netinet/tcp.h */
const TCP_CLOSE = 7;
/** struct tcp_info: tcpi_bytes_acked, u64. Kernel 4.1 and newer. @source linux/tcp.h, checked by test/loop */
const TCP_INFO_BYTES_ACKED = 120;
const TCP_INFO_READ = TCP_INFO_BYTES_ACKED + 8;
/** TIOCOUTQ: bytes in the send queue (TCP: not acknowledged; unix: not read). @source tcp(7), unix(7) */
const SIOCOUTQ = 0x5411;
const EFAULT = 14;
const ENOTSOCK = 88;
const EOPNOTSUPP = 95;

/** A client that gave up before it was accepted costs one call; a network that is down must not spin. */
const ACCEPT_SKIPS_MAX = 64;

/** See the functions' own comments in `bindSockets`. All are one or two system calls, none allocates. */
export interface Sockets {
  /**
   * Opens a non-blocking, close-on-exec stream socket, bound to its source address if there is one.
   * @param kind KIND_IPV4, KIND_IPV6 or KIND_UNIX. @returns descriptor or -errno (-EAFNOSUPPORT for other kinds).
   */
  openStream(kind: number, options: StreamOptions): number;
  /**
   * Accepts one connection, non-blocking and close-on-exec, and writes its address as PEER_SIZE bytes.
   *
   * Connections that died while they waited are skipped, as accept(2) advises.
   * @returns descriptor; -EAGAIN when nobody waits; -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM when we cannot take more.
   */
  acceptOne(listener: Fd, peers: Uint8Array, peersOffset: number): number;
  /**
   * Accepts until `max` are taken, nobody waits or an error stops it: never more than `max` leave the backlog.
   *
   * @param fds at least `max + 1` entries: the descriptors, then why it stopped (0: `max` reached, else -errno).
   * @param peers PEER_SIZE bytes per connection from `peersOffset`.
   * @returns how many were accepted.
   */
  acceptBurst(listener: Fd, max: number, fds: Int32Array, peers: Uint8Array, peersOffset: number): number;
  /** Sends FIN after what was sent. @returns 0 or -errno. */
  shutdownWrite(fd: Fd): number;
  /** @returns 0 or -errno; the descriptor is gone in any case, so EINTR is not retried (close(2)). */
  closeFd(fd: Fd): number;
  /** Makes the next close send RST instead of FIN and drop unsent data. Unix sockets have no such thing. */
  setAbortOnClose(fd: Fd): number;
  /** Takes the pending error of a socket: a positive errno, 0 for none, or -errno when asking failed. Clears it. */
  takeError(fd: Fd): number;
  /** @see Loop.progress: TCP counts bytes acknowledged; a unix socket's queue shrinks as its peer reads. */
  progress(fd: Fd): number;
  /** @see Loop.unsent */
  unsent(fd: Fd): number;
  /** Frees the scratch memory. The functions must not be used afterwards. */
  destroy(): void;
}

const SCRATCH_SIZE = 4096;
const SCRATCH_ADDRESS = 0;
const SCRATCH_LENGTH = SOCKADDR_SIZE;
const SCRATCH_ONE = SCRATCH_LENGTH + 8;
const SCRATCH_LINGER = SCRATCH_ONE + 8;
const SCRATCH_VALUE = SCRATCH_LINGER + 8;
const SCRATCH_INFO = 256;

/** Binds the calls to scratch memory of their own, so that each thread (and each loop) has its own set. */
export function bindSockets(ffi: Ffi): Sockets {
  const { libc } = ffi;
  const scratch = ffi.reserve(SCRATCH_SIZE);
  const bytes = new Uint8Array(scratch.buffer);
  const words = new Int32Array(scratch.buffer);
  const base = scratch.base;
  words[SCRATCH_ONE >> 2] = 1;
  // struct linger { l_onoff = 1, l_linger = 0 }.
  words[SCRATCH_LINGER >> 2] = 1;

  function setOne(fd: number, level: number, name: number): number {
    return libc.setsockopt(fd, level, name, base + SCRATCH_ONE, 4);
  }

  function openStream(kind: number, options: StreamOptions): number {
    const family = familyOf(kind);
    if (family < 0) return -EAFNOSUPPORT;
    const fd = libc.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || kind === KIND_UNIX) return fd;
    // Neither can fail on a fresh TCP socket, and a connection without them still works.
    if (options.noDelay) setOne(fd, IPPROTO_TCP, TCP_NODELAY);
    if (options.keepAlive) setOne(fd, SOL_SOCKET, SO_KEEPALIVE);
    return options.source === undefined ? fd : bindTo(fd, options.source);
  }

  /** The port is chosen by the connect, which knows where it goes: one port then serves many servers. */
  function bindTo(fd: number, source: Uint8Array): number {
    // Kernels that do not know it take a port at once.
    setOne(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    const result = libc.bind(fd, base + SCRATCH_ADDRESS, encodeSockaddr(source, 0, bytes, SCRATCH_ADDRESS));
    if (result >= 0) return fd;
    libc.close(fd);
    return result;
  }

  function acceptOne(listener: Fd, peers: Uint8Array, peersOffset: number): number {
    for (let skipped = 0; skipped < ACCEPT_SKIPS_MAX;) {
      words[SCRATCH_LENGTH >> 2] = SOCKADDR_SIZE;
      const fd = libc.accept4(listener, base + SCRATCH_ADDRESS, base + SCRATCH_LENGTH, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        decodePeer(bytes, SCRATCH_ADDRESS, words[SCRATCH_LENGTH >> 2], peers, peersOffset);
        return fd;
      }
      if (fd === -EAGAIN || isShortage(fd) || isMisuse(fd)) return fd;
      // ECONNABORTED and the network errors that accept(2) lists belong to the connection that was taken off.
      if (fd !== -EINTR) skipped++;
    }
    return -EAGAIN;
  }

  function acceptBurst(listener: Fd, max: number, fds: Int32Array, peers: Uint8Array, peersOffset: number): number {
    for (let count = 0; count < max; count++) {
      const fd = acceptOne(listener, peers, peersOffset + count * PEER_SIZE);
      fds[count] = fd;
      if (fd < 0) return count;
    }
    fds[max] = 0;
    return max;
  }

  function takeError(fd: Fd): number {
    words[SCRATCH_LENGTH >> 2] = 4;
    const result = libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, base + SCRATCH_VALUE, base + SCRATCH_LENGTH);
    return result < 0 ? result : words[SCRATCH_VALUE >> 2];
  }

  function unsent(fd: Fd): number {
    const result = libc.ioctl(fd, SIOCOUTQ, base + SCRATCH_VALUE);
    if (result < 0) return result;
    const count = words[SCRATCH_VALUE >> 2];
    // A reset socket still counts what it had, though nobody will ever take it.
    return count > 0 && isReset(fd) ? 0 : count;
  }

  function isReset(fd: Fd): boolean {
    words[SCRATCH_LENGTH >> 2] = 1;
    const result = libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, base + SCRATCH_INFO, base + SCRATCH_LENGTH);
    return result >= 0 && bytes[SCRATCH_INFO] === TCP_CLOSE;
  }

  function progress(fd: Fd): number {
    words[SCRATCH_LENGTH >> 2] = TCP_INFO_READ;
    const result = libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, base + SCRATCH_INFO, base + SCRATCH_LENGTH);
    if (result === -EOPNOTSUPP) return unsent(fd);
    if (result < 0) return result;
    const word = (SCRATCH_INFO + TCP_INFO_BYTES_ACKED) >> 2;
    return (words[word] >>> 0) + (words[word + 1] >>> 0) * 2 ** 32;
  }

  return {
    openStream,
    acceptOne,
    acceptBurst,
    shutdownWrite: (fd) => libc.shutdown(fd, SHUT_WR),
    closeFd: (fd) => libc.close(fd),
    setAbortOnClose: (fd) => libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, base + SCRATCH_LINGER, 8),
    takeError,
    progress,
    unsent,
    destroy: () => ffi.unmap(scratch),
  };
}

/** We, not the client, lack something: the listener must rest until a connection has ended. */
function isShortage(result: number): boolean {
  return result === -EMFILE || result === -ENFILE || result === -ENOBUFS || result === -ENOMEM;
}

/** The descriptor is not a listening socket; retrying would never end. */
function isMisuse(result: number): boolean {
  return result === -EBADF || result === -EFAULT || result === -EINVAL || result === -ENOTSOCK;
}
