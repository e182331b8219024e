/** What is kept back for each worker is enough: with not one descriptor to spare it starts, and all places are used. */
import { afterEach, expect, test } from 'vitest';
import { DESCRIPTOR_RESERVE, WORKER_RESERVE } from '../../src/control/machine.ts';
import { strangeLines } from '../support/oracles.ts';
import { Peer } from '../support/peer.ts';
import { Pen } from '../support/pen.ts';
import { descriptorsOf } from '../support/process-facts.ts';
import { reactor } from '../support/reactor.ts';
import { KERNEL_LOOPS } from '../support/rig.ts';
import { echo, Server } from '../support/server.ts';
import { needsLoop } from '../support/skip.ts';

const CONN_MAX = 40;
const WAITING = 20;

let server: Server | undefined;
let pen: Pen | undefined;

afterEach(async () => {
  Peer.closeAll();
  await pen?.stop();
  server?.close();
});

for (const loop of KERNEL_LOOPS) {
  needsLoop(loop, 'descriptors', () => {
    test.each([1, 4, 16])('%i workers need no more than is kept back for them', async (workers) => {
      server = new Server();
      server.onPeer = echo;
      const own = DESCRIPTOR_RESERVE + (workers - 1) * WORKER_RESERVE;
      const options = ['-r', '-O', `workers ${workers}`, '-x', `${CONN_MAX}`];
      const { address } = server;
      const at = (pen = await Pen.start({ loop, options, servers: [address], descriptors: 2 * CONN_MAX + own }));
      const open = descriptorsOf(at.pid);
      expect(open.length, open.join(' ')).toBeLessThanOrEqual(own);
      const clients = Array.from({ length: CONN_MAX + WAITING }, () => Peer.connect(at.endpoint));
      for (const client of clients) client.send(100);
      const served = (): Peer[] => clients.filter((client) => client.received === 100);
      const state = (): string => `${served().length} are served: ${at.lines.join('\n')}`;
      await reactor().until(() => served().length === CONN_MAX, state);
      const gone = served().slice(0, WAITING);
      for (const client of gone) client.reset();
      await reactor().until(() => served().length === CONN_MAX + WAITING, state);
      expect(clients.filter((client) => !gone.includes(client) && client.ending !== '')).toEqual([]);
      expect(strangeLines(at.lines)).toEqual([]);
    });
  });
}
