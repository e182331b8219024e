/** Clients that arrive at a steady rate whatever happens, ask one thing and go: what a load generator calls open loop. */
import { Peer } from './peer.ts';
import { reactor } from './reactor.ts';
import type { Endpoint } from '../../src/base/endpoint.ts';

const QUESTION_BYTES = 100;

export interface Visit {
  readonly startMs: number;
  /** How long it took to be answered, or to fail; 0 while neither has happened. */
  ms: number;
  isAnswered: boolean;
  /** What the client met instead of an answer. */
  failure: string;
}

export class Visitors {
  readonly visits: Visit[] = [];
  private readonly to: Endpoint;
  private readonly perSecond: number;
  private readonly connect: (to: Endpoint) => Peer;
  private readonly answerKey: number | undefined;
  private startedMs = 0;
  private readonly tick = (nowMs: number): void => this.arrive(nowMs);

  /**
   * @param connect how a client connects, when it is not from here.
   * @param answerKey which stream answers, when it is not the question itself.
   */
  constructor(
    to: Endpoint,
    perSecond: number,
    connect: (to: Endpoint) => Peer = (to) => Peer.connect(to),
    answerKey?: number,
  ) {
    this.answerKey = answerKey;
    this.to = to;
    this.perSecond = perSecond;
    this.connect = connect;
  }

  start(): void {
    this.startedMs = performance.now();
    reactor().addTick(this.tick);
  }

  /** Nobody comes any more. */
  stop(): void {
    reactor().removeTick(this.tick);
  }

  /** Stops the arrivals and waits until everybody is answered or has failed. */
  async finish(limitMs: number): Promise<void> {
    this.stop();
    const open = (): number => this.visits.filter((visit) => visit.ms === 0).length;
    await reactor().until(
      () => open() === 0,
      () => `${open()} of ${this.visits.length} visits end`,
      limitMs,
    );
  }

  /** Visits that began in a stretch of time (of `performance.now()`). */
  between(fromMs: number, toMs = Infinity): Visit[] {
    return this.visits.filter(({ startMs }) => startMs >= fromMs && startMs < toMs);
  }

  private arrive(nowMs: number): void {
    const due = Math.floor(((nowMs - this.startedMs) * this.perSecond) / 1000);
    while (this.visits.length < due) this.visit();
  }

  private visit(): void {
    const visit: Visit = { startMs: performance.now(), ms: 0, isAnswered: false, failure: '' };
    this.visits.push(visit);
    const client = this.connect(this.to);
    client.inKey = this.answerKey ?? client.key;
    client.onChange = () => {
      if (client.received < QUESTION_BYTES && client.ending === '') return;
      visit.ms = performance.now() - visit.startMs;
      visit.isAnswered = client.received === QUESTION_BYTES;
      if (!visit.isAnswered) visit.failure = client.ending;
      client.close();
    };
    client.send(QUESTION_BYTES);
    if (!client.isOpen) client.onChange(client);
  }
}
