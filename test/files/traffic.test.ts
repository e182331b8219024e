/**
 * H1: the file is read again, and settings are changed by the control socket, again and again, under new connections and
 * beside long ones. PEN_LONG=1 does it a thousand times at a thousand connections a second.
 */
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ask, AS_WHO_WE_ARE } from '../support/control.ts';
import { Folder } from '../support/folder.ts';
import { baselineOf, expectAtRest } from '../support/oracles.ts';
import { Peer } from '../support/peer.ts';
import { Pen } from '../support/pen.ts';
import { memoryOf } from '../support/process-facts.ts';
import { isLong, LOOPS } from '../support/rig.ts';
import { reactor } from '../support/reactor.ts';
import { ServerProcess } from '../support/server-process.ts';
import { needs } from '../support/skip.ts';
import { Visitors } from '../support/visitors.ts';

const RELOADS = isLong ? 1000 : 40;
const PER_SECOND = isLong ? 1000 : 200;
const LONG_ONES = isLong ? 500 : 30;
/** Before that memory is not compared: V8 takes its space for young objects first. A short run says little more. */
const WARM = RELOADS / 10;
const MIB = 1024 * 1024;
const GROWTH_MAX = (isLong ? 5 : 40) * MIB;
/** On Node's own loop connections are objects, so V8's space for young ones grows with them first, reloads or not. */
const alone = (loop: string): number => (isLong && loop === 'node' ? 90_000 : 0);
const BYTES = 1000;

const FOLDER = new Folder();
const CONTROL = FOLDER.at('control');

for (const loop of LOOPS) {
  needs(
    { linux: true, ...(loop === 'uring' ? { uring: true as const } : {}) },
    `H1: reloads under traffic (${loop})`,
    () => {
      const servers = [new ServerProcess(), new ServerProcess(), new ServerProcess()];
      let pen: Pen;

      /** Another file each time: servers come, go, change their numbers, ports and limits; lists grow and shrink. */
      function writeFile(round: number): void {
        const lines = servers.flatMap((_, index) => {
          const which = servers[(index + round) % servers.length];
          return round % 4 === index
            ? []
            : [`server ${index} address 127.0.0.1 port ${which?.port} max ${round % 3 === 0 ? 0 : 5000}`];
        });
        const entries = Array.from({ length: round % 50 }, (_, i) => `acl 3 permit 10.0.${round % 256}.${i}`);
        FOLDER.write(
          'pen.cfg',
          [...lines, ...entries, `blacklist ${1 + (round % 9)}`, round % 2 === 0 ? 'hash' : 'no hash'].join('\n'),
        );
      }

      const said = (): number => pen.lines.filter((line) => line.includes('read again')).length;

      beforeAll(async () => {
        for (const server of servers) await server.start();
        writeFile(0);
        pen = await Pen.start({
          loop,
          options: [
            '-r',
            '-x',
            '3000',
            '-O',
            'source_max 0',
            '-F',
            FOLDER.at('pen.cfg'),
            '-C',
            CONTROL,
            ...AS_WHO_WE_ARE,
          ],
          servers: [],
        });
      });

      afterAll(async () => {
        expect((await pen.stop()).code).toBe(0);
        for (const server of servers) await server.kill();
      });

      test(`H1: ${RELOADS} reloads and as many commands at ${PER_SECOND} new connections a second beside ${LONG_ONES} long ones fail nobody, break nothing and take no memory`, async () => {
        const baseline = baselineOf(pen);
        const long = Array.from({ length: LONG_ONES }, () => Peer.connect(pen.endpoint));
        for (const peer of long) peer.inKey = peer.key;
        const talk = (): void => long.forEach((peer) => peer.send(BYTES));
        talk();
        await reactor().until(() => long.every(({ received }) => received === BYTES), 'long connections stand');
        const visitors = new Visitors(pen.endpoint, PER_SECOND);
        onTestFinished(() => visitors.stop());
        visitors.start();
        await reactor().pass(alone(loop));
        const threads = threadsOf(pen.pid);
        const beganMs = performance.now();
        let warm = 0;
        for (let round = 1; round <= RELOADS; round++) {
          writeFile(round);
          pen.child.kill('SIGHUP');
          await reactor().until(() => said() === round, `reload ${round}`);
          expect(await ask(CONTROL, `timeout ${3 + (round % 5)}`)).toBe(`${3 + (round % 5)}\n`);
          await reactor().pass(15);
          if (round === WARM) warm = memoryOf(pen.pid);
        }
        const growth = memoryOf(pen.pid) - warm;
        const seconds = (performance.now() - beganMs) / 1000;
        await visitors.finish(10_000);
        talk();
        await reactor().until(() => long.every(({ received }) => received === 2 * BYTES), 'long connections go on');
        console.log(
          `${loop}: ${RELOADS} reloads in ${seconds.toFixed(1)} s, ${visitors.visits.length} visits, memory ${(growth / 1024).toFixed(0)} KiB more`,
        );
        expect(visitors.visits.filter(({ isAnswered }) => !isAnswered)).toEqual([]);
        expect(long.filter(({ ending }) => ending !== '')).toEqual([]);
        expect(pen.lines.filter((line) => /stays as it is|failed|error/.test(line))).toEqual([]);
        expect(threadsOf(pen.pid)).toBe(threads);
        expect(growth).toBeLessThan(GROWTH_MAX);
        Peer.closeAll();
        await expectAtRest(pen, baseline);
      }, 300_000);
    },
  );
}

function threadsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).length;
}
