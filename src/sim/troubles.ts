/** Troubles of servers and of the world around the process: crashes, flaps, black holes, publishes, shortages. */
import type { Prng } from '../base/prng.ts';
import type { Tables } from '../table/tables.ts';
import type { EventSink, SimClock } from './clock.ts';
import { publishSame, publishServer } from './configuration.ts';
import { faultIndex, type Faults } from './faults.ts';
import type { SimLoop } from './loop.ts';
import type { SimListener } from './sock.ts';
import type { SimServer } from './server.ts';

const EV_TROUBLE = 0;
const EV_RECOVER = 1;
const EV_DESCRIPTORS_BACK = 2;

const F_CRASH = faultIndex('server.crash');
const F_FLAP = faultIndex('server.flap');
const F_BLACK_HOLE = faultIndex('net.black-hole');
const F_SLOW_CONNECT = faultIndex('net.slow-connect');
const F_UNACCEPTING = faultIndex('server.unaccepting');
const F_PUBLISH = faultIndex('world.publish');
const F_REMOVED = faultIndex('world.server-removed');
const F_ADDED = faultIndex('world.server-added');
const F_EMFILE = faultIndex('world.emfile-episode');

const BACKLOG = 1000;

export interface TroubleHost {
  readonly servers: readonly SimServer[];
  readonly loop: SimLoop;
  readonly tables: Tables;
  shortageUs: number;
}

export class Troubles implements EventSink {
  private readonly host: TroubleHost;
  private readonly clock: SimClock;
  private readonly prng: Prng;
  private readonly faults: Faults;
  private readonly sink: number;
  private meanUs = 0;
  private isOn = true;
  private descriptorLimit = 0;

  constructor(host: TroubleHost, clock: SimClock, prng: Prng, faults: Faults) {
    this.host = host;
    this.clock = clock;
    this.prng = prng;
    this.faults = faults;
    this.sink = clock.register(this);
  }

  begin(meanUs: number): void {
    this.meanUs = meanUs;
    this.descriptorLimit = this.host.loop.descriptors.limit;
    this.next();
  }

  /** Nothing more goes wrong, and what is scarce is there again; servers are healed by the world. */
  end(): void {
    this.isOn = false;
    this.descriptorsBack();
    for (const server of this.host.servers) this.configure(server, true);
  }

  fire(kind: number, index: number): void {
    if (!this.isOn && kind !== EV_RECOVER) return;
    if (kind === EV_TROUBLE) this.trouble();
    else if (kind === EV_RECOVER) this.recover(this.host.servers[index] as SimServer);
    else this.descriptorsBack();
  }

  private descriptorsBack(): void {
    this.host.loop.descriptors.limit = this.descriptorLimit;
    if (this.host.shortageUs === Infinity) this.host.shortageUs = this.clock.nowUs;
  }

  private next(): void {
    this.clock.after(this.prng.below(this.meanUs * 2) + 1, this.sink, EV_TROUBLE, 0, 0);
  }

  private trouble(): void {
    this.next();
    const { faults, host, prng, clock } = this;
    const server = host.servers[prng.below(host.servers.length)] as SimServer;
    if (faults.fires(F_CRASH)) {
      server.crash();
      this.recoverIn(server, prng.skewed(10_000_000));
    } else if (faults.fires(F_FLAP)) {
      server.crash();
      this.recoverIn(server, prng.skewed(50_000));
    } else if (server.listener !== null && faults.isDrawn(F_BLACK_HOLE)) {
      server.listener.isBlackHole = true;
      this.recoverIn(server, prng.skewed(20_000_000));
    } else if (server.listener !== null && faults.isDrawn(F_SLOW_CONNECT)) {
      server.listener.delayUs = prng.skewed(8_000_000);
      this.recoverIn(server, prng.skewed(10_000_000));
    } else if (server.listener !== null && faults.fires(F_UNACCEPTING)) {
      server.isUnaccepting = true;
      server.listener.backlog = prng.below(20);
      this.recoverIn(server, prng.skewed(10_000_000));
    } else if (faults.isDrawn(F_PUBLISH)) {
      if (publishSame(host.tables)) faults.note(F_PUBLISH);
    } else if (server.isConfigured && faults.isDrawn(F_REMOVED)) {
      if (this.configure(server, false)) faults.note(F_REMOVED);
    } else if (!server.isConfigured && faults.isDrawn(F_ADDED)) {
      if (this.configure(server, true)) faults.note(F_ADDED);
    } else if (faults.fires(F_EMFILE)) {
      host.loop.descriptors.limit = Math.max(4, host.loop.descriptors.count + prng.below(6));
      host.shortageUs = Infinity;
      clock.after(prng.skewed(2_000_000), this.sink, EV_DESCRIPTORS_BACK, 0, 0);
    }
    server.touch();
    host.loop.wake();
  }

  private configure(server: SimServer, isConfigured: boolean): boolean {
    if (server.isConfigured === isConfigured) return true;
    if (!publishServer(this.host.tables, server.index, isConfigured)) return false;
    server.isConfigured = isConfigured;
    server.touch();
    return true;
  }

  private recoverIn(server: SimServer, delayUs: number): void {
    this.clock.after(delayUs, this.sink, EV_RECOVER, server.index, 0);
  }

  private recover(server: SimServer): void {
    const listener: SimListener | null = server.listener;
    if (listener !== null) listener.backlog = BACKLOG;
    server.heal(BACKLOG);
  }
}
