/**
 * One end of a stream, client or server: sends its own stretch of the pattern, checks each byte that it receives, and
 * notes how the other end went: orderly, by reset, or not at all.
 */
import { EAGAIN, EINPROGRESS, errnoName } from '../../src/base/errno.ts';
import type { Endpoint } from '../../src/base/endpoint.ts';
import { isPattern, patternOffset, PIECE_MAX } from './pattern.ts';
import { FAILED, HUNG_UP, READABLE, reactor, WRITABLE, type Tick, type Watched } from './reactor.ts';
import { SCRATCH_BYTES, sockets, type SocketOptions } from './sockets.ts';

/** Bytes one peer moves per event in each direction, so that all peers get their turn. */
const SHARE_BYTES = 4 << 20;
/** `ending` of a stream that was ended by its sender. */
export const ENDED = 'end';

let lastKey = 0;
const open = new Set<Peer>();

export class Peer implements Watched {
  /** Which stream it sends. */
  key = ++lastKey;
  /** Which stream it must receive; unset: anything. */
  inKey: number | undefined;
  received = 0;
  sent = 0;
  /** How its incoming stream ended: empty while it has not, ENDED, or the error's name. */
  ending = '';
  /** The error that stopped its outgoing stream. */
  failure = '';
  isConnected: boolean;
  /** Its descriptor is still open. */
  isOpen = true;
  /** The kernel has said that the connection is dead in both directions. */
  isHungUp = false;
  /** Most bytes of one receive, and of one send. */
  readChunk = SCRATCH_BYTES;
  writeChunk = 256 * 1024;
  /** Called when something has happened to it. */
  onChange: ((peer: Peer) => void) | undefined;
  readonly fd: number;
  private goal = 0;
  private isEnding = false;
  private isEnded = false;
  private isPaused = false;
  private isDetached = false;
  private pace: Tick | undefined;
  private interest: number;

  constructor(fd: number, isConnected: boolean) {
    this.fd = fd;
    this.isConnected = isConnected;
    this.interest = isConnected ? READABLE : WRITABLE;
    open.add(this);
    reactor().add(fd, this.interest, this);
  }

  /** Connects; whether that worked is seen later in `isConnected` or `ending`. */
  static connect(to: Endpoint, options: SocketOptions = {}): Peer {
    const { fd, result } = sockets().connect(to, options);
    const peer = new Peer(fd, result === 0);
    if (result < 0 && result !== -EINPROGRESS) peer.failed(-result);
    return peer;
  }

  /** Closes whatever a test has left open. */
  static closeAll(): void {
    for (const peer of open) peer.reset();
  }

  /** Bytes that `send` was asked for. */
  get asked(): number {
    return this.goal;
  }

  /** Everything asked for is with the kernel. */
  get isFlushed(): boolean {
    return this.sent === this.goal && this.isEnding === this.isEnded;
  }

  /** Sends that many more bytes of its stream. */
  send(length: number): void {
    this.goal += length;
    this.flush();
  }

  /** Ends its stream after what was asked for is sent. */
  end(): void {
    this.isEnding = true;
    this.flush();
  }

  /** Stops reading: its window closes when the buffers are full. */
  pause(): void {
    this.isPaused = true;
    this.refresh();
  }

  resume(): void {
    this.isPaused = false;
    this.refresh();
  }

  /** Reads no faster than that many bytes a second. */
  readAtPace(bytesPerSecond: number, chunk: number): void {
    this.setPace(undefined);
    const startMs = performance.now();
    const before = this.received;
    this.setPace((nowMs) => {
      const due = before + ((nowMs - startMs) / 1000) * bytesPerSecond;
      const had = this.received;
      while (this.received + chunk <= due && this.readOnce(chunk) > 0);
      if (this.received > had || this.ending !== '') this.onChange?.(this);
    });
  }

  /** Reads as fast as it can again. */
  readFreely(): void {
    this.setPace(undefined);
  }

  /** Goes at once: the peer gets RST. */
  reset(): void {
    if (!this.isOpen) return;
    this.leave();
    sockets().reset(this.fd);
  }

  /** Closes as programs do. The kernel makes a reset of it when received bytes lie unread. */
  close(): void {
    if (!this.isOpen) return;
    this.leave();
    sockets().close(this.fd);
  }

  onEvents(events: number): void {
    if (!this.isConnected) this.connected();
    const isGone = (events & (FAILED | HUNG_UP)) !== 0;
    if (isGone) this.isHungUp = true;
    if (this.isOpen && this.reads && (events & (READABLE | FAILED | HUNG_UP)) !== 0) this.read();
    if (this.isOpen && (events & (WRITABLE | FAILED)) !== 0) this.flush();
    this.onChange?.(this);
    if (!this.isOpen) return;
    // The kernel repeats this as long as anybody listens, and there is nothing more to hear.
    if (isGone && !this.reads && !this.writes) this.detach();
  }

  describe(): string {
    const state = [this.isOpen ? 'open' : 'closed', this.ending || 'not ended', this.failure || 'no failure'];
    return `peer ${this.key}: sent ${this.sent} of ${this.goal}, received ${this.received}, ${state.join(', ')}`;
  }

  private get reads(): boolean {
    return this.isConnected && !this.isPaused && this.ending === '' && this.pace === undefined;
  }

  private get writes(): boolean {
    return !this.isConnected || (this.failure === '' && !this.isFlushed);
  }

  private connected(): void {
    const error = sockets().takeError(this.fd);
    if (error === 0) this.isConnected = true;
    else this.failed(error);
  }

  private failed(errno: number): void {
    this.ending = errnoName(errno);
    this.failure = this.ending;
    this.close();
  }

  private read(): void {
    for (let share = SHARE_BYTES; share > 0;) {
      const count = this.readOnce(this.readChunk);
      if (count <= 0 || this.readChunk < SCRATCH_BYTES) return;
      share -= count;
    }
  }

  private readOnce(max: number): number {
    if (!this.isOpen || !this.isConnected || this.ending !== '') return 0;
    const count = sockets().receive(this.fd, max);
    if (count === -EAGAIN) return 0;
    if (count > 0) this.take(sockets().scratch.subarray(0, count));
    else this.ending = this.endingOf(count);
    if (count <= 0) this.refresh();
    return count;
  }

  /**
   * A reset is told once: a send that hears of it first leaves an end of stream for the receive. It is told as EPIPE
   * when the stream had ended before, so ECONNRESET means that it had not. @source Linux, tcp_reset()
   */
  private endingOf(result: number): string {
    if (result < 0) return errnoName(result);
    return this.failure === 'ECONNRESET' ? this.failure : ENDED;
  }

  private take(bytes: Buffer): void {
    if (this.inKey !== undefined && !isPattern(bytes, this.inKey, this.received)) {
      throw new Error(`stream ${this.inKey} is damaged after ${this.received} bytes, within ${bytes.length}`);
    }
    this.received += bytes.length;
  }

  private flush(): void {
    if (!this.isOpen || !this.isConnected) return;
    for (let share = SHARE_BYTES; share > 0 && this.sent < this.goal && this.failure === '';) {
      const length = Math.min(this.goal - this.sent, this.writeChunk, PIECE_MAX);
      const count = sockets().sendPattern(this.fd, patternOffset(this.key, this.sent), length);
      if (count === -EAGAIN) break;
      if (count < 0) this.failure = errnoName(count);
      else this.sent += count;
      share -= this.writeChunk < PIECE_MAX / 8 ? SHARE_BYTES : count;
    }
    if (this.isEnding && !this.isEnded && this.sent === this.goal) {
      this.isEnded = true;
      sockets().endWriting(this.fd);
    }
    this.refresh();
  }

  private setPace(pace: Tick | undefined): void {
    if (this.pace) reactor().removeTick(this.pace);
    this.pace = pace;
    if (pace) reactor().addTick(pace);
    this.refresh();
  }

  /** Tells the reactor what this peer waits for now. */
  private refresh(): void {
    if (!this.isOpen) return;
    const interest = (this.reads ? READABLE : 0) | (this.writes ? WRITABLE : 0);
    if (this.isDetached) {
      if (interest === 0) return;
      this.isDetached = false;
      this.interest = interest;
      reactor().add(this.fd, interest, this);
    } else if (interest !== this.interest) {
      this.interest = interest;
      reactor().change(this.fd, interest);
    }
  }

  private detach(): void {
    if (this.isDetached) return;
    this.isDetached = true;
    reactor().remove(this.fd);
  }

  private leave(): void {
    if (this.pace) reactor().removeTick(this.pace);
    this.detach();
    this.isOpen = false;
    open.delete(this);
  }
}
