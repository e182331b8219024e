/**
 * The simulated network: listeners, streams, and what Linux does when they end badly.
 *
 * Modelled on purpose: bounded send buffers and windows, latency, FIN behind the bytes, RST that throws away what
 * is in flight but leaves what the receiver's kernel already has, a close with unread bytes that becomes an RST, a
 * write to a closed peer that is answered by one, an error that is reported once (sk_err), EPIPE against
 * ECONNRESET, SYNs dropped by a full backlog and sent again, unix sockets that connect at once or not at all.
 *
 * @source net/ipv4/tcp.c, tcp_input.c (tcp_reset, tcp_fin), af_unix.c for the order of checks
 */
import { assert } from '../base/assert.ts';
import { EAGAIN, ECONNREFUSED, ECONNRESET, EINPROGRESS, ENOTCONN, EPIPE, ETIMEDOUT } from '../base/errno.ts';
import type { Prng } from '../base/prng.ts';
import type { EventSink, SimClock } from './clock.ts';
import { faultIndex, type Faults } from './faults.ts';
import {
  SimListener,
  SOCK_CONNECTING,
  SOCK_FREE,
  SOCK_NEW,
  SOCK_OPEN,
  Sock,
  type ListenerOwner,
  type SockOwner,
} from './sock.ts';

const EV_ARRIVE = 0;
const EV_RESET = 1;
const EV_SYN = 2;
const EV_ESTABLISHED = 3;
const EV_REFUSED = 4;
const EV_TIMED_OUT = 5;

/** When a connect without any answer fails: the sum of Linux's SYN retries. */
const CONNECT_GIVE_UP_US = 127_000_000;

const F_REFUSED = faultIndex('net.refused');
const F_BLACK_HOLE = faultIndex('net.black-hole');
const F_BACKLOG_FULL = faultIndex('net.backlog-full');
const F_UNIX_FULL = faultIndex('net.unix-full');
const F_SLOW_CONNECT = faultIndex('net.slow-connect');
const F_RESET_DATA_LOST = faultIndex('net.reset-data-lost');
const F_CLOSE_UNREAD = faultIndex('net.close-unread');
const F_WRITE_TO_CLOSED = faultIndex('net.write-to-closed');
const F_WINDOW_FULL = faultIndex('net.window-full');

export interface NetOptions {
  /** Bytes of a ring, a power of two; a stream's window and send buffer together fit in it. */
  readonly ringSize: number;
  /** One-way latency: between low and high, in microseconds. */
  readonly latencyLowUs: number;
  readonly latencyHighUs: number;
  /** Draws the window and the send buffer of a new stream between `bufferLow` and ringSize / 2. */
  readonly bufferLow: number;
}

export class SimNet implements EventSink {
  /** Sockets in use, on either side: 0 at the end of a run. */
  open = 0;
  private readonly clock: SimClock;
  private readonly prng: Prng;
  private readonly faults: Faults;
  private readonly options: NetOptions;
  private readonly sink: number;
  private readonly socks: Sock[] = [];
  private readonly free: Sock[] = [];
  private readonly listeners = new Map<number, SimListener>();

  constructor(clock: SimClock, prng: Prng, faults: Faults, options: NetOptions) {
    this.clock = clock;
    this.prng = prng;
    this.faults = faults;
    this.options = options;
    this.sink = clock.register(this);
  }

  /** Starts to listen on an address key. */
  listen(key: number, isUnix: boolean, backlog: number, owner: ListenerOwner | null): SimListener {
    assert(!this.listeners.has(key), 'an address has one listener');
    const listener = new SimListener(key, isUnix, backlog);
    listener.owner = owner;
    this.listeners.set(key, listener);
    return listener;
  }

  /** Stops listening: later connects are refused, waiting connections are reset. */
  unlisten(listener: SimListener): void {
    this.listeners.delete(listener.key);
    for (const sock of listener.queue) this.close(sock, true);
    listener.queue.length = 0;
  }

  /** A socket that is not yet connected. */
  openSock(isUnix: boolean, owner: SockOwner | null): Sock {
    const sock = this.allocate();
    sock.begin(SOCK_NEW, isUnix);
    sock.owner = owner;
    sock.inbound.reset(this.drawBuffer(), this.drawBuffer());
    return sock;
  }

  /** Starts to connect: 0 when it stands at once (unix), -EINPROGRESS, -EAGAIN (unix, backlog full) or -errno. */
  connect(sock: Sock, key: number): number {
    assert(sock.state === SOCK_NEW, 'a socket connects once');
    sock.target = key;
    const listener = this.listeners.get(key);
    if (sock.isUnix) {
      if (listener === undefined) {
        this.faults.note(F_REFUSED);
        return -ECONNREFUSED;
      }
      if (listener.queue.length > listener.backlog) {
        this.faults.note(F_UNIX_FULL);
        return -EAGAIN;
      }
      this.establish(sock, listener);
      sock.state = SOCK_OPEN;
      return 0;
    }
    sock.state = SOCK_CONNECTING;
    let delayUs = this.latency();
    if (listener !== undefined && listener.delayUs > 0) {
      this.faults.note(F_SLOW_CONNECT);
      delayUs += listener.delayUs;
    }
    this.clock.after(delayUs, this.sink, EV_SYN, sock.index, sock.generation);
    return -EINPROGRESS;
  }

  /** Takes the connection that has waited longest. */
  accept(listener: SimListener, owner: SockOwner | null): Sock | undefined {
    const sock = listener.queue.shift();
    if (sock !== undefined) sock.owner = owner;
    return sock;
  }

  /** Bytes read, 0 at the end, or -errno; -EAGAIN when there is nothing. */
  recv(sock: Sock, target: Uint8Array, offset: number, length: number): number {
    const inbound = sock.inbound;
    const readable = inbound.arrived - inbound.head;
    if (readable > 0) {
      const count = Math.min(readable, length);
      inbound.read(target, offset, count);
      if (sock.isInner) sock.moves(this.clock.nowUs);
      this.windowOpened(sock);
      return count;
    }
    if (sock.isFinArrived) return 0;
    if (sock.error !== 0) return -this.takeError(sock);
    if (sock.isDead) return 0;
    return -EAGAIN;
  }

  /** Reads `length` (<= readable) bytes and tells whether they are those of `expected` at `offset`. */
  recvMatches(sock: Sock, expected: Uint8Array, offset: number, length: number): boolean {
    const isSame = sock.inbound.matches(expected, offset, length);
    this.windowOpened(sock);
    return isSame;
  }

  /** What `recv` would return with room for one byte, taking nothing: 1 for bytes. Does not consume an error. */
  peek(sock: Sock): number {
    if (sock.inbound.readable > 0) return 1;
    if (sock.isFinArrived) return 0;
    if (sock.error !== 0) return -sock.error;
    return sock.isDead ? 0 : -EAGAIN;
  }

  /** Bytes taken, or -errno; -EAGAIN when there is no room. */
  send(sock: Sock, source: Uint8Array, offset: number, length: number): number {
    if (sock.error !== 0) return -this.takeError(sock);
    if (sock.isDead || sock.isWriteShut) return -EPIPE;
    if (sock.state !== SOCK_OPEN) return -EAGAIN;
    const peer = sock.peer as Sock;
    const room = peer.inbound.room;
    if (room <= 0) {
      this.faults.note(F_WINDOW_FULL);
      return -EAGAIN;
    }
    const count = Math.min(room, length);
    peer.inbound.write(source, offset, count);
    this.scheduleArrival(peer);
    return count;
  }

  /** Bytes that can be sent now: for actors that do not want to try. */
  sendRoom(sock: Sock): number {
    if (sock.isDead || sock.isWriteShut || sock.state !== SOCK_OPEN) return 0;
    return Math.max(0, (sock.peer as Sock).inbound.room);
  }

  /** Ends the writing direction: 0 or -ENOTCONN. */
  shutdown(sock: Sock): number {
    if (sock.isDead || sock.state !== SOCK_OPEN) return -ENOTCONN;
    this.shutWrite(sock);
    return 0;
  }

  /** Closes an end. The kernel goes on sending what it has, unless this is an abort or bytes are unread. */
  close(sock: Sock, isAbort: boolean): void {
    assert(!sock.isClosed && sock.state !== SOCK_FREE, 'an end is closed once');
    sock.isClosed = true;
    sock.owner = null;
    const peer = sock.peer;
    if (peer === null) {
      this.freeSock(sock);
      return;
    }
    if (!sock.isDead) {
      const isUnread = sock.inbound.readable > 0;
      if (isUnread && !isAbort) this.faults.note(F_CLOSE_UNREAD);
      if (isAbort || isUnread || sock.state === SOCK_CONNECTING) this.sendReset(sock);
      else this.shutWrite(sock);
    }
    if (peer.isClosed) {
      this.freeSock(sock);
      this.freeSock(peer);
    }
  }

  /** Bytes that the peer's kernel has taken since the connection began. */
  progress(sock: Sock): number {
    return sock.peer === null ? 0 : sock.peer.inbound.arrived;
  }

  /** Bytes sent that the peer's kernel has not taken. */
  unsent(sock: Sock): number {
    return sock.peer === null ? 0 : sock.peer.inbound.unsent;
  }

  fire(kind: number, index: number, generation: number): void {
    const sock = this.socks[index];
    if (sock.generation !== generation) return;
    if (kind === EV_ARRIVE) this.arrive(sock);
    else if (kind === EV_RESET) this.resetArrives(sock);
    else if (kind === EV_SYN) this.synArrives(sock);
    else if (kind === EV_ESTABLISHED) this.established(sock);
    else if (kind === EV_REFUSED) this.connectFails(sock, ECONNREFUSED);
    else this.connectFails(sock, ETIMEDOUT);
  }

  /* ---- connecting ---- */

  private synArrives(sock: Sock): void {
    if (sock.state !== SOCK_CONNECTING || sock.isDead) return;
    const listener = this.listeners.get(sock.target);
    if (listener === undefined) {
      this.faults.note(F_REFUSED);
      this.clock.after(this.latency(), this.sink, EV_REFUSED, sock.index, sock.generation);
      return;
    }
    if (listener.isBlackHole) {
      this.faults.note(F_BLACK_HOLE);
      this.clock.after(CONNECT_GIVE_UP_US, this.sink, EV_TIMED_OUT, sock.index, sock.generation);
      return;
    }
    if (listener.queue.length > listener.backlog) {
      this.faults.note(F_BACKLOG_FULL);
      if (sock.synRetries === 6) this.clock.after(64_000_000, this.sink, EV_TIMED_OUT, sock.index, sock.generation);
      else this.clock.after(1_000_000 * 2 ** sock.synRetries, this.sink, EV_SYN, sock.index, sock.generation);
      sock.synRetries++;
      return;
    }
    this.establish(sock, listener);
    this.clock.after(this.latency(), this.sink, EV_ESTABLISHED, sock.index, sock.generation);
  }

  private establish(sock: Sock, listener: SimListener): void {
    const other = this.allocate();
    other.begin(SOCK_OPEN, sock.isUnix);
    other.inbound.reset(listener.window > 0 ? listener.window : this.drawBuffer(), this.drawBuffer());
    other.address.set(sock.address);
    other.origin = sock.origin;
    other.progressUs = this.clock.nowUs;
    sock.progressUs = this.clock.nowUs;
    other.peer = sock;
    sock.peer = other;
    other.serial = ++listener.established;
    listener.queue.push(other);
    listener.owner?.listenerChanged(listener);
  }

  private established(sock: Sock): void {
    if (sock.state !== SOCK_CONNECTING) return;
    sock.state = SOCK_OPEN;
    sock.owner?.sockChanged(sock);
    if (sock.inbound.unsent > 0 || sock.isFinQueued) this.scheduleArrival(sock);
  }

  private connectFails(sock: Sock, errno: number): void {
    if (sock.state !== SOCK_CONNECTING || sock.isDead) return;
    sock.isDead = true;
    sock.error = errno;
    sock.failure = errno;
    sock.owner?.sockChanged(sock);
  }

  /* ---- bytes ---- */

  private arrive(sock: Sock): void {
    sock.isArriving = false;
    const peer = sock.peer;
    if (peer === null || sock.isDead || sock.state !== SOCK_OPEN) return;
    const inbound = sock.inbound;
    if (sock.isClosed) {
      if (inbound.unsent === 0) return;
      // Nobody can read them any more: the kernel answers with a reset.
      this.faults.note(F_WRITE_TO_CLOSED);
      inbound.dropUnsent();
      this.sendReset(sock);
      return;
    }
    const moved = inbound.arrive();
    if (moved > 0 && !sock.isInner) sock.moves(this.clock.nowUs);
    let isChanged = moved > 0;
    if (sock.isFinQueued && !sock.isFinArrived && inbound.unsent === 0) {
      sock.isFinArrived = true;
      isChanged = true;
    }
    if (isChanged) sock.owner?.sockChanged(sock);
    if (moved > 0) peer.owner?.sockChanged(peer);
  }

  private scheduleArrival(sock: Sock): void {
    if (sock.isArriving || sock.state !== SOCK_OPEN) return;
    sock.isArriving = true;
    this.clock.after(sock.isUnix ? 0 : this.latency(), this.sink, EV_ARRIVE, sock.index, sock.generation);
  }

  private windowOpened(sock: Sock): void {
    if (sock.inbound.unsent > 0 || (sock.isFinQueued && !sock.isFinArrived)) this.scheduleArrival(sock);
  }

  private shutWrite(sock: Sock): void {
    if (sock.isWriteShut) return;
    sock.isWriteShut = true;
    const peer = sock.peer as Sock;
    peer.isFinQueued = true;
    this.scheduleArrival(peer);
  }

  /* ---- resets ---- */

  /** Sends RST: the sender's queue is thrown away, and some of what is under way may still arrive before. */
  private sendReset(sock: Sock): void {
    sock.isDead = true;
    const peer = sock.peer as Sock;
    if (peer.isDead) return;
    if (!peer.isClosed && this.prng.chance(1, 4)) peer.inbound.arrive();
    if (peer.inbound.dropUnsent() > 0) this.faults.note(F_RESET_DATA_LOST);
    if (!peer.isFinArrived) peer.isFinQueued = false;
    this.clock.after(sock.isUnix ? 0 : this.latency(), this.sink, EV_RESET, peer.index, peer.generation);
  }

  private resetArrives(sock: Sock): void {
    if (sock.isDead) return;
    if (sock.state === SOCK_CONNECTING) {
      // The answer to our SYN was sent before it and comes first.
      this.clock.after(this.options.latencyHighUs, this.sink, EV_RESET, sock.index, sock.generation);
      return;
    }
    sock.isDead = true;
    const peer = sock.peer as Sock;
    const isTimeWait = sock.isFinArrived && sock.isWriteShut && peer.inbound.unsent === 0;
    // After the peer's FIN the direction that failed is ours alone, hence EPIPE.
    if (!isTimeWait) sock.error = sock.isFinArrived && !sock.isWriteShut ? EPIPE : ECONNRESET;
    sock.failure = sock.error;
    peer.inbound.dropUnsent();
    sock.owner?.sockChanged(sock);
  }

  private takeError(sock: Sock): number {
    const error = sock.error;
    sock.error = 0;
    return error;
  }

  /* ---- memory ---- */

  private latency(): number {
    const { latencyLowUs, latencyHighUs } = this.options;
    return latencyLowUs + this.prng.below(latencyHighUs - latencyLowUs + 1);
  }

  private drawBuffer(): number {
    const { bufferLow, ringSize } = this.options;
    return bufferLow + this.prng.below(ringSize / 2 - bufferLow + 1);
  }

  private allocate(): Sock {
    this.open++;
    const sock = this.free.pop();
    if (sock !== undefined) return sock;
    const added = new Sock(this.socks.length, this.options.ringSize);
    this.socks.push(added);
    return added;
  }

  private freeSock(sock: Sock): void {
    this.open--;
    sock.state = SOCK_FREE;
    sock.generation = (sock.generation + 1) & 0x7fff_ffff;
    sock.peer = null;
    sock.owner = null;
    this.free.push(sock);
  }
}
