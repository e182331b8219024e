/** The real kernel as the far side of the loop: non-blocking sockets on loopback, driven from the test's own thread. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Fd } from '../../src/base/brand.ts';
import { ENDPOINT_SIZE, KIND_IPV4, KIND_IPV6, KIND_UNIX, PEER_SIZE, writeEndpoint } from '../../src/base/endpoint.ts';
import { EAGAIN, EINPROGRESS, errnoName, ENOTCONN } from '../../src/base/errno.ts';
import type { Ffi } from '../../src/ffi/load.ts';
import { decodePeer, encodeSockaddr, SOCKADDR_SIZE } from '../../src/linux/sockaddr.ts';
import { bindSockets, MSG_NOSIGNAL, SO_REUSEADDR, SOL_SOCKET, type Sockets } from '../../src/linux/sockets.ts';
import type { Net, Peer, PeerListener, PeerOptions, PeerRead, PeerServer } from '../../src/loop/conformance/net.ts';

const SO_RCVBUF = 8;
const RLIMIT_NOFILE = 7;
/** Enough for the suite's thousand connections at once; the kernel cuts it to somaxconn. */
export const BACKLOG = 4096;
const LENGTH_AT = SOCKADDR_SIZE;
const VALUE_AT = LENGTH_AT + 8;
const LIMIT_AT = VALUE_AT + 8;
const BYTES_AT = 4096;
const BYTES_MAX = 1 << 20;

/** Calls with their memory, shared by all peers of one network. */
interface Door {
  readonly ffi: Ffi;
  readonly sockets: Sockets;
  readonly base: number;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
}

export class RealNet implements Net {
  protected readonly door: Door;
  private readonly folder = mkdtempSync(join(tmpdir(), 'loop-'));
  protected readonly open = new Set<{ close(): void }>();
  protected readonly wakes = new Set<{ close(): void }>();
  private paths = 0;
  private limit: { soft: bigint; hard: bigint } | undefined;

  constructor(ffi: Ffi) {
    const memory = ffi.reserve(BYTES_AT + BYTES_MAX);
    this.door = {
      ffi,
      sockets: bindSockets(ffi),
      base: memory.base,
      bytes: new Uint8Array(memory.buffer),
      words: new Int32Array(memory.buffer),
    };
  }

  listen(kind: number): PeerListener {
    const fd = this.bind(kind);
    must(this.door.ffi.libc.listen(fd, BACKLOG), 'listen');
    const listener = { fd, endpoint: this.localOf(fd, kind), close: () => this.door.sockets.closeFd(fd) };
    this.open.add(listener);
    return listener;
  }

  closeListener(listener: PeerListener): void {
    // Every listener of ours knows how to close itself; the interface just does not say so.
    this.end(listener as PeerListener & { close(): void });
  }

  serve(kind: number, options: PeerOptions = {}): PeerServer {
    const fd = this.bind(kind);
    this.setReceiveBuffer(fd, options);
    must(this.door.ffi.libc.listen(fd, BACKLOG), 'listen');
    const endpoint = this.localOf(fd, kind);
    const server = { endpoint, close: () => this.door.sockets.closeFd(fd) };
    this.open.add(server);
    return {
      endpoint,
      accept: () => {
        const address = new Uint8Array(PEER_SIZE);
        const accepted = this.door.sockets.acceptOne(fd, address, 0);
        return accepted === -EAGAIN ? undefined : this.peer(must(accepted, 'accept') as Fd, address);
      },
      close: () => this.end(server),
    };
  }

  refusing(kind: number): Uint8Array {
    // Bound and not listening: nobody else can get the address while the test runs.
    const fd = this.bind(kind);
    this.open.add({ close: () => this.door.sockets.closeFd(fd) });
    return this.localOf(fd, kind);
  }

  silent(): Uint8Array {
    const fd = this.bind(KIND_IPV4);
    must(this.door.ffi.libc.listen(fd, 0), 'listen');
    this.open.add({ close: () => this.door.sockets.closeFd(fd) });
    const endpoint = this.localOf(fd, KIND_IPV4);
    // A full backlog drops further handshakes without a word.
    for (let i = 0; i < 4; i++) this.connect(endpoint);
    return endpoint;
  }

  connect(endpoint: Uint8Array, options: PeerOptions = {}): Peer {
    const { door } = this;
    const kind = endpoint[0] ?? 0;
    const fd = must(door.sockets.openStream(kind, { noDelay: true, keepAlive: false }), 'socket') as Fd;
    this.setReceiveBuffer(fd, options);
    const length = encodeSockaddr(endpoint, 0, door.bytes, 0);
    const result = door.ffi.libc.connect(fd, door.base, length);
    if (result !== -EINPROGRESS) must(result, 'connect');
    return this.peer(fd, this.addressOf(fd));
  }

  settle(): void {
    // Loopback delivers within the sending call, except for what a soft interrupt has put off.
    this.door.ffi.libc.poll(0, 0, 1);
  }

  limitDescriptors(spare: number): void {
    this.limit ??= this.readLimit();
    if (spare < 0) {
      this.setLimit(this.limit.soft);
      return;
    }
    // The limit is on the number, so the gaps below it count.
    let end = 0;
    for (let free = 0; free < spare || this.isOpen(end); end++) if (!this.isOpen(end)) free++;
    this.setLimit(BigInt(end));
  }

  openDescriptors(): number {
    return readdirSync('/proc/self/fd').length;
  }

  createWake(): { readonly fd: number; wake(): void; close(): void } {
    const { door } = this;
    const fd = must(door.ffi.libc.eventfd(0, 0o2004000), 'eventfd') as Fd;
    const entry = { close: () => door.sockets.closeFd(fd) };
    this.open.add(entry);
    this.wakes.add(entry);
    return {
      fd,
      wake: () => {
        door.words[VALUE_AT >> 2] = 1;
        door.words[(VALUE_AT >> 2) + 1] = 0;
        must(door.ffi.libc.write(fd, door.base + VALUE_AT, 8), 'write');
      },
      close: () => this.end(entry),
    };
  }

  closePeers(): void {
    for (const entry of this.open) if (!this.wakes.has(entry)) this.end(entry);
  }

  closeAll(): void {
    if (this.limit !== undefined) this.setLimit(this.limit.soft);
    for (const entry of this.open) this.end(entry);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private peer(fd: Fd, address: Uint8Array): Peer {
    const peer = new RealPeer(this.door, fd, address, () => this.open.delete(peer));
    this.open.add(peer);
    return peer;
  }

  protected end(entry: { close(): void }): void {
    if (this.open.delete(entry)) entry.close();
  }

  protected bind(kind: number): Fd {
    const { door } = this;
    const { libc } = door.ffi;
    const fd = must(door.sockets.openStream(kind, { noDelay: true, keepAlive: false }), 'socket') as Fd;
    const endpoint = new Uint8Array(ENDPOINT_SIZE);
    if (kind === KIND_UNIX) {
      writeEndpoint({ kind, path: join(this.folder, String(this.paths++)) }, endpoint, 0);
    } else if (kind === KIND_IPV4) {
      writeEndpoint({ kind, ip: Uint8Array.of(127, 0, 0, 1), port: 0 }, endpoint, 0);
    } else {
      const ip = new Uint8Array(16);
      ip[15] = 1;
      writeEndpoint({ kind: KIND_IPV6, ip, port: 0, scope: 0 }, endpoint, 0);
    }
    door.words[VALUE_AT >> 2] = 1;
    libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, door.base + VALUE_AT, 4);
    must(libc.bind(fd, door.base, encodeSockaddr(endpoint, 0, door.bytes, 0)), 'bind');
    return fd;
  }

  protected localOf(fd: Fd, kind: number): Uint8Array {
    const endpoint = new Uint8Array(ENDPOINT_SIZE);
    if (kind === KIND_UNIX) writeEndpoint({ kind, path: join(this.folder, String(this.paths - 1)) }, endpoint, 0);
    else endpoint.set(this.addressOf(fd));
    return endpoint;
  }

  private addressOf(fd: Fd): Uint8Array {
    const { door } = this;
    const address = new Uint8Array(PEER_SIZE);
    door.words[LENGTH_AT >> 2] = SOCKADDR_SIZE;
    must(door.ffi.libc.getsockname(fd, door.base, door.base + LENGTH_AT), 'getsockname');
    decodePeer(door.bytes, 0, door.words[LENGTH_AT >> 2]!, address, 0);
    return address;
  }

  private setReceiveBuffer(fd: Fd, options: PeerOptions): void {
    const { door } = this;
    if (options.receiveBuffer === undefined) return;
    door.words[VALUE_AT >> 2] = options.receiveBuffer;
    must(door.ffi.libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, door.base + VALUE_AT, 4), 'setsockopt');
  }

  private isOpen(fd: number): boolean {
    const F_GETFD = 1;
    return this.door.ffi.libc.fcntl(fd, F_GETFD, 0) >= 0;
  }

  private readLimit(): { soft: bigint; hard: bigint } {
    const { door } = this;
    must(door.ffi.libc.getrlimit(RLIMIT_NOFILE, door.base + LIMIT_AT), 'getrlimit');
    const view = new DataView(door.bytes.buffer, LIMIT_AT, 16);
    return { soft: view.getBigUint64(0, true), hard: view.getBigUint64(8, true) };
  }

  private setLimit(soft: bigint): void {
    const { door } = this;
    const view = new DataView(door.bytes.buffer, LIMIT_AT, 16);
    view.setBigUint64(0, soft, true);
    view.setBigUint64(8, this.limit!.hard, true);
    must(door.ffi.libc.setrlimit(RLIMIT_NOFILE, door.base + LIMIT_AT), 'setrlimit');
  }
}

class RealPeer implements Peer {
  readonly address: Uint8Array;
  private readonly door: Door;
  private readonly fd: Fd;
  private readonly forget: () => void;
  private isClosed = false;

  constructor(door: Door, fd: Fd, address: Uint8Array, forget: () => void) {
    this.door = door;
    this.fd = fd;
    this.address = address;
    this.forget = forget;
  }

  write(bytes: Uint8Array): number {
    const { door } = this;
    const length = Math.min(bytes.length, BYTES_MAX);
    door.bytes.set(bytes.subarray(0, length), BYTES_AT);
    const result = door.ffi.libc.send(this.fd, door.base + BYTES_AT, length, MSG_NOSIGNAL);
    return result === -EAGAIN ? 0 : result;
  }

  read(max: number): PeerRead {
    const { door } = this;
    const result = door.ffi.libc.recv(this.fd, door.base + BYTES_AT, Math.min(max, BYTES_MAX), 0);
    if (result > 0) return door.bytes.slice(BYTES_AT, BYTES_AT + result);
    if (result === 0) return 'eof';
    return result === -EAGAIN || result === -ENOTCONN ? 'empty' : 'reset';
  }

  shutdown(): void {
    this.door.sockets.shutdownWrite(this.fd);
  }

  reset(): void {
    this.door.sockets.setAbortOnClose(this.fd);
    this.close();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.door.sockets.closeFd(this.fd);
    this.forget();
  }
}

/** The kernel refusing the test itself is not a result but a broken test. */
export function must(result: number, call: string): number {
  if (result < 0) throw new Error(`${call}: ${errnoName(result)}`);
  return result;
}
