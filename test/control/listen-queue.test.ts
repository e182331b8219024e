/** Who waits at a listener when another one takes its place. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Endpoint } from '../../src/base/endpoint.ts';
import { ask, AS_WHO_WE_ARE, freePort } from '../support/control.ts';
import { Peer } from '../support/peer.ts';
import { onEachLoop, type Rig } from '../support/rig.ts';
import { ip, unix } from '../support/sockets.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'pen-queue-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));
const CONTROL = join(FOLDER, 'control.sock');
const say = async (line: string): Promise<string> => ask(CONTROL, `${line}\n`);
const LEFT = / listen address: clients that waited at (\S+) have been reset, for want of room within 2 seconds$/;

/** Clients that the kernel has connected, in this order, and nobody has accepted. */
async function queueUp(rig: Rig, at: Endpoint, count: number): Promise<Peer[]> {
  const clients: Peer[] = [];
  for (let i = 0; i < count; i++) {
    const client = Peer.connect(at);
    client.send(i + 1);
    clients.push(client);
    await rig.until(() => client.isConnected, 'the kernel takes the client into the backlog');
  }
  return clients;
}

onEachLoop('a listener that is left', { options: ['-x', '1', '-C', CONTROL, ...AS_WHO_WE_ARE] }, (rig) => {
  /** The table is full and clients wait at one address while it moves to another: all are served as soon as there is room. */
  const allAreServed = async (from: string, at: Endpoint, to: string): Promise<void> => {
    expect(await say(`listen ${from}`)).toBe(`${from}\n`);
    const first = Peer.connect(at);
    const busy = await rig.nextServerPeer(first);
    const waiting = await queueUp(rig, at, 3);
    const answer = say(`listen ${to}`);
    await rig.pass(300);
    first.close();
    await rig.until(() => busy.ending !== '', 'the one who was served has gone');
    busy.close();
    for (const client of waiting) {
      const server = await rig.nextServerPeer(client);
      await rig.until(() => server.received === client.asked, 'they are served in the order in which they came');
      server.end();
      await rig.until(
        () => client.ending !== '',
        () => client.describe(),
      );
      expect(client.ending).toBe('end');
      client.close();
    }
    expect(await answer).toBe(`${to}\n`);
    expect(rig.pen.lines.filter((line) => LEFT.test(line))).toEqual([]);
  };

  test('H3: who waits at the old port is served when there is room', async () => {
    const [old, port] = [await freePort(), await freePort()];
    await allAreServed(`127.0.0.1:${old}`, ip('127.0.0.1', old), `127.0.0.1:${port}`);
  });

  test('H3: who waits at the old unix socket is served when there is room', async () => {
    await allAreServed(join(FOLDER, 'old'), unix(join(FOLDER, 'old')), join(FOLDER, 'new'));
  });

  const onKernel = rig.testUnlessOn('node', 'it has no listener beside another one');
  onKernel('H3: who waits is served when the same port goes from all addresses to one, and back', async () => {
    const port = await freePort();
    const [all, one] = [`0.0.0.0:${port}`, `127.0.0.1:${port}`];
    await allAreServed(all, ip('127.0.0.1', port), one);
    await allAreServed(one, ip('127.0.0.1', port), all);
  });

  test('H3: who finds no room for two seconds is reset, and that is said', async () => {
    const [old, port] = [await freePort(), await freePort()];
    expect(await say(`listen 127.0.0.1:${old}`)).toBe(`127.0.0.1:${old}\n`);
    const first = Peer.connect(ip('127.0.0.1', old));
    const busy = await rig.nextServerPeer(first);
    const waiting = await queueUp(rig, ip('127.0.0.1', old), 3);
    expect(await say(`listen 127.0.0.1:${port}`)).toBe(`127.0.0.1:${port}\n`);
    await rig.until(() => waiting.every(({ ending }) => ending !== ''), 'those who waited are told');
    expect(waiting.map(({ ending }) => ending)).toEqual(['ECONNRESET', 'ECONNRESET', 'ECONNRESET']);
    expect(LEFT.exec(await rig.pen.line(LEFT))?.[1]).toBe(`127.0.0.1:${old}`);
    first.send(10);
    await rig.until(() => busy.received === 10, 'who was served goes on');
    first.close();
    await rig.until(() => busy.ending !== '', 'the server is told');
    busy.close();
    (await rig.nextServerPeer(Peer.connect(ip('127.0.0.1', port)))).close();
  });
});
