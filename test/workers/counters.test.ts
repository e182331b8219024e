/** What is counted only grows, however often anybody looks: while connections end, and when workers fail. */
import { afterEach, expect, test } from 'vitest';
import { Peer } from '../support/peer.ts';
import { reactor } from '../support/reactor.ts';
import { KERNEL_LOOPS } from '../support/rig.ts';
import { echo, Server } from '../support/server.ts';
import { needsLoop } from '../support/skip.ts';
import { Planted } from './planted.ts';

const WORKERS = 3;
const ROUNDS = 40;
const CLIENTS = 12;
const BYTES = 20_000;
/** After which rounds a worker fails. */
const FAILURES = [10, 20, 30];

let planted: Planted | undefined;
let server: Server | undefined;

afterEach(async () => {
  Peer.closeAll();
  await planted?.stop();
  server?.close();
});

for (const loop of KERNEL_LOOPS) {
  needsLoop(loop, 'counters', () => {
    test('never jump back, and in the end nothing is missing', async () => {
      server = new Server();
      const peers: Peer[] = [];
      server.onPeer = (peer) => {
        peers.push(peer);
        echo(peer);
      };
      const at = (planted = await Planted.start({
        settings: { workers: WORKERS, loop, sourceMax: 0 },
        servers: [server.port],
      }));
      let arrived = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const clients = Array.from({ length: CLIENTS }, () => Peer.connect(at.endpoint));
        for (const client of clients) client.send(BYTES);
        if (FAILURES.includes(round)) await at.fail(round % WORKERS);
        await reactor().until(
          () => clients.every(({ received, ending }) => received === BYTES || ending !== ''),
          () => `round ${round}: ${clients.map((client) => client.describe()).join('; ')}`,
        );
        for (const [i, client] of clients.entries()) {
          arrived += client.received;
          if (i % 2 === 0) client.close();
          else client.reset();
        }
      }
      await reactor().until(() => peers.every((peer) => !peer.isOpen), 'servers are told');
      await reactor().pass(100);
      const { readings, jumps, now } = await at.counting();
      expect(jumps).toEqual([]);
      expect(readings).toBeGreaterThan(ROUNDS);
      expect((await at.failures()).length, 'workers that failed').toBeGreaterThanOrEqual(FAILURES.length);
      // Who is accepted in the very turn that fails is in no row yet, and not counted.
      expect(now['accepted']).toBeGreaterThanOrEqual((ROUNDS - FAILURES.length) * CLIENTS);
      expect(now['accepted']).toBeLessThanOrEqual(ROUNDS * CLIENTS);
      expect(now['received of 0'], 'what clients have, came from the server').toBeGreaterThanOrEqual(arrived);
      const sent = peers.reduce((sum, peer) => sum + peer.sent, 0);
      expect(now['received of 0'], 'and nothing is counted twice').toBeLessThanOrEqual(sent);
      expect(now['sent of 0']).toBeLessThanOrEqual(ROUNDS * CLIENTS * BYTES);
      expect(now['connects of 0']).toBeLessThanOrEqual(ROUNDS * CLIENTS);
    });
  });
}
