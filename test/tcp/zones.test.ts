/** Addresses that mean nothing without their interface, which may be called by its name, on either side. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Namespace } from '../support/namespace.ts';
import { Peer } from '../support/peer.ts';
import { Pen } from '../support/pen.ts';
import { reactor } from '../support/reactor.ts';
import { LOOPS } from '../support/rig.ts';
import { echo, Server } from '../support/server.ts';
import { needsLoop } from '../support/skip.ts';
import { ip } from '../support/sockets.ts';

const LINK = 'pen-zone0';
const ADDRESS = 'fe80::7';

for (const loop of LOOPS) {
  needsLoop(
    loop,
    'zones',
    () => {
      let namespace: Namespace;
      let number = '';

      beforeAll(() => {
        namespace = new Namespace();
        const run = (words: string): string =>
          execFileSync('ip', ['-n', namespace.name, ...words.split(' ')], { encoding: 'utf8' });
        run(`link add ${LINK} type veth peer name pen-zone1`);
        run(`addr add ${ADDRESS}/64 dev ${LINK} nodad`);
        for (const link of [LINK, 'pen-zone1']) run(`link set ${link} up`);
        number = /^\d+/.exec(run(`-o link show ${LINK}`))?.[0] ?? '';
      });
      afterAll(() => namespace.remove());

      test('listener and server are found by the name of their interface', async () => {
        const server = namespace.inside(() => new Server(ip(`${ADDRESS}%${number}`, 0)));
        server.onPeer = echo;
        const pen = await Pen.start({
          loop,
          prefix: namespace.prefix,
          listen: `[${ADDRESS}%${LINK}]:0`,
          servers: [server.address.replace(`%${number}`, `%${LINK}`)],
        });
        expect(pen.endpoint).toMatchObject({ scope: Number(number) });
        const client = namespace.inside(() => Peer.connect(pen.endpoint));
        client.send(1000);
        await reactor().until(
          () => client.received === 1000,
          () => client.describe(),
        );
        Peer.closeAll();
        server.close();
        expect((await pen.stop()).code).toBe(0);
      });

      test('an interface that is not there is a mistake', async () => {
        const options = { loop, prefix: namespace.prefix, listen: `[${ADDRESS}%nowhere]:0`, servers: ['127.0.0.1:9'] };
        const { exit, lines } = await Pen.run(options);
        expect(exit.code).toBe(1);
        expect(lines.join('\n')).toContain(
          "there is no interface 'nowhere' with an IPv6 address of its link (fe80::...)",
        );
      });
    },
    { root: true, netns: true, packages: ['iproute2'] },
  );
}
