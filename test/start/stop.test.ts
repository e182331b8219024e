/** T6 and stopping: whatever is going on, TERM ends the process soon, with status 0, and everybody is told. */
import { expect, test } from 'vitest';
import { Peer } from '../support/peer.ts';
import { Pen, type LoopName } from '../support/pen.ts';
import { reactor } from '../support/reactor.ts';
import { LOOPS, Rig, type RigOptions } from '../support/rig.ts';
import { needsLoop } from '../support/skip.ts';
import { Visitors } from '../support/visitors.ts';

const MIB = 1 << 20;
/** Most stops take some tens of ms. A worker that has not stopped after this long is left behind, and the status is 1. */
const SOON_MS = 5000;
const TINY = { receiveBuffer: 4096, segment: 1000 };

/** Runs a test with its own Pen, which the test stops by itself. */
async function withRig(loop: LoopName, options: RigOptions, body: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = new Rig(loop, options);
  await rig.start();
  try {
    await body(rig);
  } finally {
    Peer.closeAll();
    await rig.stop();
  }
}

/** TERM must end it soon, with status 0; the test's own sockets go on meanwhile. */
async function expectStop(rig: Rig, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  const exit = await rig.pen.stop(signal);
  expect({ code: exit.code, signal: exit.signal }, rig.pen.lines.join('\n')).toEqual({ code: 0, signal: null });
  expect(exit.ms).toBeLessThan(SOON_MS);
}

/** Half a thousand connections in each of the states they can stay in. */
async function fillStates(rig: Rig, each: number): Promise<Peer[]> {
  const idle = await rig.pairs(each);
  const halfClosed = await rig.pairs(each);
  halfClosed.forEach(({ client, server }, i) => (i % 2 === 0 ? client : server).end());
  const stalled = await rig.pairs(each, TINY);
  for (const { client, server } of stalled) {
    client.pause();
    server.send(512 * 1024);
  }
  const draining = await rig.pairs(each, TINY);
  for (const { client, server } of draining) {
    client.pause();
    server.send(256 * 1024);
  }
  await rig.pass(300);
  for (const { server } of draining) server.reset();
  const connecting: Peer[] = [];
  rig.server.stopAccepting();
  for (let i = 0; i < 90; i++) connecting.push(rig.connect());
  await rig.pass(100);
  const clients = [idle, halfClosed, stalled, draining].flatMap((pairs) => pairs.map(({ client }) => client));
  return [...clients, ...connecting];
}

for (const loop of LOOPS) {
  needsLoop(loop, 'stopping', () => {
    test.each(['SIGTERM', 'SIGINT'] as const)('%s ends an idle process with status 0', async (signal) => {
      await withRig(loop, {}, async (rig) => expectStop(rig, signal));
    });

    test('TERM ends two thousand connections that are idle, half closed, stalled, draining or connecting, and each client is told', async () => {
      await withRig(loop, { options: ['-x', '3000', '-q', '4096', '-t', '30'], serverBacklog: 0 }, async (rig) => {
        rig.server.startAccepting();
        const clients = await fillStates(rig, 500);
        await expectStop(rig);
        for (const client of clients) client.resume();
        await reactor().until(() => clients.every((client) => client.ending !== ''), 'all are told');
        const endings = new Map<string, number>();
        for (const { ending } of clients) endings.set(ending, (endings.get(ending) ?? 0) + 1);
        // The half whose server had ended its stream has heard an end before.
        expect(endings).toEqual(
          new Map([
            ['ECONNRESET', clients.length - 250],
            ['end', 250],
          ]),
        );
      });
    }, 60_000);

    test('T6: TERM while 50 MiB are on their way ends the process soon: the reader has everything, or is told that it has not', async () => {
      await withRig(loop, {}, async (rig) => {
        const pairs = await rig.pairs(8);
        for (const { server } of pairs) {
          server.send(50 * MIB);
          server.end();
        }
        await rig.until(() => pairs.every(({ client }) => client.received > MIB), 'bytes flow');
        const stopped = rig.pen.stop();
        await rig.until(() => pairs.every(({ client }) => client.ending !== ''), 'all are told');
        const exit = await stopped;
        expect(exit.code).toBe(0);
        expect(exit.ms).toBeLessThan(SOON_MS);
        const liars = pairs.filter(({ client }) => client.ending === 'end' && client.received < 50 * MIB);
        expect(liars.map(({ client }) => client.describe())).toEqual([]);
      });
    });

    test('TERM while clients arrive at 1,000 a second ends the process soon', async () => {
      await withRig(loop, { options: ['-x', '1000'] }, async (rig) => {
        rig.server.onPeer = (peer) => {
          peer.key = 0;
          peer.onChange = () => {
            if (peer.received > peer.asked) peer.send(peer.received - peer.asked);
            if (peer.ending !== '') peer.close();
          };
        };
        const visitors = new Visitors(rig.pen.endpoint, 1000, undefined, 0);
        visitors.start();
        const answered = (): number => visitors.visits.filter((visit) => visit.isAnswered).length;
        await rig.until(
          () => answered() > 200,
          () => `${answered()} visitors are answered`,
        );
        const stopped = rig.pen.stop();
        await rig.pass(300);
        visitors.stop();
        const exit = await stopped;
        expect([exit.code, exit.ms < SOON_MS]).toEqual([0, true]);
      });
    });

    test('TERM in the first moments, before and while it begins to listen, is never lost', async () => {
      for (const delayMs of [60, 90, 120, 150, 180]) {
        const started = Pen.run({ loop, servers: ['127.0.0.1:9'], signalAfterMs: delayMs });
        const { exit, lines } = await started;
        // Before Node runs our first line the system's own answer to TERM applies.
        const isSystem = exit.signal === 'SIGTERM' && lines.length === 0;
        expect(isSystem || exit.code === 0, `${delayMs} ms: ${JSON.stringify(exit)} ${lines.join('\n')}`).toBe(true);
      }
    });

    test('the port is free as soon as the process has ended', async () => {
      await withRig(loop, {}, async (rig) => {
        const { client } = await rig.pair();
        const { port } = rig.pen;
        await expectStop(rig);
        const again = await Pen.start({ loop, listen: `127.0.0.1:${port}`, servers: ['127.0.0.1:9'] });
        expect((await again.stop()).code).toBe(0);
        expect(client.isOpen).toBe(true);
      });
    });
  });
}
