/** T11: clients and servers may speak different address families, and unix sockets. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ENDED } from '../support/peer.ts';
import { onEachLoop } from '../support/rig.ts';
import { ip, unix } from '../support/sockets.ts';

const MIB = 1 << 20;
const folder = mkdtempSync(join(tmpdir(), 'pen-addresses-'));
const listenPath = join(folder, 'listen.sock');
let serverPaths = 0;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LISTENERS = { IPv4: '127.0.0.1:0', IPv6: '[::1]:0', 'IPv4-mapped': '[::ffff:127.0.0.1]:0', unix: listenPath };
const SERVERS = {
  IPv4: () => ip('127.0.0.1', 0),
  IPv6: () => ip('::1', 0),
  unix: () => unix(join(folder, `server-${++serverPaths}.sock`)),
};

for (const [from, listen] of Object.entries(LISTENERS)) {
  for (const [to, serverAt] of Object.entries(SERVERS)) {
    onEachLoop(`T11: ${from} to ${to}`, { listen, servers: [serverAt()] }, (rig) => {
      test(`T11: a client over ${from} and a server over ${to} exchange a stream and end it, each direction by itself`, async () => {
        const { client, server } = await rig.pair();
        client.send(3 * MIB);
        client.end();
        await rig.until(
          () => server.ending !== '',
          () => server.describe(),
        );
        server.send(5 * MIB);
        server.end();
        await rig.until(
          () => client.ending !== '',
          () => client.describe(),
        );
        expect([client.ending, client.received]).toEqual([ENDED, 5 * MIB]);
        expect([server.ending, server.received]).toEqual([ENDED, 3 * MIB]);
      });
    });
  }
}

onEachLoop('T11: the path of a listener', { listen: listenPath }, (rig) => {
  test('T11: the socket of a unix listener is gone when Pen has stopped', async () => {
    expect(existsSync(listenPath)).toBe(true);
    await rig.stop();
    expect(existsSync(listenPath)).toBe(false);
  });
});
