/** A simulated server: a listener that comes and goes, and the ends of the connections it has accepted. */
import type { Actor } from './actor.ts';
import type { SimClock } from './clock.ts';
import type { SimNet } from './net.ts';
import type { ListenerOwner, SimListener } from './sock.ts';

/** Kind of the event that asks the world to let a server accept. */
export const EV_SERVER = 1;

export class SimServer implements ListenerOwner {
  readonly index: number;
  /** Row of the servers table. */
  readonly row: number;
  readonly key: number;
  readonly isUnix: boolean;
  /** Null while the server is down. */
  listener: SimListener | null = null;
  /** Leaves clients in its backlog. */
  isUnaccepting = false;
  /** In the configuration in force. */
  isConfigured = true;
  /** Since when nothing was wrong with it, blacklisting included; Infinity while something is. */
  goodSinceUs = 0;
  /** Sockets of the process under test that are connecting or connected to it. */
  inFlight = 0;
  /** Of these, those of idlers. */
  idlers = 0;
  /** Takes clients only when nobody else can. */
  isEmergency = false;
  /** Takes those whom the farm denies. */
  isAbuse = false;
  /** Whose clients it serves; the emergency and the abuse server serve those of all. */
  farm = 0;
  readonly sessions = new Set<Actor>();
  /** Bytes that its ends have sent and received, of those that are done. */
  sent = 0;
  received = 0;
  private readonly clock: SimClock;
  private readonly net: SimNet;
  private readonly sink: number;
  private isScheduled = false;

  constructor(index: number, row: number, key: number, isUnix: boolean, clock: SimClock, net: SimNet, sink: number) {
    this.index = index;
    this.row = row;
    this.key = key;
    this.isUnix = isUnix;
    this.clock = clock;
    this.net = net;
    this.sink = sink;
  }

  /** Not one of those that are chosen from. */
  get isExtra(): boolean {
    return this.isEmergency || this.isAbuse;
  }

  /** Whether clients of the farm may be sent here. */
  isOf(farm: number): boolean {
    return this.isExtra || this.farm === farm;
  }

  get isUp(): boolean {
    return this.listener !== null;
  }

  get isGood(): boolean {
    const { listener } = this;
    return (
      this.isConfigured && !this.isUnaccepting && listener !== null && !listener.isBlackHole && listener.delayUs === 0
    );
  }

  start(backlog: number): void {
    if (this.listener !== null) return;
    this.listener = this.net.listen(this.key, this.isUnix, backlog, this);
    this.touch();
  }

  /** The process dies: nobody listens any more, every connection is reset. */
  crash(): void {
    if (this.listener === null) return;
    this.net.unlisten(this.listener);
    this.listener = null;
    for (const session of this.sessions) session.crash();
    this.touch();
  }

  /** To be called after each change: only time without any trouble counts as good. */
  touch(): void {
    this.goodSinceUs = this.isGood ? this.clock.nowUs : Infinity;
    this.listenerChanged();
  }

  /** Everything works again. */
  heal(backlog: number): void {
    this.start(backlog);
    this.isUnaccepting = false;
    if (this.listener !== null) {
      this.listener.isBlackHole = false;
      this.listener.delayUs = 0;
    }
    this.touch();
  }

  listenerChanged(): void {
    if (this.isScheduled || this.isUnaccepting || this.listener === null || this.listener.queue.length === 0) return;
    this.isScheduled = true;
    this.clock.after(5, this.sink, EV_SERVER, this.index, 0);
  }

  /** The event that `listenerChanged` scheduled has come. @returns whether to accept now. */
  mayAccept(): boolean {
    this.isScheduled = false;
    return this.listener !== null && !this.isUnaccepting;
  }
}
