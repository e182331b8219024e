/** F1: a server that is killed is noticed by the connections it had, and by nobody who comes later. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { baselineOf, expectAtRest } from '../support/oracles.ts';
import { Pen } from '../support/pen.ts';
import { Peer } from '../support/peer.ts';
import { LOOPS } from '../support/rig.ts';
import { reactor } from '../support/reactor.ts';
import { ServerProcess } from '../support/server-process.ts';
import { needsLoop } from '../support/skip.ts';
import { Visitors } from '../support/visitors.ts';

const PER_SECOND = 1000;
const BLACKLIST_S = 1;
/** A client that waits this long has met the connect timeout, so it was sent to a server that does not answer. */
const TIMEOUT_S = 5;

for (const loop of LOOPS) {
  needsLoop(loop, 'F1: a killed server', () => {
    const servers = [new ServerProcess(), new ServerProcess()];
    let pen: Pen;

    beforeAll(async () => {
      for (const server of servers) await server.start();
      pen = await Pen.start({
        loop,
        options: ['-r', '-x', '2000', '-O', 'source_max 0', '-b', String(BLACKLIST_S), '-t', String(TIMEOUT_S)],
        servers: servers.map((server) => server.address),
      });
    });

    afterAll(async () => {
      expect((await pen.stop()).code).toBe(0);
      for (const server of servers) await server.kill();
    });

    test(`F1: at ${PER_SECOND} new connections a second none fails that begins after a server was killed, and the server is used again when it is back`, async () => {
      const baseline = baselineOf(pen);
      const visitors = new Visitors(pen.endpoint, PER_SECOND);
      onTestFinished(() => visitors.stop());
      visitors.start();
      await reactor().pass(700);
      await servers[0].kill();
      const killedMs = performance.now();
      await reactor().pass(1500);
      await servers[0].start();
      const backMs = performance.now();
      await reactor().pass(BLACKLIST_S * 1000 + 600);
      // Who comes from here on may be with the second server while that is being killed.
      const calmMs = performance.now();
      await reactor().pass(200);
      // With only the first server left, whoever is answered was answered by it.
      await servers[1].kill();
      const aloneMs = performance.now();
      await reactor().pass(500);
      await visitors.finish(5000);
      const failed = (from: number, to?: number): object[] =>
        visitors.between(from, to).filter((visit) => !visit.isAnswered);
      expect(failed(killedMs, calmMs)).toEqual([]);
      expect(failed(aloneMs)).toEqual([]);
      expect(visitors.between(aloneMs).length).toBeGreaterThan(PER_SECOND / 4);
      expect(visitors.between(killedMs, backMs).length).toBeGreaterThan(PER_SECOND / 2);
      expect(Math.max(...visitors.between(killedMs).map((visit) => visit.ms))).toBeLessThan(TIMEOUT_S * 1000);
      await servers[1].start();
      Peer.closeAll();
      await expectAtRest(pen, baseline);
    });
  });
}
