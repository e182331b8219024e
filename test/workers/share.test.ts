/** Several workers behind one listener: each has its part of the connections, and limits hold for all of them together. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ask, AS_WHO_WE_ARE } from '../support/control.ts';
import { Peer } from '../support/peer.ts';
import { Pen } from '../support/pen.ts';
import { reactor } from '../support/reactor.ts';
import { KERNEL_LOOPS } from '../support/rig.ts';
import { Server } from '../support/server.ts';
import { needsLoop } from '../support/skip.ts';

const WORKERS = 4;
/** So many that three workers, each four above the average of all, could not have all of them. */
const CONN_MAX = 64;
/** So many slots belong to each worker. */
const SLOTS = 2 ** 18 / WORKERS;

const FOLDER = mkdtempSync(join(tmpdir(), 'pen-share-'));
const CONTROL = join(FOLDER, 'control');
afterAll(() => rmSync(FOLDER, { recursive: true }));

/** Connections of each worker. */
async function loads(): Promise<number[]> {
  const told = JSON.parse(await ask(CONTROL, '--json connections\n')) as { connections: { connection: number }[] };
  const counts: number[] = Array.from({ length: WORKERS }, () => 0);
  for (const { connection } of told.connections) counts[Math.floor(connection / SLOTS)]! += 1;
  return counts;
}

/** Lets clients come and go until each worker has had some: one whose first turn is still to come is not reckoned with. */
async function untilAllTakePart(pen: Pen, server: Server): Promise<void> {
  for (let rounds = 1, shares: number[] = [0]; shares.includes(0); rounds++) {
    if (rounds > 20) throw new Error(`some worker never takes part: ${shares.join(', ')}`);
    const clients = Array.from({ length: CONN_MAX }, () => Peer.connect(pen.endpoint));
    await reactor().until(() => server.waiting.length === CONN_MAX, 'all are at the server');
    shares = await loads();
    for (const client of clients) client.reset();
    await reactor().until(() => server.waiting.every((peer) => peer.ending !== ''), 'the server is told');
    for (const peer of server.waiting.splice(0)) peer.close();
  }
  while ((await loads()).some((share) => share > 0)) await reactor().pass(20);
}

for (const loop of KERNEL_LOOPS) {
  needsLoop(loop, 'several workers', () => {
    test('all have about as many connections, together exactly conn_max, and who leaves makes room', async () => {
      const server = new Server();
      const options = [
        '-r',
        '-O',
        `workers ${WORKERS}`,
        '-O',
        'source_max 0',
        '-x',
        String(CONN_MAX),
        '-C',
        CONTROL,
        ...AS_WHO_WE_ARE,
      ];
      const pen = await Pen.start({ loop, options, servers: [server.address] });
      try {
        await untilAllTakePart(pen, server);
        const clients = Array.from({ length: CONN_MAX + 20 }, () => Peer.connect(pen.endpoint));
        await reactor().until(() => server.waiting.length === CONN_MAX, 'conn_max connections at the server');
        await reactor().pass(300);
        expect(server.waiting.length).toBe(CONN_MAX);
        const shares = await loads();
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(CONN_MAX);
        for (const share of shares) expect(share, `one of ${shares.join(', ')}`).toBeGreaterThan(0);
        // Whoever serves those that leave, somebody takes those that wait.
        for (const client of clients.slice(0, 20)) client.reset();
        await reactor().until(() => server.waiting.length === CONN_MAX + 20, 'those who waited are served');
        await reactor().until(() => clients.slice(20).every((client) => client.ending === ''), 'nobody else is reset');
      } finally {
        Peer.closeAll();
        const exit = await pen.stop();
        server.close();
        expect(exit.code).toBe(0);
      }
    });
  });
}
