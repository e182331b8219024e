/**
 * Four workers under churn while one of them throws every few seconds: limits hold at every moment, nobody is refused,
 * only connections of the worker that threw are lost, and in the end everything is given back. PEN_LONG: ten minutes.
 */
import { afterEach, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { Peer } from '../support/peer.ts';
import { descriptorsOf } from '../support/process-facts.ts';
import { reactor } from '../support/reactor.ts';
import { isLong, KERNEL_LOOPS } from '../support/rig.ts';
import { echo, Server } from '../support/server.ts';
import { needsLoop } from '../support/skip.ts';
import { Planted } from './planted.ts';

const RUN_MS = isLong ? 600_000 : 15_000;
const EVERY_MS = isLong ? 5000 : 2500;
const LIMITS = { connMax: 40, pendingMax: 12, sourceMax: 15, parkedMax: 200 };
const SERVER_MAX = 25;
/** More than can be served, half of them from one address: some wait in the backlog, some are parked. */
const CLIENTS = 70;
const ADDRESSES = 4;
const ANSWERS = 1_000_000;
/**
 * A reset is heard of this long before it is told why, or after: the machine may be busy. Well below half of EVERY_MS, so
 * that there are times in which no failure explains one.
 */
const NEAR_MS = 1000;

const seed = Number(process.env['CHURN_SEED'] ?? Date.now() % 1_000_000);

interface Loss {
  readonly ms: number;
  readonly ending: string;
}

/** Keeps CLIENTS coming, each with a question or two and a rest, until told to stop. */
class Crowd {
  served = 0;
  readonly losses: Loss[] = [];
  private readonly at: Planted;
  private readonly prng: Prng;
  private readonly here = new Set<Peer>();
  private isOver = false;
  private readonly tick = (): void => this.fill();

  constructor(at: Planted, prng: Prng) {
    this.at = at;
    this.prng = prng;
    reactor().addTick(this.tick);
  }

  /** Nobody comes any more, and those who are here leave. */
  leave(): void {
    this.isOver = true;
    reactor().removeTick(this.tick);
    for (const client of this.here) client.close();
    this.here.clear();
  }

  private fill(): void {
    while (this.here.size < CLIENTS) this.come();
  }

  private come(): void {
    const { prng } = this;
    const client = Peer.connect(this.at.endpoint, {
      from: `127.0.0.${prng.chance(1, 2) ? 2 : 3 + prng.below(ADDRESSES)}`,
    });
    this.here.add(client);
    client.inKey = ANSWERS;
    const size = 1 + (prng.chance(1, 10) ? prng.below(200_000) : prng.below(2000));
    client.send(size);
    let rounds = prng.below(3);
    const restMs = prng.chance(1, 4) ? prng.below(1500) : 0;
    client.onChange = () => {
      if (this.isOver || !this.here.has(client)) return;
      if (client.ending !== '') {
        this.losses.push({ ms: performance.timeOrigin + performance.now(), ending: client.ending });
        this.here.delete(client);
        client.close();
      } else if (client.received === client.asked) {
        if (rounds-- > 0) client.send(size);
        else setTimeout(() => this.go(client), restMs);
      }
    };
    // Some do not wait for an answer, nor for being served.
    if (prng.chance(1, 20)) setTimeout(() => this.go(client), prng.below(100));
  }

  private go(client: Peer): void {
    if (!this.here.delete(client)) return;
    if (client.received > 0) this.served++;
    if (this.prng.chance(1, 5)) client.reset();
    else client.close();
  }
}

let planted: Planted | undefined;
const servers: Server[] = [];

afterEach(async () => {
  Peer.closeAll();
  await planted?.stop();
  for (const server of servers.splice(0)) server.close();
});

for (const loop of KERNEL_LOOPS) {
  needsLoop(loop, 'churn', () => {
    test(
      `four workers, one of which throws every ${EVERY_MS / 1000} s, seed ${seed}`,
      async () => {
        for (let i = 0; i < 2; i++) {
          const server = new Server();
          server.onPeer = (peer) => {
            peer.key = ANSWERS;
            echo(peer);
          };
          servers.push(server);
        }
        const at = (planted = await Planted.start({
          settings: { workers: 4, loop, ...LIMITS },
          servers: servers.map(({ port }) => port),
          serverMax: SERVER_MAX,
          everyMs: EVERY_MS,
          seed,
        }));
        const atStart = descriptorsOf(at.pid).length;
        const crowd = new Crowd(at, new Prng(seed));
        await reactor().pass(RUN_MS);
        const failures = await at.failures();
        const most = await at.most();
        crowd.leave();
        await reactor().pass(1500);

        // Fewer would mean that the run was not what it claims to be.
        expect(failures.length).toBeGreaterThan(RUN_MS / EVERY_MS / 4);
        for (const { text } of failures)
          expect(text).toMatch(/^worker \d failed, its \d+ connections are reset.*planted in/s);
        expect(most.used).toBe(LIMITS.connMax);
        expect(most.places).toBe(LIMITS.connMax);
        expect(most.pending).toBeLessThanOrEqual(LIMITS.pendingMax);
        expect(most.inFlight).toBeLessThanOrEqual(SERVER_MAX);
        expect(most.parked).toBeGreaterThan(0);
        expect(crowd.served).toBeGreaterThan(RUN_MS / 100);
        const strange = crowd.losses.filter(
          ({ ms, ending }) =>
            ending !== 'ECONNRESET' || !failures.some((failure) => Math.abs(failure.ms - ms) < NEAR_MS),
        );
        expect(strange, 'endings that no failure explains').toEqual([]);
        const told = failures.reduce((sum, { text }) => sum + Number(/its (\d+) connections/.exec(text)?.[1]), 0);
        // At most those whose accept was under way are in no row.
        expect(crowd.losses.length).toBeLessThanOrEqual(told + failures.length * (LIMITS.pendingMax / 4));
        console.log(
          `${loop}: ${crowd.served} served, ${failures.length} failures with ${told} connections, ${crowd.losses.length} clients reset`,
        );
        const figures = await at.figures();
        expect(figures).toMatchObject({ used: 0, parked: 0, inFlight: 0, pending: 0, sources: 0, descriptors: 0 });
        expect(figures.lockHolders).toEqual([-1, -1]);
        expect(figures.places, 'nothing is reserved but for accepts in flight').toBe(figures.reserved);
        expect(figures.accepted).toBe(figures.closed);
        expect(descriptorsOf(at.pid).length - atStart, 'descriptors left').toBeLessThanOrEqual(0);
        expect(at.said).toBe('');
      },
      RUN_MS + 60_000,
    );
  });
}
