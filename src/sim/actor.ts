/**
 * A client or the server's end of one connection: says its part of the dialogue, checks every byte it hears, and
 * misbehaves as its conduct says.
 */
import { EAGAIN } from '../base/errno.ts';
import { DUMMY_ANSWER } from '../engine/peeking.ts';
import type { Prng } from '../base/prng.ts';
import type { SimClock } from './clock.ts';
import {
  CLIENT_FAULTS,
  FIRST_CLIENT,
  FIRST_SERVER,
  newConduct,
  SERVER_FAULTS,
  TRICK_CLOSE,
  TRICK_NONE,
  TRICK_RESET,
  TRICK_SILENT,
  TRICK_STALL,
  type Conduct,
  type Dialogue,
} from './dialogue.ts';
import { faultIndex, type Faults } from './faults.ts';
import type { SimNet } from './net.ts';
import { HEAD_SIZE, patternAt, patternBytes, patternStart, readHead, RUN_MAX, writeHead } from './pattern.ts';
import type { SimServer } from './server.ts';
import { SOCK_CONNECTING, SOCK_OPEN, type Sock, type SockOwner } from './sock.ts';
import { violate } from './violation.ts';

/** Bytes that servers say to nobody. */
const IDLE_TALK = 3000;
const F_RESET_BEFORE_ACCEPT = faultIndex('client.reset-before-accept');

/** What actors need of the world around them. */
export interface ActorHost {
  readonly clock: SimClock;
  readonly net: SimNet;
  readonly prng: Prng;
  readonly faults: Faults;
  /** Number of the sink that fires steps: `after(delay, stepSink, 0, actor.index, actor.generation)`. */
  readonly stepSink: number;
  /** The actor has read the end of the stream, before it acts on it. */
  sawEof(actor: Actor): void;
  /** The actor has run into a reset. */
  sawReset(actor: Actor): void;
  /** The client's connect failed. */
  wasRefused(actor: Actor): void;
  /** The actor has read the other speaker's name. */
  heard(actor: Actor, speaker: number): void;
  /** The actor is done and may be reused. */
  finished(actor: Actor): void;
}

export interface CloseFacts {
  isClosed: boolean;
  /** All that the actor sent, and its end, had arrived there. */
  hadEnd: boolean;
  /** For servers: the connect had been reported as a success. */
  wasReported: boolean;
  /** How long nothing had moved on either side of the dialogue. */
  idleUs: number;
  /** The deadlines that may have ended the dialogue, ms; 0 for none. */
  idleLowMs: number;
  halfClosedLowMs: number;
}

const head = Buffer.alloc(HEAD_SIZE);

export class Actor implements SockOwner {
  readonly index: number;
  generation = 0;
  isClient = true;
  /** Name of the speaker: dialogue ids for clients, odd numbers above 2^31 for servers. */
  id = 0;
  dialogue: Dialogue | null = null;
  /** The server that accepted it; null for clients. */
  server: SimServer | null = null;
  sock: Sock | null = null;
  readonly conduct: Conduct = newConduct();
  sent = 0;
  received = 0;
  /** Bytes it will send at most: less than its part of the dialogue when it half-closes early. */
  limit = Infinity;
  /** Ended its writing direction in order, all its bytes being sent before. */
  isFinSent = false;
  /** Sent a reset, by abort or by closing with bytes unread. */
  isAborted = false;
  hasEof = false;
  hasReset = false;
  /** When it ended its writing direction and stayed; 0 before. */
  endedUs = 0;
  /** When it left; 0 while it is there. */
  goneUs = 0;
  /** What was true of the socket that stood against it when the process under test closed that socket. */
  readonly facts: CloseFacts = {
    isClosed: false,
    hadEnd: false,
    wasReported: false,
    idleUs: 0,
    idleLowMs: 0,
    halfClosedLowMs: 0,
  };
  private readonly host: ActorHost;
  private start = 0;
  private otherStart = 0;
  private readonly otherHead = Buffer.alloc(HEAD_SIZE);
  private isScheduled = false;
  private isBroken = false;
  private isSilent = false;
  private stalledUntilUs = 0;

  constructor(index: number, host: ActorHost) {
    this.index = index;
    this.host = host;
  }

  get isOpen(): boolean {
    return this.sock !== null;
  }

  begin(isClient: boolean, id: number, dialogue: Dialogue | null, sock: Sock): void {
    this.isClient = isClient;
    this.id = id;
    this.dialogue = dialogue;
    this.sock = sock;
    sock.owner = this;
    this.sent = 0;
    this.received = 0;
    this.limit = Infinity;
    this.isFinSent = false;
    this.isAborted = false;
    this.hasEof = false;
    this.hasReset = false;
    this.isScheduled = false;
    this.isBroken = false;
    this.isSilent = false;
    this.stalledUntilUs = 0;
    this.start = patternStart(id);
    this.wake(this.host.prng.below(50));
  }

  /** Whoever stalls for ever goes on: the second phase of a run has begun. */
  heal(): void {
    if (this.conduct.trick === TRICK_SILENT || this.conduct.trick === TRICK_STALL) this.conduct.trick = TRICK_NONE;
    this.conduct.readPauseUs = Math.min(this.conduct.readPauseUs, 100);
    this.stalledUntilUs = 0;
    this.wake(0);
  }

  sockChanged(): void {
    this.wake(this.host.prng.below(20));
  }

  /** Kills the process behind this end: the kernel resets its connection. */
  crash(): void {
    this.abort();
  }

  step(): void {
    this.isScheduled = false;
    const { sock, host } = this;
    if (sock === null) return;
    if (sock.state === SOCK_CONNECTING) {
      if (sock.isDead) host.wasRefused(this);
      else if (this.conduct.trick === TRICK_RESET && this.conduct.trickAt === 0 && host.prng.chance(1, 2))
        this.playTrick();
      return;
    }
    if (host.clock.nowUs < this.stalledUntilUs) {
      this.wake(this.stalledUntilUs - host.clock.nowUs);
      return;
    }
    if (this.conduct.trick !== TRICK_NONE && this.sent + this.received >= this.conduct.trickAt && this.playTrick())
      return;
    if (!this.hasEof && this.read()) return;
    if (!this.isBroken) this.write();
    if (this.sock !== null) this.considerEnd();
  }

  /* ---- tricks ---- */

  /** @returns true when nothing else is done in this step. */
  private playTrick(): boolean {
    const { conduct, host, isClient } = this;
    const faults = isClient ? CLIENT_FAULTS : SERVER_FAULTS;
    const trick = conduct.trick;
    if (trick === TRICK_SILENT) {
      if (!this.isSilent) host.faults.note(faults.silent);
      this.isSilent = true;
      return true;
    }
    conduct.trick = TRICK_NONE;
    if (trick === TRICK_STALL) {
      host.faults.note(faults.stall);
      this.stalledUntilUs = host.clock.nowUs + conduct.stallUs;
      this.wake(conduct.stallUs);
    } else if (trick === TRICK_RESET) {
      const isUnaccepted = isClient && !(this.dialogue as Dialogue).isAccepted;
      host.faults.note(
        isUnaccepted ? F_RESET_BEFORE_ACCEPT : conduct.trickAt === 0 && isClient ? faults.resetEarly : faults.resetMid,
      );
      this.abort();
    } else if (trick === TRICK_CLOSE) {
      host.faults.note(faults.close);
      this.close();
    }
    return true;
  }

  /* ---- reading ---- */

  /** @returns true when the actor is done or must pause. */
  private read(): boolean {
    const { host, conduct } = this;
    const sock = this.sock as Sock;
    for (;;) {
      const readable = sock.inbound.readable;
      if (readable === 0) break;
      const count = Math.min(readable, conduct.readSize > 0 ? conduct.readSize : RUN_MAX);
      this.hear(sock, count);
      if (conduct.readPauseUs > 0) {
        this.wake(conduct.readPauseUs);
        return false;
      }
    }
    const result = host.net.recv(sock, head, 0, 0);
    if (result === -EAGAIN) return false;
    // The error may have been taken by a send: only an end that really arrived is an end.
    if (result === 0 && sock.isFinArrived) {
      this.hasEof = true;
      host.sawEof(this);
      return false;
    }
    this.hasReset = true;
    host.sawReset(this);
    this.abort();
    return true;
  }

  private hear(sock: Sock, count: number): void {
    let rest = count;
    if (this.dialogue === null) violate('idler', `${this.describe()} hears something though it has no client`);
    if (this.dialogue.isAnswered && this.isClient) {
      this.hearAnswer(sock, count);
      return;
    }
    if (this.received < HEAD_SIZE) {
      const part = Math.min(rest, HEAD_SIZE - this.received);
      this.host.net.recv(sock, this.otherHead, this.received, part);
      this.received += part;
      rest -= part;
      if (this.received === HEAD_SIZE) {
        const speaker = readHead(this.otherHead);
        if (speaker < 0)
          violate('integrity', `${this.describe()} hears a head that nobody wrote: ${this.otherHead.toString('hex')}`);
        this.host.heard(this, speaker);
        this.otherStart = patternStart(speaker);
      }
    }
    if (rest === 0) return;
    if (!this.host.net.recvMatches(sock, patternBytes, patternAt(this.otherStart, this.received), rest)) {
      violate(
        'integrity',
        `${this.describe()} hears a wrong byte between ${this.received} and ${this.received + rest}`,
      );
    }
    this.received += rest;
  }

  /** What Pen itself says. */
  private hearAnswer(sock: Sock, count: number): void {
    const heard = Buffer.alloc(count);
    this.host.net.recv(sock, heard, 0, count);
    const told = DUMMY_ANSWER.subarray(this.received, this.received + count);
    if (!heard.equals(told)) violate('integrity', `${this.describe()} hears a wrong answer: ${heard.toString()}`);
    this.received += count;
  }

  /* ---- writing ---- */

  /** How far the dialogue lets it write now. */
  private mayWriteTo(): number {
    const dialogue = this.dialogue;
    // Without a client, some servers speak all the same.
    if (dialogue === null) return this.id % 3 === 0 ? IDLE_TALK : 0;
    return Math.min(this.limit, this.isClient ? this.clientMayWriteTo(dialogue) : this.serverMayWriteTo(dialogue));
  }

  private clientMayWriteTo(dialogue: Dialogue): number {
    if (this.hasEof) return dialogue.upTotal;
    let round = 0;
    while (round < dialogue.rounds - 1 && this.received >= dialogue.downAt[round]) round++;
    return dialogue.upAt[round];
  }

  private serverMayWriteTo(dialogue: Dialogue): number {
    if (this.hasEof) return dialogue.downTotal;
    let allowed = dialogue.banner;
    for (let round = 0; round < dialogue.rounds && this.received >= dialogue.upAt[round]; round++) {
      allowed = dialogue.downAt[round];
    }
    return allowed;
  }

  private write(): void {
    const { host, conduct } = this;
    const sock = this.sock as Sock;
    const until = this.mayWriteTo();
    while (this.sent < until) {
      let count = until - this.sent;
      if (conduct.isByteWise && this.sent < 100) count = 1;
      let result: number;
      if (this.sent < HEAD_SIZE) {
        writeHead(head, this.id);
        result = host.net.send(sock, head, this.sent, Math.min(count, HEAD_SIZE - this.sent));
      } else result = host.net.send(sock, patternBytes, patternAt(this.start, this.sent), Math.min(count, RUN_MAX));
      if (result === -EAGAIN) return;
      if (result < 0) {
        // What was received before is still there to be read; the reading side tells how this ended.
        this.isBroken = true;
        this.wake(0);
        return;
      }
      this.sent += result;
      if (conduct.isByteWise && this.sent < 100) {
        this.wake(host.prng.below(30));
        return;
      }
    }
  }

  /* ---- ending ---- */

  private considerEnd(): void {
    const { dialogue, conduct, host } = this;
    if (this.isBroken) {
      // All that can be read was read when the end was seen; otherwise reading goes on.
      if (this.hasEof) this.close();
      return;
    }
    if (dialogue === null) {
      if (this.hasEof) this.close();
      return;
    }
    if (this.isFinSent) {
      if (conduct.isResetAfterFin) {
        host.faults.note((this.isClient ? CLIENT_FAULTS : SERVER_FAULTS).resetAfterFin);
        this.abort();
      } else if (this.hasEof) this.close();
      return;
    }
    const own = Math.min(this.limit, this.isClient ? dialogue.upTotal : dialogue.downTotal);
    if (this.sent < own) return;
    const hasAll = this.received >= (this.isClient ? dialogue.downTotal : dialogue.upTotal);
    const isFirst = dialogue.first !== (this.isClient ? FIRST_SERVER : FIRST_CLIENT);
    if (!this.hasEof && !conduct.isHalfCloser && !(hasAll && isFirst)) return;
    if (this.hasEof || (hasAll && conduct.isCloser)) this.close();
    else this.halfClose();
  }

  private halfClose(): void {
    const { conduct, host } = this;
    if (conduct.isHalfCloser) host.faults.note((this.isClient ? CLIENT_FAULTS : SERVER_FAULTS).halfClose);
    if (host.net.shutdown(this.sock as Sock) < 0) {
      this.isBroken = true;
      this.wake(0);
      return;
    }
    this.isFinSent = true;
    this.endedUs = host.clock.nowUs;
    if (conduct.isResetAfterFin) this.wake(host.prng.skewed(5000));
  }

  private close(): void {
    const sock = this.sock as Sock;
    if (sock.inbound.readable > 0 || sock.state !== SOCK_OPEN) this.isAborted = true;
    else if (!sock.isDead) this.isFinSent = true;
    this.leave(false);
  }

  private abort(): void {
    this.isAborted = true;
    this.leave(true);
  }

  private leave(isAbort: boolean): void {
    const sock = this.sock as Sock;
    this.sock = null;
    this.goneUs = this.host.clock.nowUs;
    this.host.net.close(sock, isAbort);
    this.generation = (this.generation + 1) & 0x7fff_ffff;
    this.host.finished(this);
  }

  private wake(delayUs: number): void {
    if (this.isScheduled && delayUs > 0) return;
    this.isScheduled = true;
    this.host.clock.after(delayUs, this.host.stepSink, 0, this.index, this.generation);
  }

  /** The process under test closes `sock`, which stands against this end: keeps what is true of it now. */
  noteClose(sock: Sock, dialogue: Dialogue): void {
    const { facts } = this;
    facts.isClosed = true;
    facts.hadEnd = sock.isFinArrived;
    facts.wasReported = sock.isReported;
    facts.idleUs = dialogue.idleUs;
    facts.idleLowMs = dialogue.idleLowMs;
    facts.halfClosedLowMs = dialogue.halfClosedLowMs;
  }

  /** One line for people: who it is and how far it came. */
  describe(): string {
    const who = this.isClient ? 'client' : 'server end';
    return `${who} ${this.id} of dialogue ${this.dialogue?.id ?? 0} (sent ${this.sent}, received ${this.received})`;
  }
}
