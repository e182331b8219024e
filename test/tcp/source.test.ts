/** Where connections to servers come from: `source`, over every loop and in both families. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { AS_WHO_WE_ARE, ask } from '../support/control.ts';
import { Namespace } from '../support/namespace.ts';
import { Peer } from '../support/peer.ts';
import { Pen } from '../support/pen.ts';
import { reactor } from '../support/reactor.ts';
import { LOOPS, onEachLoop } from '../support/rig.ts';
import { Server } from '../support/server.ts';
import { needsLoop } from '../support/skip.ts';
import { ip, sockets, unix } from '../support/sockets.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'pen-source-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));
const CONTROL = join(FOLDER, 'control.sock');
const say = async (line: string): Promise<string> => ask(CONTROL, `${line}\n`);
/** Nobody's: kept for documentation. */
const ELSEWHERE = '192.0.2.1';

onEachLoop('source', { options: ['-C', CONTROL, ...AS_WHO_WE_ARE, '-O', 'source 127.0.0.77'] }, (rig) => {
  const seen = async (): Promise<string> => {
    const { client, server } = await rig.pair();
    client.send(10);
    server.send(10);
    await rig.until(() => client.received === 10 && server.received === 10, 'both are heard');
    return sockets().remoteAddress(server.fd);
  };

  test('servers see the address that was said, then another, then none of them', async () => {
    expect(await seen()).toBe('127.0.0.77');
    expect(await say('source 127.0.0.78')).toBe('');
    expect(await seen()).toBe('127.0.0.78');
    expect(await say('no source')).toBe('');
    expect(await seen()).toBe('127.0.0.1');
  });

  test('words that are no address change nothing, and are answered as they always were', async () => {
    await say('source 127.0.0.77');
    for (const word of ['no-such-host.invalid', '/run/x', '0.0.0.0', '::', 'a b']) {
      const [first = ''] = word.split(' ');
      expect(await say(`source ${word}`)).toBe(`unable to set source address to '${first}'`);
    }
    expect(await say('source')).toBe("unable to set source address to ''");
    expect(await seen()).toBe('127.0.0.77');
  });

  test('an address that cannot be had costs the client, never the server, and is never another one', async () => {
    for (const source of [ELSEWHERE, '::1']) {
      expect(await say(`source ${source}`)).toBe('');
      const client = rig.connect();
      await rig.until(() => client.ending !== '', 'the client is told');
      expect([source, client.ending]).toEqual([source, 'ECONNRESET']);
    }
    // What is said is main's, whatever the loop, and it looks now and then.
    if (rig.loop === 'uring') expect(await rig.pen.line(/source address/)).toMatch(/none of this machine, or of/);
    expect(await say('no source')).toBe('');
    expect(rig.server.waiting, 'nothing came from another address').toEqual([]);
    expect(await seen(), 'the server was not passed over').toBe('127.0.0.1');
  }, 20_000);
});

onEachLoop(
  'source with a unix server',
  { options: ['-O', 'source 127.0.0.77'], servers: [unix(join(FOLDER, 'server.sock'))] },
  (rig) => {
    test('a unix server does not mind', async () => {
      const { client, server } = await rig.pair();
      client.send(10);
      await rig.until(() => server.received === 10, 'it is heard');
    });
  },
);

for (const loop of LOOPS) {
  needsLoop(
    loop,
    'source over IPv6',
    () => {
      test('servers see the IPv6 address that was said', async () => {
        const namespace = new Namespace();
        execFileSync('ip', ['-n', namespace.name, 'addr', 'add', 'fd00::77/128', 'dev', 'lo', 'nodad']);
        const server = namespace.inside(() => new Server(ip('::1', 0)));
        const options = ['-O', 'source fd00::77'];
        const pen = await Pen.start({ loop, prefix: namespace.prefix, options, servers: [server.address] });
        const client = namespace.inside(() => Peer.connect(pen.endpoint));
        await reactor().until(() => server.waiting.length > 0, 'a connection arrives');
        expect(sockets().remoteAddress(server.waiting[0].fd)).toBe('fd00::77');
        client.close();
        server.close();
        expect((await pen.stop()).code).toBe(0);
        namespace.remove();
      });
    },
    { root: true, netns: true, packages: ['iproute2'] },
  );
}
