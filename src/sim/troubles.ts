/** Troubles of servers and of the world around the process: crashes, flaps, black holes, publishes, shortages. */
import type { Prng } from '../base/prng.ts';
import type { Tables } from '../table/tables.ts';
import type { EventSink, SimClock } from './clock.ts';
import { publishSame, publishServer, publishTuning } from './configuration.ts';
import { faultIndex, type Faults } from './faults.ts';
import type { SimLoop } from './loop.ts';
import type { SeedSettings } from './settings.ts';
import type { SimListener } from './sock.ts';
import type { SimServer } from './server.ts';
import type { Trace } from './trace.ts';
import type { Tuning } from './tuning.ts';

const EV_TROUBLE = 0;
const EV_RECOVER = 1;
const EV_DESCRIPTORS_BACK = 2;

const F_CRASH = faultIndex('server.crash');
const F_FLAP = faultIndex('server.flap');
const F_BLACK_HOLE = faultIndex('net.black-hole');
const F_SLOW_CONNECT = faultIndex('net.slow-connect');
const F_UNACCEPTING = faultIndex('server.unaccepting');
const F_PUBLISH = faultIndex('world.publish');
const F_RETUNE = faultIndex('world.retune');
const F_REMOVED = faultIndex('world.server-removed');
const F_ADDED = faultIndex('world.server-added');
const F_EMFILE = faultIndex('world.emfile-episode');

/** One of these is drawn each time; a fault that is off in the seed makes for a quiet moment. */
const TROUBLES: readonly number[] = [
  F_CRASH,
  F_FLAP,
  F_BLACK_HOLE,
  F_SLOW_CONNECT,
  F_UNACCEPTING,
  F_PUBLISH,
  F_RETUNE,
  F_REMOVED,
  F_ADDED,
  F_EMFILE,
];

const BACKLOG = 1000;

export interface TroubleHost {
  readonly servers: readonly SimServer[];
  readonly loop: SimLoop;
  readonly tables: Tables;
  readonly settings: SeedSettings;
  readonly tuning: Tuning;
  readonly trace: Trace;
  shortageUs: number;
  /** Makes the workers look at their tables. */
  wake(): void;
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

  /** @param descriptorLimit what the process gets when nothing is wrong. */
  begin(meanUs: number, descriptorLimit: number): void {
    this.meanUs = meanUs;
    this.descriptorLimit = descriptorLimit;
    // Some processes are started with less than they were told.
    if (this.host.loop.descriptors.limit < descriptorLimit) this.host.shortageUs = Infinity;
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
    else if (kind === EV_RECOVER) this.recover(this.host.servers[index]);
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
    const server = host.servers[prng.below(host.servers.length)];
    const fault = faults.pick(TROUBLES);
    const { listener } = server;
    if (fault === F_CRASH || fault === F_FLAP) {
      faults.note(fault);
      server.crash();
      this.recoverIn(server, prng.skewed(fault === F_CRASH ? 10_000_000 : 50_000));
    } else if (fault === F_BLACK_HOLE && listener !== null) {
      listener.isBlackHole = true;
      this.recoverIn(server, prng.skewed(20_000_000));
    } else if (fault === F_SLOW_CONNECT && listener !== null) {
      listener.delayUs = prng.skewed(8_000_000);
      this.recoverIn(server, prng.skewed(10_000_000));
    } else if (fault === F_UNACCEPTING && listener !== null) {
      faults.note(fault);
      server.isUnaccepting = true;
      listener.backlog = prng.below(3);
      this.recoverIn(server, prng.between(100_000, 10_000_000));
    } else if (fault === F_PUBLISH) {
      if (publishSame(host.tables)) faults.note(fault);
    } else if (fault === F_RETUNE) {
      if (publishTuning(host.tables, host.tuning, host.settings, prng, clock.nowUs)) {
        faults.note(fault);
        if (host.trace.isOn) host.trace.add(`published: ${host.tuning.describe()}`);
      }
    } else if (fault === F_REMOVED || fault === F_ADDED) {
      const isAdded = !server.isConfigured;
      if (this.configure(server, isAdded)) faults.note(isAdded ? F_ADDED : F_REMOVED);
    } else if (fault === F_EMFILE) {
      faults.note(fault);
      host.loop.descriptors.limit = Math.max(4, host.loop.descriptors.count + prng.below(4));
      host.shortageUs = Infinity;
      clock.after(prng.skewed(2_000_000), this.sink, EV_DESCRIPTORS_BACK, 0, 0);
    }
    server.touch();
    host.wake();
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
