/**
 * One seed: an engine in a simulated world of clients, servers, faults and clocks, run to its end.
 */
import type { Prng } from '../base/prng.ts';
import type { Fd } from '../base/brand.ts';
import { CLOSE_ABORT } from '../loop/loop.ts';
import { sumLanes } from '../table/columns.ts';
import { blacklistedUntil, requestStop, STOP_ABORT, STOP_ORDERLY } from '../table/shared.ts';
import type { Tables } from '../table/tables.ts';
import { Actor, type ActorHost } from './actor.ts';
import { SimClock, type EventSink } from './clock.ts';
import { auditEnd, auditRows, auditTraffic, auditWaiting, expectZero, noteCounters } from './audit.ts';
import { Books } from './books.ts';
import { Crew } from './crew.ts';
import { CrewLoop } from './crew-loop.ts';
import { configure, giveRole, isUnixServer, SERVER_ROW_FIRST, serverCount, serverKey } from './configuration.ts';
import { Dialogue, drawConduct, drawDialogue } from './dialogue.ts';
import { faultIndex, type Faults } from './faults.ts';
import { SimLoop } from './loop.ts';
import { SimNet } from './net.ts';
import { hasIdlers, hush, isServedInOrder, judgeIdlers, judgeSilent } from './extras.ts';
import { Observer, type ObserverHost } from './observer.ts';
import { judgeDeadlines, judgeEof, judgeReset } from './oracle.ts';
import { Patience } from './patience.ts';
import type { Driven, DrivenFactory } from './post.ts';
import { writePeerAddress } from './policy.ts';
import { EV_SERVER, SimServer } from './server.ts';
import type { SeedSettings } from './settings.ts';
import type { SimListener, Sock } from './sock.ts';
import { SideLedger } from './ledger.ts';
import { Trace } from './trace.ts';
import { addSizes, type RunTotals } from './totals.ts';
import { Troubles } from './troubles.ts';
import { Tuning } from './tuning.ts';
import { violate } from './violation.ts';

const EV_STEP = 0;
const EV_ARRIVAL = 2;
const EV_TICK = 3;
const EV_HEAL_END = 4;

const LISTENER_KEY_FIRST = 1000;
/** Nobody new for this long: the clients of now are silent. */
const SILENCE_US = 30_000_000;
/** So many silences in a row, each ended by waking all, are not the clients' doing. */
const SILENCES_MAX = 20;
const TICK_US = 250_000;
const REST_US = 1_000_000;
const BACKLOG = 1000;
/** How long the world may take to drain once everything is healed. */
const DRAIN_LIMIT_US = 600_000_000;
/** Turns that a connection may cost on average, against engines that spin. */
const TURNS_PER_CONNECTION = 4000;

const F_STOP_ORDERLY = faultIndex('world.stop-orderly');
const F_STOP_ABORT = faultIndex('world.stop-abort');
const F_CLOCK_JUMP = faultIndex('world.clock-jump');

export class World implements EventSink, ActorHost, ObserverHost {
  readonly clock: SimClock;
  readonly net: SimNet;
  readonly prng: Prng;
  readonly faults: Faults;
  readonly settings: SeedSettings;
  readonly loop: SimLoop;
  readonly tables: Tables;
  readonly tuning: Tuning;
  readonly servers: SimServer[] = [];
  readonly stepSink: number;
  readonly trace: Trace;
  isStopping = false;
  shortageUs = -1;
  /** Totals of the actors, for comparison with the engine's. */
  readonly ledger: SideLedger;
  readonly books: Books;
  /** One worker, or several. */
  private readonly driven: Driven | undefined;
  readonly crew: Crew | undefined;
  /** A worker that failed is being cleared up: what is closed now is lost. */
  isFailing = false;
  private readonly patience = new Patience();
  private readonly troubles: Troubles;
  private readonly actors: Actor[] = [];
  private readonly dialogues: Dialogue[] = [];
  private readonly observer: Observer;
  private begun = 0;
  /** When a client last began. */
  private begunUs = 0;
  private silences = 0;
  private openClients = 0;
  private openActors = 0;
  /** Of these, servers' ends of connections without a client. */
  private openIdlers = 0;
  /** Arrivals wait until a client leaves. */
  private isCrowded = false;
  /** Nobody comes before: a client was turned away, and a run is to be more than clients that meet a closed door. */
  private restUntilUs = 0;
  private serverIds = 0;
  private healedUs = -1;
  private readonly listeners: SimListener[] = [];

  constructor(settings: SeedSettings, faults: Faults, prng: Prng, make: DrivenFactory) {
    this.settings = settings;
    this.tuning = new Tuning(settings);
    this.books = new Books(settings.policy);
    this.prng = prng;
    this.faults = faults;
    this.clock = new SimClock(settings.startUs);
    this.trace = new Trace(this.clock);
    const { latencyHighUs, ringSize, bufferLow } = settings;
    this.net = new SimNet(this.clock, prng, faults, { latencyLowUs: 0, latencyHighUs, ringSize, bufferLow });
    this.stepSink = this.clock.register(this);
    const sidesMax = settings.slotCount * 2;
    this.loop = new SimLoop(this.clock, this.net, prng, faults, {
      ...settings,
      sidesMax,
      listenersMax: settings.listeners,
    });
    this.observer = new Observer(this);
    this.loop.observer = this.observer;
    this.loop.beforeTurn = () => this.beforeTurn();
    for (let i = 0; i < settings.listeners; i++)
      this.listeners.push(this.net.listen(LISTENER_KEY_FIRST + i, false, BACKLOG, null));
    this.tables = configure(
      settings,
      this.listeners.map((listener) => this.loop.adoptListener(listener)),
    );
    for (let i = 0; i < serverCount(settings); i++) {
      const [row, key, isUnix] = [SERVER_ROW_FIRST + i, serverKey(i), isUnixServer(i)];
      const server = new SimServer(i, row, key, isUnix, this.clock, this.net, this.stepSink);
      giveRole(server, settings);
      server.start(BACKLOG);
      this.servers.push(server);
    }
    this.ledger = new SideLedger();
    this.actors.push(new Actor(0, this));
    if (settings.workers === 1) this.driven = make(this.loop, this.tables, settings, settings.startUs / 1000);
    else this.crew = new Crew(this, make, settings.workers, settings.canFail);
    if (this.crew) for (const listener of this.listeners) listener.owner = this.crew;
    this.troubles = new Troubles(this, this.clock, prng, faults);
  }

  /** Runs to the end. Throws a Violation (or what the engine throws). */
  run(totals: RunTotals): void {
    this.clock.after(0, this.stepSink, EV_ARRIVAL, 0, 0);
    this.clock.after(TICK_US, this.stepSink, EV_TICK, 0, 0);
    this.crew?.begin();
    this.troubles.begin(this.settings.troubleUs, this.settings.descriptorMax + 20);
    if (this.driven) this.loop.run(this.driven.turn, () => undefined);
    else this.crew?.run();
    if (this.healedUs < 0) this.heal();
    // The process ends: whoever still waits in a backlog is reset.
    for (const listener of this.listeners) this.net.unlisten(listener);
    this.settle();
    this.checkEnd();
    (this.driven ?? this.crew)?.checkEnd();
    totals.connections += this.begun;
    totals.turns += this.sum(({ turns }) => turns);
    totals.failures += this.crew?.failures ?? 0;
    addSizes(totals, this.dialogues);
  }

  fire(kind: number, a: number, b: number): void {
    if (kind === EV_STEP) {
      const actor = this.actors[a];
      if (actor.generation === b) actor.step();
    } else if (kind === EV_SERVER) this.serverAccepts(this.servers[a]);
    else if (kind === EV_ARRIVAL) this.arrival();
    else if (kind === EV_TICK) this.tick();
    else if (kind === EV_HEAL_END) this.checkDrained();
  }

  /** The loops of all workers. */
  private get loops(): readonly SimLoop[] {
    return this.crew?.loops ?? [this.loop];
  }

  private sum(count: (loop: SimLoop) => number): number {
    return this.loops.reduce((sum, loop) => sum + count(loop), 0);
  }

  /** Whether the order in which clients are served is the order in which they came. */
  get isOrderly(): boolean {
    return this.crew === undefined && isServedInOrder(this.settings);
  }

  wake(): void {
    (this.crew ?? this.loop).wake();
  }

  openLoop(slotFirst: number): CrewLoop {
    const { clock, net, prng, faults, settings } = this;
    const sizes = { sidesMax: settings.slotCount * 2, listenersMax: settings.listeners, sideFirst: slotFirst * 2 };
    const { descriptors } = this.loop;
    const loop = new CrewLoop(clock, net, prng, faults, { ...settings, ...sizes, descriptors });
    loop.observer = this.observer;
    for (const listener of this.listeners) loop.shareListener(listener);
    return loop;
  }

  /** Main resets a connection that a failed worker has left behind. */
  abort(fd: Fd): void {
    const { descriptors } = this.loop;
    const descriptor = descriptors.find(fd);
    const sock = descriptor?.sock ?? violate('reclaim', `descriptor ${fd} is reset, which is no connection`);
    if (descriptor) descriptors.close(descriptor);
    this.observer.closing(sock, CLOSE_ABORT);
    this.net.close(sock, true);
  }

  /* ---- clients ---- */

  private arrival(): void {
    const { settings, prng } = this;
    if (this.isStopping) return;
    if (this.begun === settings.connections) {
      this.heal();
      return;
    }
    if (this.openClients >= settings.clientsMax) {
      // Goes on when a client has left: asking again and again would be most of the run.
      this.isCrowded = true;
      return;
    }
    const restUs = this.restUntilUs - this.clock.nowUs;
    if (restUs > 0) {
      this.clock.after(restUs, this.stepSink, EV_ARRIVAL, 0, 0);
      return;
    }
    this.beginClient();
    let delayUs = 1 + prng.below(settings.arrivalUs);
    if (this.faults.fires(F_CLOCK_JUMP) && prng.chance(1, 16)) delayUs += prng.skewed(3600) * 1_000_000;
    this.clock.after(delayUs, this.stepSink, EV_ARRIVAL, 0, 0);
  }

  private beginClient(): void {
    const { prng, clock, net } = this;
    const dialogue = new Dialogue();
    dialogue.id = ++this.begun;
    dialogue.connectUs = clock.nowUs;
    this.begunUs = clock.nowUs;
    this.silences = 0;
    drawDialogue(dialogue, prng, this.faults, this.settings.sizeMax);
    this.dialogues.push(dialogue);
    const sock = net.openSock(false, null);
    sock.origin = dialogue.id;
    dialogue.address = prng.below(this.settings.policy.addresses);
    writePeerAddress(sock.address, dialogue.address, dialogue.id);
    const actor = this.newActor();
    sock.tag = actor.index;
    dialogue.client = actor;
    drawConduct(actor.conduct, prng, this.faults, true, dialogue.upTotal + dialogue.downTotal);
    hush(actor.conduct, prng, this.settings);
    if (actor.conduct.isHalfCloser && prng.chance(1, 3)) actor.limit = prng.below(dialogue.upTotal + 1);
    this.openClients++;
    this.openActors++;
    actor.begin(true, dialogue.id, dialogue, sock);
    const isRare = !this.settings.isLopsided || prng.chance(1, 200);
    const listener = isRare ? prng.below(this.listeners.length) : 0;
    dialogue.farm = listener % this.settings.farms;
    net.connect(sock, LISTENER_KEY_FIRST + listener);
  }

  private newActor(): Actor {
    const actor = new Actor(this.actors.length, this);
    this.actors.push(actor);
    return actor;
  }

  /* ---- servers ---- */

  private serverAccepts(server: SimServer): void {
    if (!server.mayAccept()) return;
    const { prng, net } = this;
    const listener = server.listener;
    if (listener === null) return;
    for (;;) {
      const next = this.newActor();
      const sock = net.accept(listener, next);
      if (sock === undefined) {
        this.actors.pop();
        return;
      }
      sock.tag = next.index;
      const dialogue = this.dialogues[sock.origin - 1] ?? null;
      if (dialogue !== null) dialogue.session = next;
      drawConduct(
        next.conduct,
        prng,
        this.faults,
        false,
        dialogue === null ? 1 : dialogue.upTotal + dialogue.downTotal,
      );
      this.openActors++;
      server.sessions.add(next);
      next.server = server;
      this.serverIds += 2;
      next.begin(false, 0x8000_0000 + this.serverIds, dialogue, sock);
      if (dialogue === null) {
        this.openIdlers++;
        continue;
      }
      // The process under test may have left before the server looked into its backlog.
      if (sock.peer?.isClosed === true) next.noteClose(sock.peer, dialogue);
      if (next.conduct.isHalfCloser && prng.chance(1, 2)) next.limit = prng.below(dialogue.downTotal + 1);
    }
  }

  /* ---- what actors tell ---- */

  sawEof(actor: Actor): void {
    if (this.trace.isOn) this.trace.add(`${actor.describe()} reads the end`);
    if (actor.dialogue !== null) judgeEof(actor, this);
  }

  sawReset(actor: Actor): void {
    if (this.trace.isOn) this.trace.add(`${actor.describe()} is reset`);
    if (actor.dialogue !== null) judgeReset(actor, this);
  }

  wasRefused(actor: Actor): void {
    if (!this.isStopping) violate('refused', `${actor.describe()} is refused by the listener`);
    actor.crash();
  }

  heard(actor: Actor, speaker: number): void {
    const { dialogue } = actor;
    if (dialogue === null) return;
    const other = actor.isClient ? dialogue.session : dialogue.client;
    if (other === null || other.id !== speaker)
      violate('cross-talk', `${actor.describe()} hears speaker ${speaker} instead of ${other?.id}`);
  }

  finished(actor: Actor): void {
    this.books.add(actor);
    if (this.trace.isOn) this.trace.add(`${actor.describe()} is done${actor.isAborted ? ' by abort' : ''}`);
    this.openActors--;
    if (actor.dialogue === null) this.openIdlers--;
    if (actor.isClient) {
      this.openClients--;
      if (actor.hasReset && actor.received === 0) this.restUntilUs = this.clock.nowUs + this.prng.skewed(REST_US);
      if (this.isCrowded) {
        this.isCrowded = false;
        this.clock.after(1, this.stepSink, EV_ARRIVAL, 0, 0);
      }
      this.ledger.clientSent += actor.sent;
      if (actor.dialogue?.isAnswered === false) this.ledger.clientReceived += actor.received;
    } else {
      const { server } = actor;
      if (server !== null) {
        server.sessions.delete(actor);
        server.sent += actor.sent;
        server.received += actor.received;
      }
      if (actor.received > 0) this.ledger.served++;
      this.ledger.serverSent += actor.sent;
      this.ledger.serverReceived += actor.received;
    }
  }

  dialogueOf(sock: Sock): Dialogue | undefined {
    return this.dialogues[sock.origin - 1];
  }

  actorOf(sock: Sock): Actor | null {
    const { peer } = sock;
    return peer === null || peer.tag === 0 ? null : this.actors[peer.tag];
  }

  /* ---- time and checks ---- */

  private tick(): void {
    this.clock.after(TICK_US, this.stepSink, EV_TICK, 0, 0);
    // When everybody who is let in has gone silent, no deadline ends that: somebody must speak again.
    if (this.clock.nowUs - this.begunUs > SILENCE_US) this.wakeSilent();
    judgeDeadlines(this.observer.live, this.clock.nowUs, this);
    judgeSilent(this.observer.live, this.clock.nowUs, this);
    this.lookForWaiting();
    for (const stop of [F_STOP_ORDERLY, F_STOP_ABORT]) {
      if (this.begun * 2 > this.settings.connections && this.prng.chance(1, 8) && this.faults.fires(stop))
        this.stop(stop === F_STOP_ABORT);
    }
  }

  private lookForWaiting(): void {
    const { books, tuning, tables } = this;
    if (this.crew?.isWhole === false) return;
    this.patience.look(this, this.listeners);
    const used = tables.settings.used[0] - sumLanes(tables.gauges.idlers);
    const isPending = sumLanes(tables.gauges.pending) >= Math.floor(tuning.pendingMax / this.settings.workers);
    const isRoom = used < tuning.connMax && !isPending && this.shortageUs < 0 && !this.isStopping;
    // Who is looked at first may be silent.
    if (this.settings.isPeeking || this.settings.isDummy) return;
    auditWaiting(this.observer.live, isRoom, (dialogue) => books.hasPlace(dialogue, tuning.sourceMax));
  }

  private wakeSilent(): void {
    if (this.isCrowded && ++this.silences > SILENCES_MAX)
      violate('liveness', `${this.openClients} clients are there, all speak, and for minutes none of them leaves`);
    this.begunUs = this.clock.nowUs;
    for (const actor of this.actors) if (actor.isOpen) actor.heal();
  }

  /** Asks the engine to stop, in the middle of things or at the end. */
  private stop(isAbort: boolean): void {
    if (this.isStopping) return;
    this.isStopping = true;
    if (this.trace.isOn) this.trace.add('a stop is requested');
    requestStop(this.tables, isAbort ? STOP_ABORT : STOP_ORDERLY);
    this.wake();
  }

  /** Second phase: nothing new goes wrong, and everything that stands must come to its end. */
  private heal(): void {
    if (this.trace.isOn) this.trace.add('everything is healed');
    this.faults.isOn = false;
    this.healedUs = this.clock.nowUs;
    this.troubles.end();
    this.crew?.calm();
    for (const server of this.servers) server.heal(BACKLOG);
    for (const actor of this.actors) if (actor.isOpen) actor.heal();
    this.clock.after(10_000, this.stepSink, EV_HEAL_END, 0, 0);
  }

  private checkDrained(): void {
    if (this.openActors === this.openIdlers && this.observer.live.size === 0 && hasIdlers(this, this.healedUs)) {
      this.stop(false);
      return;
    }
    if (this.clock.nowUs - this.healedUs > DRAIN_LIMIT_US) {
      const stuck = this.actors.find((actor) => actor.isOpen)?.describe() ?? 'a connection without actors';
      violate(
        'liveness',
        `${this.openActors} actors and ${this.observer.live.size} connections stand long after all was healed; first: ${stuck}`,
      );
    }
    this.clock.after(10_000, this.stepSink, EV_HEAL_END, 0, 0);
  }

  /** The tables agree with themselves, and with what was seen from outside. */
  beforeTurn(): void {
    const { tables, servers, clock, settings } = this;
    if (this.crew?.isBroken) return;
    for (const server of servers) {
      if (tables.servers.inFlight[server.row] !== server.inFlight) {
        violate(
          'in-flight',
          `server ${server.index} has ${server.inFlight} connections, the table says ${tables.servers.inFlight[server.row]}`,
        );
      }
      if (blacklistedUntil(tables, server.row) !== 0 && server.goodSinceUs < Infinity) server.goodSinceUs = clock.nowUs;
    }
    this.observer.lookForFull();
    judgeIdlers(this);
    const turns = this.sum((loop) => loop.turns);
    if ((turns & 7) === 0) this.checkTables();
    if (turns > settings.connections * TURNS_PER_CONNECTION + 1_000_000) violate('spin', `${turns} turns`);
  }

  private checkTables(): void {
    const { tables, settings, loop } = this;
    const taken = auditRows(tables, settings);
    const sockets = loop.descriptors.count - this.listeners.length;
    const held = this.sum(({ memory }) => memory.held);
    if (held > settings.slotCount * 2 * settings.workers)
      violate('buffers', `${held} small buffers for ${taken} connections`);
    this.ledger.checkDescriptors(sockets, sumLanes(tables.gauges.descriptors));
  }

  /** After the engine has stopped: what is still on its way arrives. */
  private settle(): void {
    const untilUs = this.clock.nowUs + 200_000_000;
    while (this.openActors > 0 && this.clock.step(untilUs));
    if (this.openActors > 0) {
      const stuck = this.actors.find((actor) => actor.isOpen);
      violate('liveness', `${this.openActors} actors stand though the engine has stopped; first: ${stuck?.describe()}`);
    }
  }

  private checkEnd(): void {
    const { loop, tables } = this;
    expectZero([
      ['operations in flight', this.sum(({ inFlight }) => inFlight)],
      ['small buffers', this.sum(({ memory }) => memory.held)],
      ['big memory in flight', this.sum(({ memory }) => memory.flying)],
      ['descriptors', loop.descriptors.count - this.listeners.length],
    ]);
    auditEnd(tables, this.servers);
    this.ledger.compare(tables, this.shortageUs < 0 && !this.crew?.failures);
    this.books.compare(tables, this.settings.farms);
    auditTraffic(tables, this.dialogues, this.servers);
    noteCounters(tables, this.faults);
  }
}
