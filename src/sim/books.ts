/**
 * What is known of clients and sources from outside: who is let in, who is there, where each was sent last.
 *
 * Kept from what happens to sockets alone, so it knows less than the engine does: that a client was accepted, that a
 * connect was begun for it, that it was closed.
 */
import { PEER_SIZE } from '../base/endpoint.ts';
import { ClientPage, readClients } from '../table/clients.ts';
import { WORKERS_MAX } from '../table/limits.ts';
import { FARM_F_ROUND_ROBIN } from '../table/schema.ts';
import type { Tables } from '../table/tables.ts';
import type { Actor } from './actor.ts';
import type { Dialogue } from './dialogue.ts';
import { clientKey, judgeList, writePeerAddress, type Policy } from './policy.ts';
import { violate } from './violation.ts';

/** Between the keys of two farms' clients: there are fewer addresses. */
const FARM_KEYS = 1024;

/** One client of a farm, which is one source as well where sources have a limit. */
export class Book {
  /** Accepted and not closed; of these, those for whom a connect was begun. */
  live = 0;
  begun = 0;
  /** Number, in order of accepting, of the last one for whom a connect was begun, by listener: between listeners any
   * order goes, as their completions come in any. */
  readonly begunLast = new Map<number, number>();
  /** Row of the server that a connect was last begun to, unless that was the emergency or abuse server; 0 none. */
  server = 0;
  lastMs = -Infinity;
  /** In all: clients accepted, connects begun for them, and bytes as the two ends counted them. */
  accepted = 0;
  visits = 0;
  clientSent = 0;
  clientReceived = 0;
  serverSent = 0;
  serverReceived = 0;
}

export class Books {
  readonly policy: Policy;
  /** Accepted and not closed, of all; of these, those for whom nothing was begun. */
  waiting = 0;
  private readonly books = new Map<number, Book>();
  private readonly peer = new Uint8Array(PEER_SIZE);
  private accepted = 0;

  constructor(policy: Policy) {
    this.policy = policy;
  }

  of(dialogue: Dialogue): Book {
    const key = clientKey(dialogue.address, this.policy.clientPrefix) + dialogue.farm * FARM_KEYS;
    let book = this.books.get(key);
    if (book === undefined) {
      book = new Book();
      this.books.set(key, book);
    }
    return book;
  }

  /** Whether the access list permits the client. */
  permits(list: number, dialogue: Dialogue): boolean {
    const { lists } = this.policy;
    if (lists[list].length === 0) return true;
    writePeerAddress(this.peer, dialogue.address, 0);
    return judgeList(lists[list], this.peer);
  }

  isDenied(dialogue: Dialogue): boolean {
    return !this.permits(this.policy.clientAcl, dialogue);
  }

  isTrusted(dialogue: Dialogue): boolean {
    const { trustedAcl, lists } = this.policy;
    if (dialogue.address % 6 === 5) return true;
    return trustedAcl >= 0 && lists[trustedAcl].length > 0 && this.permits(trustedAcl, dialogue);
  }

  /** A client is accepted. Who comes first to the process is not known: listeners' completions come in any order. */
  enter(dialogue: Dialogue, sourceMax: number): void {
    const book = this.of(dialogue);
    dialogue.order = ++this.accepted;
    dialogue.mayPark = sourceMax > 0 && !this.isTrusted(dialogue);
    book.live++;
    book.accepted++;
    this.waiting++;
  }

  /** The first connect for a client is begun. `isAmple`: nobody had to wait for a descriptor, with a place taken under the limits of before. `isOrderly`: by one worker. */
  begin(dialogue: Dialogue, sourceMax: number, isAmple: boolean, isOrderly: boolean): void {
    const book = this.of(dialogue);
    book.begun++;
    book.visits++;
    this.waiting--;
    if (isAmple && sourceMax > 0 && book.begun > sourceMax && !this.isTrusted(dialogue))
      violate('source', `dialogue ${dialogue.id} is number ${book.begun} of its source, ${sourceMax} allowed`);
    const last = book.begunLast.get(dialogue.listener) ?? 0;
    if (isAmple && isOrderly && dialogue.order < last)
      violate('source-order', `dialogue ${dialogue.id} is served after one of its source that came later`);
    book.begunLast.set(dialogue.listener, Math.max(last, dialogue.order));
  }

  /** Whether a client that is closed without any connect may have been one too many. */
  mayBeRefused(dialogue: Dialogue, sourceMax: number, parkedMax: number): boolean {
    return dialogue.mayPark && dialogue.tries === 0 && this.of(dialogue).live > sourceMax && this.waiting > parkedMax;
  }

  leave(dialogue: Dialogue): void {
    const book = this.of(dialogue);
    book.live--;
    if (dialogue.tries > 0) book.begun--;
    else this.waiting--;
  }

  /** Whether the source may have one more served. */
  hasPlace(dialogue: Dialogue, sourceMax: number): boolean {
    return sourceMax === 0 || this.isTrusted(dialogue) || this.of(dialogue).begun < sourceMax;
  }

  /** One end is done. */
  add(actor: Actor): void {
    if (actor.dialogue === null) return;
    const book = this.of(actor.dialogue);
    if (actor.isClient) {
      book.clientSent += actor.sent;
      if (!actor.dialogue.isAnswered) book.clientReceived += actor.received;
    } else {
      book.serverSent += actor.sent;
      book.serverReceived += actor.received;
    }
  }

  /**
   * The server that the client must be sent to if it can be used; 0 when anything may happen.
   * @param nowMs the turn's time.
   */
  remembered(dialogue: Dialogue, nowMs: number): number {
    const { policy } = this;
    const book = this.of(dialogue);
    const isKept = policy.clientsMax >= policy.addresses && (policy.flags & FARM_F_ROUND_ROBIN) === 0;
    const isFresh = policy.trackingMs === 0 || nowMs - book.lastMs <= policy.trackingMs;
    return isKept && isFresh ? book.server : 0;
  }

  /** At the end of a run: what the tables say of each client lies between what its two ends counted. */
  compare(tables: Tables, farms: number): void {
    for (let farm = 0; farm < farms; farm++) this.compareFarm(tables, farm);
  }

  private compareFarm(tables: Tables, farm: number): void {
    const page = new ClientPage(1024);
    let listed = 0;
    const byPeer = this.byPeer(farm);
    for (let from = 1; from !== 0;) {
      from = readClients(tables, WORKERS_MAX, farm, from, page);
      listed += page.count;
      for (let i = 0; i < page.count; i++) this.compareOne(page, i, byPeer);
    }
    if (listed > this.policy.clientsMax)
      violate('clients', `${listed} clients are remembered, ${this.policy.clientsMax} may be`);
  }

  private compareOne(page: ClientPage, i: number, byPeer: ReadonlyMap<string, Book>): void {
    const name = nameOf(page.peers, i * PEER_SIZE);
    const book = byPeer.get(name);
    if (book === undefined) return violate('clients', `${name} is remembered but never came`);
    const { policy } = this;
    const isWhole = policy.clientsMax >= policy.addresses && policy.trackingMs === 0;
    const between = (what: string, value: number, low: number, high: number): void => {
      if (value < (isWhole ? low : 0) || value > high)
        violate('clients', `${what} of client ${name} is ${value}, from outside ${low} to ${high}`);
    };
    between('connects', page.connects[i], book.visits, book.accepted);
    between('sent', page.sent[i], book.clientReceived, book.serverSent);
    between('received', page.received[i], book.serverReceived, book.clientSent);
  }

  private byPeer(farm: number): Map<string, Book> {
    const found = new Map<string, Book>();
    const prefix = this.policy.clientPrefix;
    for (const [key, book] of this.books) {
      if (Math.floor(key / FARM_KEYS) !== farm) continue;
      const address = key % FARM_KEYS;
      writePeerAddress(this.peer, address, 0);
      const isPrefix = prefix <= 64 && address % 6 >= 3 && address % 6 < 5;
      if (isPrefix) this.peer.fill(0, PEER_SIZE - 8);
      found.set(nameOf(this.peer, 0), book);
    }
    return found;
  }
}

/** The kind and address of a peer's record, without its port. */
function nameOf(peers: Uint8Array, at: number): string {
  return `${peers[at]}:${peers.subarray(at + 8, at + PEER_SIZE).join('.')}`;
}
