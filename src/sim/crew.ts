/**
 * The workers of a simulated process: an engine each, over the same tables, sockets and clock. Whole turns follow one
 * another in an order that the seed decides, and now and then one of them throws in the middle.
 *
 * What main does when a worker fails happens some time later, as it would: until then the tables still say what they
 * said when the turn threw.
 */
import type { Fd, Us } from '../base/brand.ts';
import type { Prng } from '../base/prng.ts';
import { STOP, WAIT_MAX_US, type Loop, type Turn } from '../loop/loop.ts';
import { registerWorker, unregisterWorker } from '../table/publish.ts';
import type { Tables } from '../table/tables.ts';
import type { EventSink, SimClock } from './clock.ts';
import type { CrewLoop } from './crew-loop.ts';
import type { SideLedger } from './ledger.ts';
import type { Driven, DrivenFactory, Post } from './post.ts';
import type { SeedSettings } from './settings.ts';
import type { ListenerOwner, SimListener } from './sock.ts';

const EV_RECLAIM = 0;
const EV_REPLACE = 1;

/** Failures in one run, at most. */
const FAILURES_MAX = 40;
/** Calls of the loop between one failure and the next, at most. */
const CALLS_MAX = 20_000;
/** How long main takes. */
const RECLAIM_US = 5000;
const REPLACE_US = 200_000;

/** Calls that fail when it is planned. `close` never fails. */
const CALLS = [
  'accept',
  'openStream',
  'connect',
  'recv',
  'recvInto',
  'recvPipe',
  'send',
  'sendPipe',
  'watch',
  'cancel',
  'shutdown',
  'buffersHeld',
] as const;

/** What is thrown on purpose. */
export class Planted extends Error {}

export interface CrewHost {
  readonly clock: SimClock;
  readonly prng: Prng;
  readonly settings: SeedSettings;
  readonly tables: Tables;
  /** Makes the loop of a worker; its slots begin at `slotFirst`. */
  openLoop(slotFirst: number): CrewLoop;
  /** Main resets a connection. */
  abort(fd: Fd): void;
  /** A turn is about to begin. */
  beforeTurn(): void;
  readonly ledger: SideLedger;
  /** What is closed now, is closed because a worker has failed. */
  isFailing: boolean;
}

/** One worker: its present loop and engine, if it has not failed. */
interface Member {
  readonly post: Post;
  loop: CrewLoop;
  driven: Driven;
  turn: Turn;
  /** In a turn until then, and asleep until then. */
  busyUs: number;
  dueUs: number;
  state: 'runs' | 'failed' | 'reclaimed' | 'ended';
}

export class Crew implements EventSink, ListenerOwner {
  failures = 0;
  private readonly host: CrewHost;
  private readonly make: DrivenFactory;
  private readonly sink: number;
  private readonly members: Member[] = [];
  private readonly canFail: boolean;
  /** Calls until the next failure. */
  private fuse = Infinity;

  constructor(host: CrewHost, make: DrivenFactory, count: number, canFail: boolean) {
    this.host = host;
    this.make = make;
    this.canFail = canFail;
    this.sink = host.clock.register(this);
    const { slotCount } = host.settings;
    for (let worker = 0; worker < count; worker++) {
      const wakeWorker = (other: number): void => this.members[other].loop.wake();
      this.members.push(this.member({ worker, slotFirst: worker * slotCount, workerCount: count, wakeWorker }));
    }
  }

  get loops(): readonly CrewLoop[] {
    return this.members.map(({ loop }) => loop);
  }

  /** A worker has failed, and main has not yet given back what it held. */
  get isBroken(): boolean {
    return this.members.some(({ state }) => state === 'failed');
  }

  /** All workers are there. */
  get isWhole(): boolean {
    return this.members.every(({ state }) => state === 'runs');
  }

  wake(): void {
    for (const { loop } of this.members) loop.wake();
  }

  listenerChanged(listener: SimListener): void {
    for (const { loop } of this.members) loop.listenerChanged(listener);
  }

  /** From now on turns throw, until `calm`. */
  begin(): void {
    this.light();
  }

  calm(): void {
    this.fuse = Infinity;
  }

  /** Until all have stopped. */
  run(): void {
    const { clock, prng } = this.host;
    while (this.members.some(({ state }) => state !== 'ended')) {
      const ready = this.members.filter((member) => isReady(member, clock.nowUs));
      if (ready.length > 0) {
        this.runTurn(ready[prng.below(ready.length)]);
        continue;
      }
      const untilUs = Math.min(clock.nowUs + WAIT_MAX_US, ...this.members.map(nextUs));
      if (!clock.step(untilUs)) clock.nowUs = Math.max(clock.nowUs, untilUs);
    }
  }

  fire(kind: number, worker: number): void {
    const { host } = this;
    const member = this.members[worker];
    if (kind === EV_RECLAIM) {
      host.isFailing = true;
      this.driverOf(member).reclaim(host.tables, worker, (fd) => host.abort(fd));
      host.isFailing = false;
      member.state = 'reclaimed';
      // As main does: places are free, and it may have been the only one that accepted.
      this.wake();
      host.clock.after(host.prng.below(REPLACE_US), this.sink, EV_REPLACE, worker, 0);
      return;
    }
    const { loop, driven, turn } = this.member(member.post);
    Object.assign(member, { loop, driven, turn, busyUs: 0, dueUs: 0, state: 'runs' });
  }

  checkEnd(): void {
    for (const { driven } of this.members) driven.checkEnd();
  }

  private driverOf({ driven }: Member): Required<Pick<Driven, 'abandon' | 'reclaim'>> {
    const { abandon, reclaim } = driven;
    if (abandon === undefined || reclaim === undefined) throw new Error('what fails must be able to be given up');
    return { abandon, reclaim };
  }

  private member(post: Post): Member {
    const { host } = this;
    const loop = host.openLoop(post.slotFirst);
    const nowMs = host.clock.nowUs / 1000;
    const driven = this.make(this.canFail ? this.plant(loop) : loop, host.tables, host.settings, nowMs, post);
    registerWorker(host.tables, post.worker);
    return { post, loop, driven, turn: driven.turn, busyUs: 0, dueUs: 0, state: 'runs' };
  }

  private runTurn(member: Member): void {
    const { host } = this;
    const { loop, turn } = member;
    host.beforeTurn();
    let dueUs: Us;
    try {
      dueUs = loop.runTurn(turn);
    } catch (error) {
      if (!(error instanceof Planted)) throw error;
      this.giveUp(member);
      return;
    }
    member.busyUs = host.clock.nowUs + loop.turnLastsUs();
    member.dueUs = Math.min(Math.ceil(dueUs), host.clock.nowUs + WAIT_MAX_US);
    if (dueUs !== STOP) return;
    member.state = 'ended';
    unregisterWorker(host.tables, member.post.worker);
  }

  /** What the worker's thread does itself before it ends. */
  private giveUp(member: Member): void {
    const { host } = this;
    const { loop, post } = member;
    const before = loop.descriptors.count;
    host.isFailing = true;
    this.driverOf(member).abandon();
    loop.giveUp();
    host.isFailing = false;
    // They were accepted, but no row has ever told of them.
    host.ledger.accepted -= before - loop.descriptors.count;
    unregisterWorker(host.tables, post.worker);
    member.state = 'failed';
    this.failures++;
    this.light();
    host.clock.after(host.prng.below(RECLAIM_US), this.sink, EV_RECLAIM, post.worker, 0);
  }

  private light(): void {
    const { canFail, failures } = this;
    this.fuse = canFail && failures < FAILURES_MAX ? 1 + this.host.prng.skewed(CALLS_MAX) : Infinity;
  }

  /** The loop as the engine sees it: calls of it throw when it is time. */
  private plant(loop: CrewLoop): Loop {
    const planted = Object.create(loop) as Record<string, unknown>;
    for (const name of ['close', 'release', 'takePipe', 'givePipe', 'trimPipes', 'progress', 'unsent', 'trim'] as const)
      planted[name] = loop[name].bind(loop);
    for (const name of CALLS) {
      const call = (loop[name] as (...words: unknown[]) => unknown).bind(loop);
      planted[name] = (...words: unknown[]): unknown => {
        if (--this.fuse <= 0) throw new Planted(name);
        return call(...words);
      };
    }
    return planted as unknown as Loop;
  }
}

function isReady({ state, loop, busyUs, dueUs }: Member, nowUs: number): boolean {
  return state === 'runs' && nowUs >= busyUs && (loop.hasNews || nowUs >= dueUs);
}

function nextUs({ state, loop, busyUs, dueUs }: Member): number {
  if (state !== 'runs') return Infinity;
  return loop.hasNews ? busyUs : Math.max(busyUs, dueUs);
}
