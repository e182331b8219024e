/**
 * Sockets for clients and servers of the tests: non-blocking, with every option that decides what a peer feels like
 * (buffer sizes, linger, backlog), called directly, so that no library reads ahead, retries or hides an error.
 *
 * Results are values or -errno. All memory that the kernel sees lies in one reservation.
 */
import { ENDPOINT_SIZE, ipText, KIND_UNIX, writeEndpoint, type Endpoint } from '../../src/base/endpoint.ts';
import { EINPROGRESS, errnoName } from '../../src/base/errno.ts';
import { literalEndpoint, unixEndpoint } from '../../src/config/address.ts';
import { loadFfi, type Ffi } from '../../src/ffi/load.ts';
import { decodePeer, encodeSockaddr, familyOf, SOCKADDR_SIZE } from '../../src/linux/sockaddr.ts';
import {
  IPPROTO_TCP,
  MSG_NOSIGNAL,
  SO_ERROR,
  SO_LINGER,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from '../../src/linux/sockets.ts';
import { PATTERN_BYTES, writePattern } from './pattern.ts';

const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const TCP_MAXSEG = 2;
const IPPROTO_IP = 0;
/** Binds an address and leaves the port to connect(2), which may share it between destinations. @source ip(7) */
const IP_BIND_ADDRESS_NO_PORT = 24;
const SHUT_WR = 1;

export const SCRATCH_BYTES = 1 << 20;
const ADDRESS_AT = 0;
const LENGTH_AT = SOCKADDR_SIZE;
const VALUE_AT = LENGTH_AT + 8;
const SCRATCH_AT = 4096;
const PATTERN_AT = SCRATCH_AT + SCRATCH_BYTES;

/** What a socket is like, as far as its peer can feel it. */
export interface SocketOptions {
  /** SO_RCVBUF: how much the kernel takes for a reader that does not read. The kernel doubles it. */
  readonly receiveBuffer?: number;
  readonly sendBuffer?: number;
  /** TCP_MAXSEG. Small segments keep the buffers of whoever sends to it small: they grow in segments. */
  readonly segment?: number;
  /** Address to connect from. */
  readonly from?: string;
  /** Sends small segments at once (TCP_NODELAY). **Default** true. */
  readonly noDelay?: boolean;
}

export function ip(host: string, port: number): Endpoint {
  const endpoint = literalEndpoint(host, port, 'a test');
  if (!endpoint) throw new Error(`not an address: ${host}`);
  return endpoint;
}

export { unixEndpoint as unix };

/** The system calls, with their memory. One set for the whole test process. */
export class Sockets {
  readonly libc: Ffi['libc'];
  /** Where received bytes land. */
  readonly scratch: Buffer;
  private readonly base: number;
  private readonly bytes: Uint8Array;
  private readonly words: Int32Array;

  constructor() {
    const { ffi, reason } = loadFfi();
    if (!ffi) throw new Error(reason);
    this.libc = ffi.libc;
    const memory = ffi.reserve(PATTERN_AT + PATTERN_BYTES);
    this.base = memory.base;
    this.bytes = new Uint8Array(memory.buffer);
    this.words = new Int32Array(memory.buffer, 0, SCRATCH_AT >> 2);
    this.scratch = Buffer.from(memory.buffer, SCRATCH_AT, SCRATCH_BYTES);
    writePattern(Buffer.from(memory.buffer, PATTERN_AT, PATTERN_BYTES));
  }

  /** Opens a socket and begins to connect it. @returns a descriptor; 0 or -EINPROGRESS as `result`. */
  connect(to: Endpoint, options: SocketOptions = {}): { fd: number; result: number } {
    const fd = this.open(to, options);
    const length = this.writeAddress(to);
    return { fd, result: this.libc.connect(fd, this.base + ADDRESS_AT, length) };
  }

  /** Opens a listening socket. @returns its descriptor. */
  listen(at: Endpoint, backlog: number, options: SocketOptions = {}): number {
    const fd = this.open(at, options);
    if (at.kind !== KIND_UNIX) must(this.setWord(fd, SOL_SOCKET, SO_REUSEADDR, 1), 'SO_REUSEADDR');
    must(this.libc.bind(fd, this.base + ADDRESS_AT, this.writeAddress(at)), 'bind');
    must(this.libc.listen(fd, backlog), 'listen');
    return fd;
  }

  /** Whether somebody listens there, found out without connecting. */
  isTaken(at: Endpoint): boolean {
    const fd = this.open(at, {});
    must(this.setWord(fd, SOL_SOCKET, SO_REUSEADDR, 1), 'SO_REUSEADDR');
    const result = this.libc.bind(fd, this.base + ADDRESS_AT, this.writeAddress(at));
    this.close(fd);
    return result < 0;
  }

  accept(fd: number): number {
    return this.libc.accept4(fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
  }

  localPort(fd: number): number {
    this.words[LENGTH_AT >> 2] = SOCKADDR_SIZE;
    must(this.libc.getsockname(fd, this.base + ADDRESS_AT, this.base + LENGTH_AT), 'getsockname');
    return this.bytes[ADDRESS_AT + 2] * 256 + this.bytes[ADDRESS_AT + 3];
  }

  /** Whether it has another end: not before it is connected, and not after a reset. */
  isConnected(fd: number): boolean {
    this.words[LENGTH_AT >> 2] = SOCKADDR_SIZE;
    return this.libc.getpeername(fd, this.base + ADDRESS_AT, this.base + LENGTH_AT) === 0;
  }

  remotePort(fd: number): number {
    this.words[LENGTH_AT >> 2] = SOCKADDR_SIZE;
    must(this.libc.getpeername(fd, this.base + ADDRESS_AT, this.base + LENGTH_AT), 'getpeername');
    return this.bytes[ADDRESS_AT + 2] * 256 + this.bytes[ADDRESS_AT + 3];
  }

  /** The address of the other end, without its port. */
  remoteAddress(fd: number): string {
    this.words[LENGTH_AT >> 2] = SOCKADDR_SIZE;
    must(this.libc.getpeername(fd, this.base + ADDRESS_AT, this.base + LENGTH_AT), 'getpeername');
    const record = new Uint8Array(ENDPOINT_SIZE);
    decodePeer(this.bytes, ADDRESS_AT, this.words[LENGTH_AT >> 2] ?? 0, record, 0);
    return ipText(record, 0);
  }

  /** Receives into `scratch`. */
  receive(fd: number, max: number): number {
    return this.libc.recv(fd, this.base + SCRATCH_AT, Math.min(max, SCRATCH_BYTES), 0);
  }

  /** Sends bytes of the pattern from `offset`. */
  sendPattern(fd: number, offset: number, length: number): number {
    return this.libc.send(fd, this.base + PATTERN_AT + offset, length, MSG_NOSIGNAL);
  }

  /** Sends bytes that lie anywhere. */
  send(fd: number, bytes: Uint8Array): number {
    const length = Math.min(bytes.length, SCRATCH_BYTES);
    this.scratch.set(bytes.subarray(0, length));
    return this.libc.send(fd, this.base + SCRATCH_AT, length, MSG_NOSIGNAL);
  }

  endWriting(fd: number): number {
    return this.libc.shutdown(fd, SHUT_WR);
  }

  close(fd: number): void {
    must(this.libc.close(fd), 'close');
  }

  /** Closes so that the peer gets RST. */
  reset(fd: number): void {
    this.words[VALUE_AT >> 2] = 1;
    this.words[(VALUE_AT >> 2) + 1] = 0;
    must(this.libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, this.base + VALUE_AT, 8), 'SO_LINGER');
    this.close(fd);
  }

  /** Takes the socket's pending error: errno, 0 for none. */
  takeError(fd: number): number {
    this.words[LENGTH_AT >> 2] = 4;
    must(this.libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, this.base + VALUE_AT, this.base + LENGTH_AT), 'SO_ERROR');
    return this.words[VALUE_AT >> 2];
  }

  private open(endpoint: Endpoint, options: SocketOptions): number {
    const fd = this.libc.socket(familyOf(endpoint.kind), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(fd, 'socket');
    if (options.receiveBuffer !== undefined) this.setWord(fd, SOL_SOCKET, SO_RCVBUF, options.receiveBuffer);
    if (options.sendBuffer !== undefined) this.setWord(fd, SOL_SOCKET, SO_SNDBUF, options.sendBuffer);
    if (options.segment !== undefined) this.setWord(fd, IPPROTO_TCP, TCP_MAXSEG, options.segment);
    if (endpoint.kind !== KIND_UNIX) this.setWord(fd, IPPROTO_TCP, TCP_NODELAY, Number(options.noDelay ?? true));
    if (options.from !== undefined) {
      must(this.setWord(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1), 'IP_BIND_ADDRESS_NO_PORT');
      must(this.libc.bind(fd, this.base + ADDRESS_AT, this.writeAddress(ip(options.from, 0))), 'bind');
    }
    return fd;
  }

  private setWord(fd: number, level: number, name: number, value: number): number {
    this.words[VALUE_AT >> 2] = value;
    return this.libc.setsockopt(fd, level, name, this.base + VALUE_AT, 4);
  }

  private writeAddress(endpoint: Endpoint): number {
    const record = new Uint8Array(ENDPOINT_SIZE);
    writeEndpoint(endpoint, record, 0);
    return encodeSockaddr(record, 0, this.bytes, ADDRESS_AT);
  }
}

/** For calls whose failure is a fault of the test or the machine. */
export function must(result: number, what: string): number {
  if (result < 0 && result !== -EINPROGRESS) throw new Error(`${what}: ${errnoName(result)}`);
  return result;
}

let shared: Sockets | undefined;

/** The one set of this process, made when it is first needed. */
export function sockets(): Sockets {
  return (shared ??= new Sockets());
}
