/**
 * Readers that stall: each asks for part of the bulk file and never reads. Their sockets are made by hand, because the
 * size of a segment and of the receive buffer decide how soon a sender has to wait, and Node offers neither.
 */
import { ENDPOINT_SIZE, KIND_IPV4, writeEndpoint } from '../src/base/endpoint.ts';
import { errnoName } from '../src/base/errno.ts';
import { loadFfi, type Ffi } from '../src/ffi/load.ts';
import { AF_INET, encodeSockaddr, SOCKADDR_SIZE } from '../src/linux/sockaddr.ts';
import { IPPROTO_TCP, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET } from '../src/linux/sockets.ts';

/** What each reader asks for: more than its kernel and the balancer's take, so that the balancer has to wait. */
export const CROWD_BYTES = 384 * 1024;
/** Small segments keep the buffers towards a reader small, for the kernel sizes them in segments. */
const SEGMENT = 1000;
const RECEIVE_BUFFER = 4096;

const SO_RCVBUF = 8;
const TCP_MAXSEG = 2;
const TCP_INFO = 11;
const TCP_ESTABLISHED = 1;

const LENGTH_AT = SOCKADDR_SIZE;
const VALUE_AT = LENGTH_AT + 8;
const TEXT_AT = 256;
const MEMORY_BYTES = 4096;

/** Stalled connections to one port. Calls block, which on loopback is a matter of microseconds. */
export class Crowd {
  private readonly ffi: Ffi;
  private readonly base: number;
  private readonly bytes: Uint8Array;
  private readonly words: Int32Array;
  private readonly fds: number[] = [];

  /** @errors throws where the C library cannot be called. */
  constructor() {
    const { ffi, reason } = loadFfi();
    if (!ffi) throw new Error(reason);
    this.ffi = ffi;
    const memory = ffi.reserve(MEMORY_BYTES);
    this.base = memory.base;
    this.bytes = new Uint8Array(memory.buffer);
    this.words = new Int32Array(memory.buffer);
  }

  /** Opens that many more readers. @errors throws with the first failure. */
  gather(port: number, count: number): void {
    const range = `Range: bytes=0-${CROWD_BYTES - 1}`;
    const request = Buffer.from(`GET /big HTTP/1.1\r\nHost: 127.0.0.1\r\n${range}\r\n\r\n`, 'latin1');
    for (let i = 0; i < count; i++) this.open(port, request);
  }

  /** Readers whose connection has ended although nobody asked it to. */
  get lost(): number {
    const { libc } = this.ffi;
    return this.fds.filter((fd) => {
      this.words[LENGTH_AT >> 2] = 1;
      must(libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, this.base + VALUE_AT, this.base + LENGTH_AT), 'TCP_INFO');
      return this.bytes[VALUE_AT] !== TCP_ESTABLISHED;
    }).length;
  }

  /** Closes all of them; unread bytes make resets of it. */
  disperse(): void {
    for (const fd of this.fds) this.ffi.libc.close(fd);
    this.fds.length = 0;
  }

  private open(port: number, request: Uint8Array): void {
    const { libc } = this.ffi;
    const fd = must(libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket');
    this.fds.push(fd);
    this.set(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
    this.set(fd, IPPROTO_TCP, TCP_MAXSEG, SEGMENT);
    const endpoint = new Uint8Array(ENDPOINT_SIZE);
    writeEndpoint({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port }, endpoint, 0);
    const length = encodeSockaddr(endpoint, 0, this.bytes, 0);
    must(libc.connect(fd, this.base, length), 'connect');
    this.bytes.set(request, TEXT_AT);
    must(libc.send(fd, this.base + TEXT_AT, request.length, MSG_NOSIGNAL), 'send');
  }

  private set(fd: number, level: number, name: number, value: number): void {
    this.words[VALUE_AT >> 2] = value;
    must(this.ffi.libc.setsockopt(fd, level, name, this.base + VALUE_AT, 4), 'setsockopt');
  }
}

function must(result: number, what: string): number {
  if (result < 0) throw new Error(`a stalled reader, ${what}: ${errnoName(result)}`);
  return result;
}
