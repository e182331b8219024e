/** A worker is replaced, too, when the files that Pen was started from are gone or are others by now. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Peer } from '../support/peer.ts';
import { Pen } from '../support/pen.ts';
import { reactor } from '../support/reactor.ts';
import { KERNEL_LOOPS } from '../support/rig.ts';
import { echo, Server } from '../support/server.ts';
import { needsLoop } from '../support/skip.ts';
import { planted } from './failing-turn.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What an installed Pen consists of. */
const INSTALLED = ['dist', 'package.json', 'node_modules/koffi', 'node_modules/@koromix'];

let base: string;
let pen: Pen | undefined;
let server: Server;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'pen-files-'));
  server = new Server();
  server.onPeer = echo;
});
afterEach(async () => {
  Peer.closeAll();
  server.close();
  await pen?.stop();
  rmSync(base, { recursive: true });
});

async function serves(): Promise<void> {
  const client = Peer.connect(pen!.endpoint);
  client.send(1000);
  client.end();
  await reactor().until(() => client.ending !== '', 'the answer');
  expect([client.received, client.ending]).toEqual([1000, 'end']);
}

/** Makes a worker throw. */
async function fail(trigger: string): Promise<void> {
  writeFileSync(trigger, '');
  // A new client, so that there is a turn.
  Peer.connect(pen!.endpoint);
  await reactor().until(() => !existsSync(trigger), 'the throw');
}

/** What happens to the installed folder, or to the one Pen was started in. */
const TROUBLES: readonly (readonly [what: string, happens: (installed: string, startedIn: string) => void])[] = [
  ['its files are removed', (installed) => rmSync(installed, { recursive: true })],
  [
    'its files are those of another version',
    (installed) => {
      rmSync(join(installed, 'dist'), { recursive: true });
      mkdirSync(join(installed, 'dist', 'bin'), { recursive: true });
      for (const name of ['worker.js', 'whole-worker.js']) {
        writeFileSync(join(installed, 'dist', 'bin', name), "throw new Error('another version');");
      }
      rmSync(join(installed, 'node_modules'), { recursive: true });
    },
  ],
  ['the folder it was started in is removed', (_, startedIn) => rmSync(startedIn, { recursive: true })],
];

for (const loop of KERNEL_LOOPS) {
  needsLoop(loop, 'other files', () => {
    test.each(TROUBLES)('when %s, workers are replaced as ever', async (_, happens) => {
      const [installed, startedIn, trigger] = ['installed', 'folder', 'trigger'].map((name) => join(base, name)) as [
        string,
        string,
        string,
      ];
      // Other tests may be planting bugs in copies of the program, which lie beside it.
      const filter = (path: string): boolean => !path.includes('.planted-');
      for (const path of INSTALLED) cpSync(join(ROOT, path), join(installed, path), { recursive: true, filter });
      mkdirSync(startedIn);
      pen = await Pen.start({
        loop,
        script: join(installed, 'dist', 'bin', 'pen.js'),
        servers: [server.address],
        prefix: ['env', '-C', startedIn, `NODE_OPTIONS=--import=${planted(trigger)}`],
      });
      await serves();
      happens(installed, startedIn);
      for (let times = 1; times <= 2; times++) {
        await fail(trigger);
        await serves();
      }
      const said = pen.lines.filter((line) => /worker 0/.test(line));
      expect(said).toHaveLength(2);
      for (const line of said) expect(line).toMatch(/worker 0 failed, .*another takes its place: Error: planted < at /);
      // A stack names the file, rather than holding all of it.
      expect(Math.max(...said.flatMap((line) => line.split(' < ')).map((frame) => frame.length))).toBeLessThan(300);
      expect(pen.lines.at(-1)).toMatch(/ < at .*whole-worker\.js:\d+/);
      expect((await pen.stop()).code).toBe(0);
    });

    test('when no worker is left and none can be started, Pen ends, so that somebody starts it anew', async () => {
      const trigger = join(base, 'trigger');
      const prefix = ['env', `NODE_OPTIONS=--import=${planted(trigger)}`];
      pen = await Pen.start({ loop, servers: [server.address], prefix });
      writeFileSync(`${trigger}.never`, '');
      await fail(trigger);
      expect((await pen.ended).code).toBe(1);
      const tries = pen.lines.filter((line) =>
        /worker 0 could not be replaced, which is tried again: no more/.test(line),
      );
      expect(tries.length).toBeGreaterThan(2);
      expect(pen.lines.at(-1)).toMatch(/there is no worker left, and none can be started: no more$/);
    });
  });
}
