/**
 * Watches what the process under test does to its sockets: who is accepted, who is connected to whom, what is closed.
 */
import { CLOSE_ABORT } from '../loop/loop.ts';
import { blacklistedUntil } from '../table/shared.ts';
import type { Tables } from '../table/tables.ts';
import type { Actor } from './actor.ts';
import type { SimClock } from './clock.ts';
import type { Books } from './books.ts';
import type { Crew } from './crew.ts';
import { judgeChoice } from './choice.ts';
import { SERVER_ROW_FIRST } from './configuration.ts';
import type { Dialogue } from './dialogue.ts';
import { judgeLook } from './extras.ts';
import { faultIndex, type Faults } from './faults.ts';
import type { SideLedger } from './ledger.ts';
import type { LoopObserver } from './loop-options.ts';
import type { SimLoop } from './loop.ts';
import { judgeAccess, judgeEmergency, type Scene } from './oracle.ts';
import type { SimServer } from './server.ts';
import type { Sock } from './sock.ts';
import type { Trace } from './trace.ts';
import { violate } from './violation.ts';

const F_FULL = faultIndex('server.full');
const F_EMERGENCY = faultIndex('server.emergency');
const F_ABUSE = faultIndex('client.abuse');
const F_RETURNS = faultIndex('client.returns');
const F_BEYOND = faultIndex('server.beyond-max');
const F_IDLER = faultIndex('server.idler');
const F_PEEKED = faultIndex('client.peeked');

/** What the observer needs of the world. */
export interface ObserverHost extends Scene {
  readonly clock: SimClock;
  readonly loop: SimLoop;
  readonly tables: Tables;
  readonly faults: Faults;
  readonly ledger: SideLedger;
  readonly trace: Trace;
  readonly books: Books;
  readonly isOrderly: boolean;
  readonly crew: Crew | undefined;
  /** What is closed now, is closed because a worker has failed. */
  readonly isFailing: boolean;
  dialogueOf(sock: Sock): Dialogue | undefined;
  actorOf(sock: Sock): Actor | null;
}

export class Observer implements LoopObserver {
  /** Dialogues whose client the engine has accepted and not closed. */
  readonly live = new Set<Dialogue>();
  private readonly host: ObserverHost;
  /** Serial number of the client accepted last, and of the one that a server was sought for last, by listener. */
  private readonly acceptedLast = new Map<number, number>();
  private readonly servedLast = new Map<number, number>();

  constructor(host: ObserverHost) {
    this.host = host;
  }

  accepted(sock: Sock): void {
    const dialogue = this.host.dialogueOf(sock) as Dialogue;
    if (dialogue.isAccepted) violate('accept', `dialogue ${dialogue.id} is accepted twice`);
    const listener = sock.peer?.target ?? 0;
    const expected = (this.acceptedLast.get(listener) ?? 0) + 1;
    if (sock.serial !== expected)
      violate('accept-order', `client ${sock.serial} of listener ${listener} is accepted before client ${expected}`);
    this.acceptedLast.set(listener, expected);
    dialogue.isAccepted = true;
    dialogue.down = sock;
    dialogue.listener = listener;
    dialogue.acceptedUs = this.host.clock.nowUs;
    dialogue.isAnswered = this.host.settings.isDummy && !this.host.books.isDenied(dialogue);
    this.live.add(dialogue);
    this.host.books.enter(dialogue, this.host.tuning.sourceMax);
    this.host.ledger.accepted++;
  }

  connecting(side: number, sock: Sock, key: number): void {
    const { host } = this;
    const { tables, trace } = host;
    const down = host.loop.descriptors.find(tables.sides.fd[side ^ 1])?.sock ?? null;
    if ((side & 1) !== 1) return violate('pairing', `side ${side} connects, which is a client's`);
    const server = host.servers.find((candidate) => candidate.key === key);
    if (server === undefined) return violate('pairing', `side ${side} connects to ${key}, which is no server`);
    if (down === null) return this.idlerConnects(side, sock, server);
    const dialogue = host.dialogueOf(down) as Dialogue;
    if (dialogue.up !== null) violate('pairing', `dialogue ${dialogue.id} connects to a second server`);
    if (dialogue.reported > 0) violate('pairing', `dialogue ${dialogue.id} connects again after it was connected`);
    const nowDs = Math.floor(host.clock.nowUs / 100_000);
    if (blacklistedUntil(tables, server.row) > nowDs)
      violate('blacklist', `dialogue ${dialogue.id} connects to server ${server.index}, which is blacklisted`);
    dialogue.tries++;
    if (dialogue.tries === 1) this.begin(dialogue, down, server);
    else {
      host.ledger.retried++;
      if (host.settings.isStubborn)
        violate('stubborn', `dialogue ${dialogue.id} connects to a second server of a stubborn farm`);
    }
    judgeAccess(dialogue, server, host);
    if (server.isAbuse) host.faults.note(F_ABUSE);
    if (server.isEmergency) {
      host.faults.note(F_EMERGENCY);
      judgeEmergency(dialogue, host);
    }
    dialogue.up = sock;
    sock.origin = down.origin;
    sock.server = server.row;
    this.enter(server, dialogue.knownRow === server.row);
    this.remember(dialogue, server);
    if (trace.isOn) trace.add(`dialogue ${dialogue.id} (slot ${side >> 1}) connects to server ${server.index}`);
  }

  /** There is no client. */
  private idlerConnects(side: number, sock: Sock, server: SimServer): void {
    const { host } = this;
    if (host.settings.idlers === 0) violate('pairing', `side ${side} connects without a client`);
    if (blacklistedUntil(host.tables, server.row) > Math.floor(host.clock.nowUs / 100_000))
      violate('blacklist', `an idler connects to server ${server.index}, which is blacklisted`);
    if (server.isAbuse) violate('access', 'an idler goes to the abuse server');
    if (!server.isOf(0)) violate('farm', `an idler goes to server ${server.index}, which is not of the first farm`);
    host.faults.note(F_IDLER);
    sock.server = server.row;
    server.idlers++;
    this.enter(server, false);
    const max = host.tuning.serverMax[server.index];
    if (max > 0 && server.inFlight >= max && !host.crew)
      violate('idlers', `an idler takes the last place at server ${server.index}`);
    if (host.trace.isOn) host.trace.add(`an idler (slot ${side >> 1}) connects to server ${server.index}`);
  }

  closing(sock: Sock, how: number): void {
    const { host } = this;
    const dialogue = host.dialogueOf(sock);
    if (sock.server !== 0) {
      const server = host.servers[sock.server - SERVER_ROW_FIRST];
      if (this.isFull(server)) this.notWell(server);
      server.inFlight--;
      if (dialogue === undefined) server.idlers--;
    }
    if (dialogue === undefined) {
      if (sock.server !== 0 && sock.isReported) host.ledger.reported++;
      return;
    }
    if (host.isFailing) dialogue.isLost = true;
    const nowUs = host.clock.nowUs;
    // The second side that closes has been idle as long as the first.
    const idleUs = dialogue.idleBefore(nowUs);
    dialogue.idleUs = dialogue.closedUs === nowUs ? Math.max(dialogue.idleUs, idleUs) : idleUs;
    dialogue.closedUs = nowUs;
    dialogue.keepProgress();
    dialogue.idleLowMs = host.tuning.idleLowMs(nowUs);
    dialogue.halfClosedLowMs = host.tuning.halfClosedLowMs(nowUs);
    const actor = host.actorOf(sock);
    if (actor !== null) actor.noteClose(sock, dialogue);
    if (sock.server !== 0) {
      if (sock.isReported) {
        dialogue.reported++;
        dialogue.servedRow = sock.server;
        host.ledger.reported++;
      }
      dialogue.up = null;
    } else {
      this.clientCloses(dialogue, how);
      host.books.leave(dialogue);
      dialogue.down = null;
      this.live.delete(dialogue);
    }
    if (host.trace.isOn)
      host.trace.add(
        `dialogue ${dialogue.id}: ${sock.server === 0 ? 'client' : 'server'} side is closed${how === 0 ? '' : ' by abort'}`,
      );
  }

  /** Once before each turn: a server at its limit is not there for others. */
  lookForFull(): void {
    for (const server of this.host.servers) if (this.isFull(server)) this.notWell(server);
  }

  /** The first connect for a client. */
  private begin(dialogue: Dialogue, down: Sock, server: SimServer): void {
    const { books, tuning, shortageUs } = this.host;
    const { isOrderly } = this.host;
    judgeLook(dialogue, this.host);
    if (this.host.settings.isPeeking) this.host.faults.note(F_PEEKED);
    if (!dialogue.mayPark && isOrderly) this.checkTurn(down);
    judgeChoice(dialogue, server, this.host);
    const { server: row } = books.of(dialogue);
    if (row === server.row) this.host.faults.note(F_RETURNS);
    dialogue.knownRow = row;
    books.begin(dialogue, tuning.sourceMax, shortageUs < 0, isOrderly);
  }

  /** From now on the client is known to the server, unless that is one that nobody is to come back to. */
  private remember(dialogue: Dialogue, server: SimServer): void {
    const book = this.host.books.of(dialogue);
    dialogue.knownRow = server.isExtra ? 0 : server.row;
    book.server = dialogue.knownRow;
    // It came then at the earliest: who waits for a descriptor has come before the connect.
    if (dialogue.tries === 1) book.lastMs = Math.max(book.lastMs, dialogue.acceptedUs / 1000);
  }

  /** Clients of one listener find their servers in the order in which they came, unless some had to wait. */
  private checkTurn(down: Sock): void {
    const listener = down.peer?.target ?? 0;
    const last = this.servedLast.get(listener) ?? 0;
    if (down.serial < last && this.host.shortageUs < 0)
      violate('accept-order', `client ${down.serial} of listener ${listener} is served after client ${last}`);
    this.servedLast.set(listener, Math.max(last, down.serial));
  }

  /** @param isKnown the client may have been sent there last. */
  private enter(server: SimServer, isKnown: boolean): void {
    const { faults, tuning, settings } = this.host;
    const max = tuning.serverMax[server.index];
    server.inFlight++;
    if (max === 0) return;
    const limit = isKnown ? Math.max(max, settings.policy.hard[server.index]) : max;
    if (server.inFlight > limit)
      violate('limit', `server ${server.index} has ${server.inFlight} connections, ${limit} allowed`);
    if (server.inFlight > max) faults.note(F_BEYOND);
    if (server.inFlight >= max) faults.note(F_FULL);
    if (this.isFull(server)) this.notWell(server);
  }

  /** Idlers make room; those of other workers cannot be asked. */
  private isFull(server: SimServer): boolean {
    const max = this.host.tuning.serverMax[server.index];
    const idlers = this.host.crew ? 0 : server.idlers;
    return max > 0 && server.inFlight - idlers >= max;
  }

  private notWell(server: SimServer): void {
    if (server.goodSinceUs < Infinity) server.goodSinceUs = this.host.clock.nowUs;
  }

  /** A client that never had a server and is reset was unserved, unless it left or the process stops. */
  private clientCloses(dialogue: Dialogue, how: number): void {
    const { ledger, isStopping, books, tuning } = this.host;
    dialogue.mayBeRefused = books.mayBeRefused(dialogue, tuning.sourceMax, tuning.parkedMax);
    if (how !== CLOSE_ABORT || dialogue.reported > 0 || dialogue.up !== null) return;
    ledger.unservedHigh++;
    if (dialogue.isLost) return;
    const { isPeeking, isDummy } = this.host.settings;
    const mayBeIdle = dialogue.tries === 0 && (isPeeking || isDummy || (dialogue.idleLowMs > 0 && dialogue.mayPark));
    if (!isStopping && !mayBeIdle && dialogue.client?.isAborted === false) ledger.unservedLow++;
    if (dialogue.tries === 0 && books.isDenied(dialogue)) ledger.deniedHigh++;
    if (dialogue.mayBeRefused) ledger.refusedHigh++;
  }
}
