/** L5: the log of connections agrees with what clients and servers saw, to the byte, and with the counters. */
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ask, AS_WHO_WE_ARE } from '../support/control.ts';
import { Folder } from '../support/folder.ts';
import { onEachLoop, type Rig } from '../support/rig.ts';

const FOLDER = new Folder();
const LOG = FOLDER.at('connections');
const CONTROL = FOLDER.at('control');

interface Line {
  readonly level: number;
  readonly time: number;
  readonly client: string;
  readonly server: string | null;
  readonly started: string;
  readonly wait_ms: number | null;
  readonly duration_ms: number;
  readonly bytes_up: number;
  readonly bytes_down: number;
  readonly failovers: number;
  readonly end: string;
}

const linesIn = (path: string): Line[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Line)
    : [];

onEachLoop(
  'L5: the log of connections',
  { options: ['-O', `connection_log ${LOG}`, '-C', CONTROL, ...AS_WHO_WE_ARE, '-O', 'idle_timeout 1'], deadServers: 1 },
  (rig: Rig) => {
    let seen = 0;

    /** Those that were added since the last time. */
    async function added(count: number): Promise<Line[]> {
      await rig.until(() => linesIn(LOG).length >= seen + count, `${count} lines more`);
      const lines = linesIn(LOG).slice(seen);
      seen += lines.length;
      expect(lines.length).toBe(count);
      return lines;
    }

    test('L5: tells each connection once, with bytes both ways as its ends have counted them, and why it ended', async () => {
      seen = linesIn(LOG).length;
      const wanted: [up: number, down: number, end: string][] = [];
      for (let i = 0; i < 20; i++) {
        const [up, down, isAbort] = [i * 777, i * 3001, i % 3 === 2];
        const { client, server } = await rig.pair();
        client.send(up);
        server.send(down);
        await rig.until(() => client.received === down && server.received === up, 'bytes arrive');
        if (isAbort) {
          client.reset();
        } else {
          client.end();
          await rig.until(() => server.ending !== '', 'the end arrives');
          server.end();
        }
        await rig.until(() => server.ending !== '' && (isAbort || client.ending !== ''), 'it is over');
        client.close();
        server.close();
        wanted.push([up, down, isAbort ? 'abort' : 'orderly']);
      }
      const lines = await added(20);
      expect(lines.map(({ bytes_up, bytes_down, end }) => [bytes_up, bytes_down, end])).toEqual(wanted);
      for (const line of lines) {
        expect(line.server).toBe(rig.servers[0]!.address);
        expect(line.client).toMatch(/^127\.0\.0\.1:\d+$/);
        expect(line.wait_ms).toBeGreaterThanOrEqual(0);
        expect(line.duration_ms).toBeGreaterThanOrEqual(line.wait_ms!);
        expect(line.time - new Date(line.started).getTime() - line.duration_ms).toBeLessThan(2);
        expect(Math.abs(line.time - Date.now())).toBeLessThan(60_000);
      }
      // The dead server came first, for one of them; from then on it is passed over.
      expect(lines.reduce((sum, { failovers }) => sum + failovers, 0)).toBeLessThanOrEqual(1);
    });

    test('L5: silence is a reason; the command ends the log and begins it again', async () => {
      await rig.pair();
      const [idle] = await added(1);
      expect([idle?.end, idle?.bytes_up]).toEqual(['idle', 0]);
      expect(await ask(CONTROL, 'no connection_log\n')).toBe('');
      const { client, server } = await rig.pair();
      client.close();
      await rig.until(() => server.ending !== '', 'it is over');
      server.close();
      expect(await ask(CONTROL, 'connection_log\n')).toBe('');
      renameSync(LOG, `${LOG}.1`);
      expect(await ask(CONTROL, `connection_log ${LOG}\n`)).toBe(`${LOG}\n`);
      seen = 0;
      await rig.pair();
      expect((await added(1)).map(({ end }) => end)).toEqual(['idle']);
    });
  },
);
