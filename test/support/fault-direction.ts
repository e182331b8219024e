/** One direction of a connection through the fault proxy: what it does to a stream, piece by piece. */
import { EAGAIN } from '../../src/base/errno.ts';
import { Prng } from '../../src/base/prng.ts';
import { FAILED, HUNG_UP, READABLE, reactor, WRITABLE, type Watched } from './reactor.ts';
import { sockets } from './sockets.ts';

/** What may happen to a direction. All of it may be changed while bytes are on their way. */
export interface Faults {
  /** Everything arrives this much later. */
  latencyMs: number;
  /** ... and each piece up to this much later still, drawn for it; the order is kept. */
  jitterMs: number;
  /** 0: no limit. */
  bytesPerSecond: number;
  /** Pieces of 1 to so many bytes, each in a send of its own. 0: as they come. */
  sliceBytes: number;
  /** Rest between two slices. */
  sliceGapMs: number;
  /** After so many bytes the stream ends in an orderly way, and what follows is swallowed. */
  limitBytes: number;
  /** After so many bytes both ends get RST. */
  resetBytes: number;
  /** Nothing is taken and nothing passed on. */
  stall: boolean;
  /** The end of the stream arrives this much later than its last byte. */
  closeDelayMs: number;
  /** One byte of so many, on average, arrives changed. 0: none. */
  corruptEvery: number;
}

export const NO_FAULTS: Readonly<Faults> = {
  latencyMs: 0,
  jitterMs: 0,
  bytesPerSecond: 0,
  sliceBytes: 0,
  sliceGapMs: 0,
  limitBytes: Infinity,
  resetBytes: Infinity,
  stall: false,
  closeDelayMs: 0,
  corruptEvery: 0,
};

/** Without slicing, pieces end at multiples of this, so that jitter is drawn for the same pieces in every run. */
const PIECE_BYTES = 16 * 1024;
/** What a direction holds at most before it stops reading. */
const ROOM_BYTES = 1 << 20;
const READ_BYTES = 64 * 1024;
/** Bytes a limited direction may send at once after a rest, as time of its rate. */
const BURST_MS = 20;

/** One end of a proxied connection: its descriptor, and what the kernel has said about it. */
export class Side implements Watched {
  isOpen = true;
  isConnected: boolean;
  /** The kernel has told of an error, such as a reset. */
  isFailed = false;
  isReadable = false;
  isWritable: boolean;
  readonly fd: number;
  private isWatched = true;
  private interest: number;

  constructor(fd: number, isConnected: boolean) {
    this.fd = fd;
    this.isConnected = isConnected;
    this.isWritable = isConnected;
    this.interest = isConnected ? READABLE : READABLE | WRITABLE;
    reactor().add(fd, this.interest, this);
  }

  onEvents(events: number): void {
    const isGone = (events & (FAILED | HUNG_UP)) !== 0;
    if ((events & FAILED) !== 0) this.isFailed = true;
    if (isGone || (events & READABLE) !== 0) this.isReadable = true;
    if (isGone || (events & WRITABLE) !== 0) this.isWritable = this.isConnected = true;
    // Said again for as long as anybody listens, and there is nothing more to hear.
    if (isGone) this.unwatch();
    else this.refresh();
  }

  /** Listens for what is not known yet, and for nothing else. */
  refresh(): void {
    if (!this.isWatched) return;
    const interest = (this.isReadable ? 0 : READABLE) | (this.isWritable ? 0 : WRITABLE);
    if (interest === this.interest) return;
    this.interest = interest;
    reactor().change(this.fd, interest);
  }

  reset(): void {
    if (this.leave()) sockets().reset(this.fd);
  }

  close(): void {
    if (this.leave()) sockets().close(this.fd);
  }

  private leave(): boolean {
    const wasOpen = this.isOpen;
    this.unwatch();
    this.isOpen = false;
    return wasOpen;
  }

  private unwatch(): void {
    if (this.isWatched) reactor().remove(this.fd);
    this.isWatched = false;
  }
}

interface Piece {
  bytes: Buffer;
  dueMs: number;
}

export class Direction {
  /** Bytes passed on so far. */
  sent = 0;
  /** The end of the stream has been passed on. */
  isEnded = false;
  /** One of its sides is gone, or a reset is due: both have to be reset. */
  isBroken = false;
  /** Lengths of the pieces so far, in order: what the seed has decided. */
  readonly cuts: number[] = [];
  /** Where bytes were changed. */
  readonly damaged: number[] = [];
  private readonly from: Side;
  private readonly to: Side;
  private readonly faults: Faults;
  private readonly slicer: Prng;
  private readonly jitter: Prng;
  private readonly damage: Prng;
  private readonly queue: Piece[] = [];
  private queued = 0;
  private taken = 0;
  /** How the incoming stream ended, once it has. */
  private ending: 'end' | 'abort' | undefined;
  private endMs = 0;
  /** End of the piece that is being filled. */
  private cutAt = 0;
  private pieceDelayMs = 0;
  private damageAt = -1;
  private lastDueMs = 0;
  private restUntilMs = 0;
  private allowance = 0;
  private allowedMs = 0;

  constructor(from: Side, to: Side, faults: Faults, seed: number) {
    this.from = from;
    this.to = to;
    this.faults = faults;
    this.slicer = new Prng(seed);
    this.jitter = new Prng(seed + 1);
    this.damage = new Prng(seed + 2);
  }

  step(nowMs: number): void {
    if (this.faults.stall || this.isBroken) return;
    // Who has ended its stream can still reset: no receive will tell.
    if (this.ending === 'end' && this.from.isFailed) this.isBroken = true;
    if (this.from.isOpen) this.read(nowMs);
    if (this.to.isOpen && this.to.isConnected) this.write(nowMs);
  }

  private read(nowMs: number): void {
    while (this.ending === undefined && this.from.isReadable && this.queued < ROOM_BYTES) {
      const count = sockets().receive(this.from.fd, READ_BYTES);
      if (count === -EAGAIN) this.from.isReadable = false;
      else if (count > 0) this.take(Buffer.from(sockets().scratch.subarray(0, count)), nowMs);
      else this.ended(count === 0 ? 'end' : 'abort', nowMs);
    }
  }

  private ended(how: 'end' | 'abort', nowMs: number): void {
    this.ending = how;
    this.endMs =
      Math.max(nowMs + this.faults.latencyMs, this.lastDueMs) + (how === 'end' ? this.faults.closeDelayMs : 0);
  }

  /** Cuts what came into pieces at the places the seed has chosen. */
  private take(bytes: Buffer, nowMs: number): void {
    this.corrupt(bytes);
    for (let at = 0; at < bytes.length;) {
      if (this.taken === this.cutAt) this.nextCut();
      const length = Math.min(bytes.length - at, this.cutAt - this.taken);
      const dueMs = Math.max(nowMs + this.pieceDelayMs, this.lastDueMs);
      this.lastDueMs = dueMs;
      this.queue.push({ bytes: bytes.subarray(at, at + length), dueMs });
      this.queued += length;
      this.taken += length;
      at += length;
    }
  }

  private nextCut(): void {
    const { sliceBytes, latencyMs, jitterMs } = this.faults;
    const length = sliceBytes > 0 ? this.slicer.between(1, sliceBytes) : PIECE_BYTES - (this.taken % PIECE_BYTES);
    this.cutAt = this.taken + length;
    this.cuts.push(length);
    this.pieceDelayMs = latencyMs + (jitterMs > 0 ? this.jitter.below(jitterMs + 1) : 0);
  }

  private corrupt(bytes: Buffer): void {
    const { corruptEvery } = this.faults;
    if (corruptEvery === 0) return;
    const end = this.taken + bytes.length;
    if (this.damageAt < this.taken) this.damageAt = this.taken + this.damage.below(corruptEvery * 2);
    while (this.damageAt < end) {
      const at = this.damageAt - this.taken;
      bytes[at] ^= this.damage.between(1, 255);
      this.damaged.push(this.damageAt);
      this.damageAt += 1 + this.damage.below(corruptEvery * 2);
    }
  }

  private write(nowMs: number): void {
    this.allow(nowMs);
    for (let head = this.queue[0]; head !== undefined; head = this.queue[0]) {
      if (head.dueMs > nowMs || this.restUntilMs > nowMs || !this.to.isWritable) return;
      const wanted = Math.min(head.bytes.length, Math.floor(this.allowance), this.untilReset);
      if (wanted === 0) break;
      if (!this.send(head, wanted)) return;
      if (head.bytes.length > 0) continue;
      this.queue.shift();
      if (this.faults.sliceBytes > 0) this.restUntilMs = nowMs + this.faults.sliceGapMs;
    }
    if (this.untilReset === 0) this.isBroken = true;
    else if (this.queue.length === 0) this.finish(nowMs);
  }

  /** Sends a part of the first piece, or swallows it. @returns whether the kernel took it. */
  private send(head: Piece, wanted: number): boolean {
    const room = Math.max(0, this.faults.limitBytes - this.sent);
    const count = room === 0 ? wanted : sockets().send(this.to.fd, head.bytes.subarray(0, Math.min(wanted, room)));
    if (count === -EAGAIN) {
      this.to.isWritable = false;
      return false;
    }
    if (count < 0) {
      this.isBroken = true;
      return false;
    }
    head.bytes = head.bytes.subarray(count);
    this.queued -= count;
    this.allowance -= count;
    if (room > 0) this.sent += count;
    if (this.sent >= this.faults.limitBytes) this.end();
    return true;
  }

  private finish(nowMs: number): void {
    if (this.sent >= this.faults.limitBytes) this.end();
    if (this.ending === undefined || nowMs < this.endMs) return;
    if (this.ending === 'abort') this.isBroken = true;
    else this.end();
  }

  private end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    sockets().endWriting(this.to.fd);
  }

  private get untilReset(): number {
    return Math.max(0, this.faults.resetBytes - this.sent);
  }

  /** Renews what a limited direction may send. */
  private allow(nowMs: number): void {
    const { bytesPerSecond } = this.faults;
    if (bytesPerSecond === 0) {
      this.allowance = Infinity;
    } else {
      const most = Math.ceil((bytesPerSecond * BURST_MS) / 1000);
      const gain = this.allowedMs === 0 ? 0 : ((nowMs - this.allowedMs) * bytesPerSecond) / 1000;
      const had = Number.isFinite(this.allowance) ? this.allowance : 0;
      this.allowance = Math.min(most, had + gain);
    }
    this.allowedMs = nowMs;
  }
}
