/** T13: a random walk over many connections, with a model of what each end must have seen. */
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { ENDED, type Peer } from '../support/peer.ts';
import { isLong, onEachLoop, runSeed, type Rig } from '../support/rig.ts';
import { ip } from '../support/sockets.ts';
import { queuesText } from '../support/tcp-facts.ts';

const STEPS = Number(process.env['STEPS'] ?? (isLong ? 1_000_000 : 20_000));
const CONNECTIONS_MAX = 200;
/** After so many steps everything that is allowed to move must have arrived. */
const CHECK_EVERY = 100;
const MAX_WRITE = 300_000;
/**
 * A client that leaves little room. Its segments are small, because else two kernels can get into a pace of their own: its
 * window opens by multiples of the largest segment that has come, and Pen's kernel waits for half of the largest window
 * before it sends. When a message of 1.9 to 2 KB was the largest segment, the one is a little less than the other: then
 * probes of the closed window are all that moves, 2 KB each 200 ms. It is the same without Pen in between.
 * @source __tcp_select_window, tcp_bound_to_half_wnd and tcp_write_wakeup of net/ipv4; seen on 6.18
 */
const NARROW = { receiveBuffer: 4096, segment: 1000 };
/** Queued by one end at most, so that a paused reader does not make the test's memory the subject. */
const BACKLOG_MAX = 2_000_000;

/** One end of a connection: what the test has done to it. */
interface End {
  readonly peer: Peer;
  isPaused: boolean;
  hasEnded: boolean;
  isGone: boolean;
}

/** A connection: what both ends have done, from which follows what they must see. */
class Walked {
  /** Pen has surely seen its server take it: a reset from now on is one of a connection, not of a connect. */
  isSettled = false;
  readonly ends: readonly [End, End];

  constructor(client: Peer, server: Peer) {
    this.ends = [newEnd(client), newEnd(server)];
  }

  get isAborted(): boolean {
    return this.ends.some((end) => end.isGone);
  }

  get isOver(): boolean {
    return this.ends.every((end) => end.isGone) || this.ends.every((end) => end.hasEnded);
  }

  /** What is not yet as the model says, or an empty text. Throws for what can never become right. */
  lag(which: 0 | 1): string {
    const end = this.ends[which];
    const other = this.ends[which === 0 ? 1 : 0];
    const { peer } = end;
    if (end.isGone) return '';
    if (peer.received > other.peer.sent) throw new Error(`more arrived than was sent: ${peer.describe()}`);
    if (other.isGone) return this.lagAfterReset(end, other);
    if (peer.ending !== '' && !(peer.ending === ENDED && other.hasEnded)) {
      throw new Error(`ended without reason: ${peer.describe()}; beside it ${other.peer.describe()}`);
    }
    if (peer.failure !== '') throw new Error(`failed without reason: ${peer.describe()}`);
    if (end.isPaused) return '';
    if (peer.received < other.peer.asked)
      return `bytes are missing: ${peer.describe()}; beside it ${other.peer.describe()}`;
    return other.hasEnded && peer.ending === ''
      ? `the end is missing: ${peer.describe()}; beside it ${other.peer.describe()}`
      : '';
  }

  /** Of both ends, for a failure's text: what is late, and where bytes lie at either side of Pen. What is nowhere, Pen has. */
  late(): string {
    const open = this.ends.filter(({ peer }) => peer.isOpen);
    const kernels = open.map(({ peer }) => `in the kernels of peer ${peer.key} | Pen: ${queuesText(peer.fd)}`);
    return [this.lag(0), this.lag(1), ...kernels].filter(Boolean).join('\n  ');
  }

  /** The other end has reset: this one must hear it, as an error, unless its incoming stream was complete before. */
  private lagAfterReset(end: End, other: End): string {
    const { peer } = end;
    if (peer.ending === ENDED && !other.hasEnded) {
      throw new Error(`a reset looks like an end: ${peer.describe()}`);
    }
    if (end.isPaused || peer.ending !== '' || peer.isHungUp) return '';
    return `the reset is missing: ${peer.describe()}`;
  }
}

function newEnd(peer: Peer): End {
  return { peer, isPaused: false, hasEnded: false, isGone: false };
}

class Walk {
  readonly trail: string[] = [];
  private readonly rig: Rig;
  private readonly prng: Prng;
  private walked: Walked[] = [];

  constructor(rig: Rig, seed: number) {
    this.rig = rig;
    this.prng = new Prng(seed);
  }

  async run(steps: number): Promise<void> {
    for (let step = 1; step <= steps; step++) {
      await this.step();
      if (step % CHECK_EVERY === 0) await this.check();
    }
    for (const { ends } of this.walked) for (const end of ends) this.wake(end);
    await this.check();
  }

  private async step(): Promise<void> {
    const { prng } = this;
    if (this.walked.length === 0 || (this.walked.length < CONNECTIONS_MAX && prng.chance(1, 8))) {
      const { client, server } = await this.rig.pair(prng.chance(1, 4) ? NARROW : {});
      this.walked.push(new Walked(client, server));
      return;
    }
    const walked = this.walked[prng.below(this.walked.length)];
    const end = walked.ends[prng.below(2)];
    if (!end.isGone) this.act(end, walked.isSettled);
  }

  private act(end: End, mayReset: boolean): void {
    const { prng } = this;
    const { peer } = end;
    const dice = prng.below(100);
    if (dice < 60) {
      const length = prng.skewed(MAX_WRITE);
      if (!end.hasEnded && peer.asked - peer.sent + length < BACKLOG_MAX) peer.send(length);
    } else if (dice < 72) {
      end.isPaused = true;
      peer.pause();
    } else if (dice < 88) {
      this.wake(end);
    } else if (dice < 97) {
      end.hasEnded = true;
      peer.end();
    } else if (mayReset) {
      end.isGone = true;
      peer.reset();
    }
  }

  private wake(end: End): void {
    if (!end.isPaused || end.isGone) return;
    end.isPaused = false;
    end.peer.resume();
  }

  /** Waits until every end is as the model says, then lets go of what is over. */
  private async check(): Promise<void> {
    // A paused reader holds back a reset for up to ten seconds, so that what was sent before it can be taken.
    for (const { ends, isAborted } of this.walked) if (isAborted) for (const end of ends) this.wake(end);
    const late = (): Walked[] => this.walked.filter((walked) => walked.lag(0) !== '' || walked.lag(1) !== '');
    await this.rig.until(
      () => late().length === 0,
      () =>
        late()
          .slice(0, 5)
          .map((walked) => walked.late())
          .join('\n'),
      8000,
    );
    const over = this.walked.filter((walked) => walked.isAborted || (walked.isOver && this.isRead(walked)));
    for (const { ends } of over) for (const { peer } of ends) peer.close();
    this.walked = this.walked.filter((walked) => !over.includes(walked));
    for (const walked of this.walked) walked.isSettled = true;
  }

  private isRead(walked: Walked): boolean {
    return walked.ends.every(({ peer }) => peer.ending !== '' && peer.isFlushed);
  }
}

onEachLoop(
  'T13: a random walk',
  { options: ['-x', '400'], servers: [ip('127.0.0.1', 0), ip('127.0.0.1', 0)] },
  (rig) => {
    const seed = runSeed();
    // The engine is the same: what is new on Node's own loop shows early.
    const steps = rig.loop === 'node' ? STEPS / 4 : STEPS;
    test(
      `T13: ${steps} steps of connecting, sending, pausing, half-closing and resetting agree with the model (SEED=${seed})`,
      async () => {
        await new Walk(rig, seed).run(steps);
        expect(rig.pen.isAlive).toBe(true);
      },
      isLong ? 7_200_000 : 120_000,
    );
  },
);
