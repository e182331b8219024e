/** `idlers`: connections that servers have without a client. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { AS_WHO_WE_ARE, ask } from '../support/control.ts';
import { ENDED, type Peer } from '../support/peer.ts';
import { onEachLoop, type Rig } from '../support/rig.ts';
import { ip } from '../support/sockets.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'pen-idlers-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));
const CONTROL = join(FOLDER, 'control.sock');
const say = async (line: string): Promise<string> => ask(CONTROL, `${line}\n`);
const ROOM = 8;
const TWO = [ip('127.0.0.1', 0), ip('127.0.0.1', 0)];

onEachLoop('idlers', { options: ['-x', String(ROOM), '-C', CONTROL, ...AS_WHO_WE_ARE], servers: TWO }, (rig) => {
  const waiting = (): number[] => rig.servers.map((server) => server.waiting.length);
  const have = async (text: string): Promise<void> => {
    let last = '';
    // Answers come in time, and nobody wakes the reactor for them.
    for (let tries = 0; tries < 200 && last !== text; tries++) {
      last = await say('idlers');
      if (last !== text) await rig.pass(20);
    }
    expect(last).toBe(text);
  };

  test('as many as wanted, made again when a server ends one, closed when fewer are wanted', async () => {
    expect(await say('idlers')).toBe('Idlers: 0/0\n');
    expect(await say('idlers 4')).toBe('Idlers: 0/4\n');
    await have('Idlers: 4/4\n');
    await rig.until(
      () => waiting().join() === '2,2',
      () => `each server has two, in turn: ${waiting().join()}`,
    );
    const first = takeFrom(rig);
    first.send(100_000);
    first.end();
    await rig.until(() => first.ending === ENDED, 'its end is answered');
    first.close();
    await have('Idlers: 4/4\n');
    const all = rig.servers.flatMap((server) => server.waiting.splice(0));
    expect(await say('no idlers')).toBe('');
    await rig.until(() => all.every((peer) => peer.ending === ENDED), 'all are closed in order');
    await have('Idlers: 0/0\n');
  }, 20_000);

  test('clients have precedence: all places but one may be idlers, and they go as clients come', async () => {
    expect(await say('idlers 100')).toBe('Idlers: 0/100\n');
    await have(`Idlers: ${ROOM - 1}/100\n`);
    for (const server of rig.servers) server.waiting.length = 0;
    const clients = Array.from({ length: ROOM }, () => rig.connect());
    for (const client of clients) client.send(1);
    const served = (): Peer[] => rig.servers.flatMap((server) => server.waiting.filter((peer) => peer.received > 0));
    await rig.until(
      () => served().length === ROOM,
      () => `${served().length} of ${ROOM} clients are served`,
    );
    await have('Idlers: 0/100\n');
    for (const client of clients) client.close();
    await say('no idlers');
    await have('Idlers: 0/0\n');
  }, 20_000);
});

/** The oldest idler that a server has. */
function takeFrom(rig: Rig): Peer {
  const peer = rig.server.waiting.shift();
  if (!peer) throw new Error('the server has no idler');
  return peer;
}
