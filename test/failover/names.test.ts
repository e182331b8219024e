/** F10: a name server that never answers costs the one who asked, and literal addresses are never asked about. */
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { AS_WHO_WE_ARE, ask } from '../support/control.ts';
import { Peer } from '../support/peer.ts';
import { Pen, type PenOptions } from '../support/pen.ts';
import { reactor } from '../support/reactor.ts';
import { LOOPS } from '../support/rig.ts';
import { Server, echo } from '../support/server.ts';
import { needsLoop } from '../support/skip.ts';
import { Visitors } from '../support/visitors.ts';

/** Where the name server listens that hears everything and says nothing. */
const NAME_SERVER = '127.53.0.1';
/** Visits take milliseconds; one that waited for a name would take seconds. */
const VISIT_MAX_MS = 1000;
const LOOK_UP_MS = 4000;
/** What every answer consists of, whoever gives it. */
const ANSWER_KEY = 0;

function answer(peer: Peer): void {
  peer.key = ANSWER_KEY;
  echo(peer);
}

for (const loop of LOOPS) {
  needsLoop(
    loop,
    'F10: names',
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'pen-names-'));
      const control = join(folder, 'control');
      /** Questions that the name server has heard. */
      let questions = 0;
      let silence: Socket;
      /** What runs, also when a test ends halfway. */
      const running: { pen: Pen | undefined; server: Server | undefined } = { pen: undefined, server: undefined };

      beforeAll(async () => {
        writeFileSync(join(folder, 'resolv.conf'), `nameserver ${NAME_SERVER}\noptions timeout:30 attempts:1\n`);
        writeFileSync(join(folder, 'nsswitch.conf'), 'hosts: files dns\n');
        silence = createSocket('udp4').on('message', () => questions++);
        await new Promise<void>((resolve) => silence.bind(53, NAME_SERVER, resolve));
      });
      afterEach(async () => {
        Peer.closeAll();
        if (running.pen?.isAlive === true) await running.pen.stop('SIGKILL');
        running.server?.close();
        running.pen = undefined;
        running.server = undefined;
      });
      afterAll(() => {
        silence.close();
        rmSync(folder, { recursive: true });
      });

      /** Pen where names are looked up at a name server that hangs. */
      const options = (...servers: string[]): PenOptions => {
        const bind = (file: string): string => `mount --bind ${folder}/${file} /etc/${file}`;
        const script = `${bind('resolv.conf')} && ${bind('nsswitch.conf')} && exec "$@"`;
        const prefix = ['unshare', '--mount', 'sh', '-c', script, 'sh'];
        return { loop, prefix, options: ['-r', ...AS_WHO_WE_ARE, '-C', control], servers };
      };

      test('F10: while a command waits for a name, clients are served as before, and other commands answered; then it stops at once', async () => {
        const server = (running.server = new Server());
        server.onPeer = answer;
        const pen = (running.pen = await Pen.start(options(server.address, '127.0.0.1:9')));
        expect(questions, 'literal addresses are not asked about').toBe(0);
        const visitors = new Visitors(pen.endpoint, 200, undefined, ANSWER_KEY);
        visitors.start();
        const startMs = performance.now();
        let told: { reply: string; ms: number } | undefined;
        const asked = ask(control, 'server 1 address www.example.org port 80\n').then((reply) => {
          told = { reply, ms: performance.now() - startMs };
          return reply;
        });
        await reactor().pass(1000);
        expect(questions, 'it has asked').toBeGreaterThan(0);
        expect(await ask(control, 'conn_max\n')).toMatch(/^\d+\n$/);
        expect(told, 'it still waits').toBeUndefined();
        await reactor().pass(LOOK_UP_MS);
        await asked;
        expect(told?.reply).toBe("server: host 'www.example.org' could not be looked up in time\n");
        expect(told?.ms).toBeGreaterThan(LOOK_UP_MS - 100);
        await visitors.finish(5000);
        expect(visitors.visits.length).toBeGreaterThan(200);
        expect(visitors.visits.filter(({ isAnswered, ms }) => !isAnswered || ms > VISIT_MAX_MS)).toEqual([]);
        // The system goes on looking for half a minute.
        expect((await pen.stop()).code).toBe(0);
      }, 60_000);

      test('F10: it can be stopped while it looks up the name of a server at its start', async () => {
        const before = questions;
        const ending = Pen.run({ ...options('www.example.org:80'), signalAfterMs: 2000 });
        const { exit } = await ending;
        expect(questions).toBeGreaterThan(before);
        expect([exit.code, exit.signal]).toEqual([0, null]);
      }, 60_000);
    },
    { root: true, packages: ['util-linux'] },
  );
}
