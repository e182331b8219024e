/** Failures of a worker that end Pen: it says what happened, all clients are reset, and the exit code is 1. */
import { expect, onTestFinished, test } from 'vitest';
import { Peer } from '../support/peer.ts';
import type { LoopName } from '../support/pen.ts';
import { reactor } from '../support/reactor.ts';
import { KERNEL_LOOPS } from '../support/rig.ts';
import { echo, Server } from '../support/server.ts';
import { needs, needsLoop } from '../support/skip.ts';
import { startPlantedPen, type Way } from './planted-pen.ts';

const CLIENTS = 20;
/** The longest way: two looks of the watchdog, then a stop in vain. Several times that on a shared machine. */
const END_LIMIT_MS = 60_000;

/**
 * Fails in this way while clients are served, and while others come.
 *
 * @param ending what those clients see.
 * @returns its lines on stderr.
 */
async function fail(loop: LoopName, workers: number, how: Way, ending = 'ECONNRESET'): Promise<string> {
  const server = new Server();
  server.onPeer = echo;
  const { pen, order, isTaken } = await startPlantedPen({
    loop,
    options: ['-r', ...(workers > 1 ? ['-O', `workers ${workers}`] : [])],
    servers: [server.address],
  });
  onTestFinished(() => {
    Peer.closeAll();
    server.close();
  });
  const clients = Array.from({ length: CLIENTS }, () => Peer.connect(pen.endpoint));
  for (const client of clients) client.send(100);
  await reactor().until(() => clients.every((client) => client.received === 100), 'all are served');
  order(how);
  clients[0]?.send(1);
  await reactor().until(isTaken, 'a worker fails');
  // Who comes now makes the other workers take every lock there is. All at once, so that a worker which has to wait for
  // a lock has accepted others that no row names yet.
  pen.child.kill('SIGSTOP');
  clients.push(...Array.from({ length: CLIENTS }, () => Peer.connect(pen.endpoint)));
  await reactor().pass(50);
  pen.child.kill('SIGCONT');
  let code: number | null | undefined;
  void pen.ended.then((exit) => (code = exit.code));
  await reactor().until(
    () => code !== undefined && clients.every((client) => client.ending !== ''),
    () => [`${code}`, ...pen.lines, ...clients.map((client) => client.describe())].join('\n'),
    END_LIMIT_MS,
  );
  const endings = (some: readonly Peer[]): string[] => [...new Set(some.map((client) => client.ending))];
  expect(endings(clients.slice(0, CLIENTS))).toEqual([ending]);
  for (const seen of endings(clients)) expect([ending, 'ECONNRESET', 'ECONNREFUSED']).toContain(seen);
  expect(code).toBe(1);
  return pen.lines.map((line) => line.replace(/^[-\d]+ [:\d]+: /, '')).join('\n');
}

for (const loop of KERNEL_LOOPS) {
  needsLoop(loop, 'the end', () => {
    test('a worker throws while it holds a lock, which others wait for', async () => {
      expect(await fail(loop, 3, 'THROW_LOCKED')).toMatch(
        /^this cannot go on, all connections are ended: worker \d failed while it changed what all workers share.*: Error: planted in/m,
      );
    });

    test(
      'a worker hangs while it holds a lock, which others wait for',
      async () => {
        const said = await fail(loop, 3, 'HANG_LOCKED');
        expect(said).toMatch(
          /^this cannot go on, all connections are ended: worker \d hangs: one turn of it lasts for more than five seconds$/m,
        );
        expect(said).toMatch(/^a worker did not stop in time and is left behind$/m);
      },
      END_LIMIT_MS * 2,
    );

    test('a worker runs out of memory', async () => {
      expect(await fail(loop, 2, 'HOARD')).toMatch(
        /^this cannot go on.*: worker \d failed without undoing what only it knew of: .*memory/m,
      );
    });
  });
}

needs({ linux: true }, "the end (Node's own loop)", () => {
  test('the worker throws', async () => {
    expect(await fail('node', 1, 'THROW')).toMatch(
      /^this cannot go on.*: worker 0 failed and took along its listeners, which on Node's own loop are the worker's: Error: planted in/m,
    );
  });

  test(
    'the worker hangs, and nobody else can reset its connections: what is complete seems to end in order',
    async () => {
      expect(await fail('node', 1, 'HANG', 'end')).toMatch(/^this cannot go on.*: worker 0 hangs/m);
    },
    END_LIMIT_MS * 2,
  );
});
