/** The simulated network as the far side of the loop: what real-net.ts is to the kernel. */
import {
  ENDPOINT_KIND,
  ENDPOINT_SIZE,
  KIND_IPV4,
  KIND_IPV6,
  KIND_UNIX,
  PEER_SIZE,
  writeEndpoint,
} from '../../src/base/endpoint.ts';
import { EAGAIN } from '../../src/base/errno.ts';
import { Prng } from '../../src/base/prng.ts';
import type { Net, Peer, PeerListener, PeerOptions, PeerRead, PeerServer } from '../../src/loop/conformance/net.ts';
import type { LoopOptions } from '../../src/loop/loop.ts';
import { addressKey } from '../../src/sim/address.ts';
import { SimClock } from '../../src/sim/clock.ts';
import { type FaultName, faultIndex, Faults } from '../../src/sim/faults.ts';
import { SimLoop } from '../../src/sim/loop.ts';
import { SimNet } from '../../src/sim/net.ts';
import { SOCK_CONNECTING, type Sock } from '../../src/sim/sock.ts';

const DESCRIPTORS_MAX = 100_000;
/** Loopback is quick; a settle lasts longer than any way there and back. */
const LATENCY_HIGH_US = 50;
const SETTLE_US = 1000;
/** Window and send buffer of each direction are half of it. */
const RING_SIZE = 1 << 18;
const BACKLOG = 4096;
const READ_MAX = 1 << 20;

export interface SimNetOptions {
  readonly seed: number;
  /** Chance of each fault that shall fire, of FAULT_ONE; all others are off. */
  readonly faults?: Readonly<Partial<Record<FaultName, number>>>;
}

interface Closable {
  close(): void;
}

export class SimNetDriver implements Net {
  readonly net: SimNet;
  private readonly clock = new SimClock(1_000_000);
  private readonly prng: Prng;
  private readonly faults: Faults;
  private readonly open = new Set<Closable>();
  private readonly wakes = new Set<Closable>();
  private loop: SimLoop | undefined;
  private addresses = 0;

  constructor({ seed, faults = {} }: SimNetOptions) {
    this.prng = new Prng(seed);
    this.faults = new Faults(this.prng);
    for (const [name, weight] of Object.entries(faults)) this.faults.weight[faultIndex(name as FaultName)] = weight;
    this.net = new SimNet(this.clock, this.prng, this.faults, {
      latencyLowUs: 0,
      latencyHighUs: LATENCY_HIGH_US,
      ringSize: RING_SIZE,
      bufferLow: RING_SIZE / 2,
    });
  }

  /** Makes the loop whose far side this is. */
  makeLoop(options: LoopOptions): SimLoop {
    this.loop = new SimLoop(this.clock, this.net, this.prng, this.faults, {
      ...options,
      smallSize: 16_384,
      pipeCount: 3,
      descriptorLimit: DESCRIPTORS_MAX,
    });
    return this.loop;
  }

  listen(kind: number): PeerListener {
    const endpoint = this.nextEndpoint(kind);
    const loop = this.theLoop();
    const inner = this.net.listen(addressKey(endpoint, 0), kind === KIND_UNIX, BACKLOG, null);
    const fd = loop.adoptListener(inner);
    const close = () => {
      loop.descriptors.close(loop.descriptors.find(fd)!);
      this.net.unlisten(inner);
    };
    const listener = { fd, endpoint, close };
    this.open.add(listener);
    return listener;
  }

  closeListener(listener: PeerListener): void {
    // Every listener of ours knows how to close itself; the interface just does not say so.
    this.end(listener as PeerListener & Closable);
  }

  serve(kind: number, options: PeerOptions = {}): PeerServer {
    const endpoint = this.nextEndpoint(kind);
    const listener = this.net.listen(addressKey(endpoint, 0), kind === KIND_UNIX, BACKLOG, null);
    listener.window = options.receiveBuffer ?? 0;
    const server = { close: () => this.net.unlisten(listener) };
    this.open.add(server);
    return {
      endpoint,
      accept: () => {
        const sock = this.net.accept(listener, null);
        return sock === undefined ? undefined : this.peer(sock);
      },
      close: () => this.end(server),
    };
  }

  refusing(kind: number): Uint8Array {
    return this.nextEndpoint(kind);
  }

  silent(): Uint8Array {
    const endpoint = this.nextEndpoint(KIND_IPV4);
    const listener = this.net.listen(addressKey(endpoint, 0), false, BACKLOG, null);
    listener.isBlackHole = true;
    this.open.add({ close: () => this.net.unlisten(listener) });
    return endpoint;
  }

  connect(endpoint: Uint8Array, options: PeerOptions = {}): Peer {
    const kind = endpoint[ENDPOINT_KIND]!;
    const sock = this.net.openSock(kind === KIND_UNIX, null);
    if (kind === KIND_UNIX) sock.address[ENDPOINT_KIND] = KIND_UNIX;
    else sock.address.set(this.nextEndpoint(kind).subarray(0, PEER_SIZE));
    if (options.receiveBuffer !== undefined) sock.inbound.window = options.receiveBuffer;
    this.net.connect(sock, addressKey(endpoint, 0));
    // As on loopback, where the handshake is over before the call returns.
    const until = this.clock.nowUs + SETTLE_US;
    while (sock.state === SOCK_CONNECTING && !sock.isDead && this.clock.step(until));
    return this.peer(sock);
  }

  settle(): void {
    const until = this.clock.nowUs + SETTLE_US;
    while (this.clock.step(until));
    this.clock.nowUs = until;
  }

  limitDescriptors(spare: number): void {
    const { descriptors } = this.theLoop();
    descriptors.limit = DESCRIPTORS_MAX;
    if (spare < 0) return;
    // The limit is on the number, so the gaps below it count.
    let end = 3;
    for (let free = 0; free < spare || descriptors.find(end) !== undefined; end++) {
      if (descriptors.find(end) === undefined) free++;
    }
    descriptors.limit = end;
  }

  openDescriptors(): number {
    // A listener of the loop is in both.
    const own = [...this.open].filter((entry) => !('fd' in entry)).length;
    return own + (this.loop?.descriptors.count ?? 0);
  }

  createWake(): { readonly fd: number; wake(): void; close(): void } {
    const entry = { close: () => undefined };
    this.open.add(entry);
    this.wakes.add(entry);
    return { fd: -1, wake: () => this.theLoop().wake(), close: () => this.end(entry) };
  }

  closePeers(): void {
    for (const entry of this.open) if (!this.wakes.has(entry)) this.end(entry);
    this.settle();
    if (this.net.open > 0) throw new Error(`${this.net.open} sockets are open in the end`);
  }

  closeAll(): void {
    for (const entry of this.open) this.end(entry);
  }

  private theLoop(): SimLoop {
    if (this.loop === undefined) throw new Error('the loop is made before it is used');
    return this.loop;
  }

  private peer(sock: Sock): Peer {
    const peer = new SimPeer(this.net, sock, () => this.open.delete(peer));
    this.open.add(peer);
    return peer;
  }

  private end(entry: Closable): void {
    if (this.open.delete(entry)) entry.close();
  }

  private nextEndpoint(kind: number): Uint8Array {
    const endpoint = new Uint8Array(ENDPOINT_SIZE);
    const number = 1 + this.addresses++;
    if (kind === KIND_UNIX) writeEndpoint({ kind, path: `/sim/${number}` }, endpoint, 0);
    else if (kind === KIND_IPV6) {
      const ip = new Uint8Array(16);
      ip[15] = 1;
      writeEndpoint({ kind, ip, port: number, scope: 0 }, endpoint, 0);
    } else writeEndpoint({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: number }, endpoint, 0);
    return endpoint;
  }
}

class SimPeer implements Peer {
  readonly address: Uint8Array;
  private readonly net: SimNet;
  private readonly sock: Sock;
  private readonly forget: () => void;
  private isClosed = false;

  constructor(net: SimNet, sock: Sock, forget: () => void) {
    this.net = net;
    this.sock = sock;
    // The socket is used again when it is closed.
    this.address = sock.address.slice();
    this.forget = forget;
  }

  write(bytes: Uint8Array): number {
    const result = this.net.send(this.sock, bytes, 0, bytes.length);
    return result === -EAGAIN ? 0 : result;
  }

  read(max: number): PeerRead {
    const bytes = new Uint8Array(Math.min(max, READ_MAX, Math.max(1, this.sock.inbound.readable)));
    const result = this.net.recv(this.sock, bytes, 0, bytes.length);
    if (result > 0) return bytes.subarray(0, result);
    // A death without an error, because a send was told of it, is no end.
    if (result === 0) return this.sock.isFinArrived ? 'eof' : 'reset';
    return result === -EAGAIN ? 'empty' : 'reset';
  }

  shutdown(): void {
    this.net.shutdown(this.sock);
  }

  reset(): void {
    this.finish(true);
  }

  close(): void {
    this.finish(false);
  }

  private finish(isAbort: boolean): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.net.close(this.sock, isAbort);
    this.forget();
  }
}
