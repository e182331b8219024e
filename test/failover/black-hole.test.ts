/** F2: a server that swallows packets delays those who are on their way to it, once, and nobody else. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { baselineOf, cpuShare, expectAtRest } from '../support/oracles.ts';
import { Namespace } from '../support/namespace.ts';
import { Peer } from '../support/peer.ts';
import { Pen } from '../support/pen.ts';
import { reactor } from '../support/reactor.ts';
import { LOOPS } from '../support/rig.ts';
import { echo, Server } from '../support/server.ts';
import { needsLoop } from '../support/skip.ts';
import { Visitors, type Visit } from '../support/visitors.ts';

/** Few enough that a busy processor would be the hole's doing, on the slowest machine too. */
const PER_SECOND = 50;
const TIMEOUT_S = 2;
const TIMEOUT_MS = TIMEOUT_S * 1000;
const ANSWER_KEY = 0;

const hasWaited = (visit: Visit): boolean => visit.ms > TIMEOUT_MS - 50;
const endMs = (visit: Visit): number => visit.startMs + visit.ms;

function answer(peer: Peer): void {
  peer.key = ANSWER_KEY;
  echo(peer);
}

for (const loop of LOOPS) {
  needsLoop(
    loop,
    'F2: a black hole',
    () => {
      let namespace: Namespace;
      let servers: Server[] = [];
      let pen: Pen;

      beforeAll(async () => {
        namespace = new Namespace();
        servers = [0, 1, 2].map(() => namespace.inside(() => new Server()));
        for (const server of servers) server.onPeer = answer;
        pen = await Pen.start({
          loop,
          prefix: namespace.prefix,
          options: [
            '-r',
            '-x',
            '2000',
            '-O',
            'source_max 0',
            '-O',
            'pending_max 2000',
            '-t',
            String(TIMEOUT_S),
            '-b',
            '30',
          ],
          servers: servers.map((server) => server.address),
        });
      });

      afterAll(async () => {
        const exit = await pen.stop();
        for (const server of servers) server.close();
        namespace.remove();
        expect(exit.code).toBe(0);
      });

      /** Far from a processor that does nothing else. */
      const busy = loop === 'node' ? 0.4 : 0.2;

      test('F2: only connections that are on their way to a black hole wait, for one timeout; later ones never do; the processor stays free', async () => {
        const baseline = baselineOf(pen);
        const visitors = new Visitors(
          pen.endpoint,
          PER_SECOND,
          (to) => namespace.inside(() => Peer.connect(to)),
          ANSWER_KEY,
        );
        onTestFinished(() => visitors.stop());
        visitors.start();
        await reactor().pass(500);
        namespace.blackHole([servers[0].port]);
        const holeMs = performance.now();
        await reactor().pass(200);
        expect(await cpuShare(pen, TIMEOUT_MS - 300)).toBeLessThan(busy);
        // Known from when the first who waited is answered: by another server, so this one has been given up.
        const known = (): number => Math.min(...visitors.between(holeMs).filter(hasWaited).map(endMs));
        await reactor().until(() => known() < Infinity, 'somebody has waited for one timeout');
        await reactor().pass(300);
        expect(await cpuShare(pen, 1000)).toBeLessThan(busy);
        const knownMs = known();
        await visitors.finish(5000);
        namespace.heal();
        const slowest = (visits: readonly Visit[]): number => Math.max(...visits.map((visit) => visit.ms));
        expect(visitors.visits.filter((visit) => !visit.isAnswered)).toEqual([]);
        // One timeout, not two; and later none.
        expect(slowest(visitors.visits)).toBeLessThan(TIMEOUT_MS * 2);
        expect(slowest(visitors.between(knownMs))).toBeLessThan(TIMEOUT_MS);
        Peer.closeAll();
        await expectAtRest(pen, baseline);
      });
    },
    { root: true, netns: true, packages: ['iproute2', 'nftables'] },
  );
}
