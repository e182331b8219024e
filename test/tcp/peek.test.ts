/** `peek` and `dummy`: what becomes of a client is decided when its first bytes are there. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { AS_WHO_WE_ARE, ask } from '../support/control.ts';
import { ENDED } from '../support/peer.ts';
import { onEachLoop } from '../support/rig.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'pen-peek-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));
const CONTROL = join(FOLDER, 'control.sock');
const say = async (line: string): Promise<string> => ask(CONTROL, `${line}\n`);
const WITH_CONTROL = ['-C', CONTROL, ...AS_WHO_WE_ARE];
const SIZE = 3 << 20;

onEachLoop('peek', { options: [...WITH_CONTROL, '-t', '1', '-O', 'peek'] }, (rig) => {
  test('a server is sought when the client has spoken, and hears it from the first byte on', async () => {
    const { accepted } = rig.server;
    const client = rig.connect();
    await rig.pass(200);
    expect(rig.server.accepted, 'nobody has spoken').toBe(accepted);
    client.send(SIZE);
    client.end();
    const server = await rig.nextServerPeer(client);
    [client.inKey, server.inKey] = [server.key, client.key];
    server.send(SIZE);
    server.end();
    await rig.until(() => client.ending !== '' && server.ending !== '', 'both end');
    expect([client.received, client.ending, server.received, server.ending]).toEqual([SIZE, ENDED, SIZE, ENDED]);
  });

  test('a client that ends without a word is served, too', async () => {
    const client = rig.connect();
    client.end();
    const server = await rig.nextServerPeer(client);
    server.send(10);
    server.end();
    await rig.until(() => client.ending !== '', 'the answer');
    expect([client.received, client.ending]).toEqual([10, ENDED]);
  });

  test('a client that stays silent is reset, and no server has heard of it', async () => {
    const { accepted } = rig.server;
    const client = rig.connect();
    const startMs = performance.now();
    await rig.until(() => client.ending !== '', 'the silent client is told');
    expect([client.ending, rig.server.accepted]).toEqual(['ECONNRESET', accepted]);
    expect(performance.now() - startMs).toBeGreaterThan(900);
  });

  test('without it, the next client has its server at once', async () => {
    expect(await say('no peek')).toBe('');
    await rig.pair();
    expect(await say('peek')).toBe('');
  });
});

/** What a program hears that says something, and how that ends. */
async function exchange(port: number, request: string): Promise<{ heard: string; isError: boolean }> {
  return new Promise((resolve, reject) => {
    let heard = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.setEncoding('latin1').on('data', (text: string) => (heard += text));
    socket.once('error', reject).once('close', (isError) => resolve({ heard, isError }));
  });
}

onEachLoop('dummy', { options: [...WITH_CONTROL, '-O', 'dummy'], deadServers: 1 }, (rig) => {
  test('each client is answered and the connection ends, though no server answers', async () => {
    const { accepted } = rig.server;
    const all = await Promise.all(
      Array.from({ length: 50 }, async () => exchange(rig.pen.port, 'GET / HTTP/1.0\r\n\r\n')),
    );
    const texts = new Set(all.map(({ heard }) => heard));
    expect([...texts]).toEqual([
      expect.stringMatching(/^HTTP\/1\.1 200 OK\r\nContent-Length: 15\r\nContent-Type: text\/html\r\n\r\n.{15}$/),
    ]);
    expect([rig.server.accepted, all.every(({ isError }) => !isError)]).toEqual([accepted, true]);
  });

  test('it is understood as HTTP', async () => {
    const answer = await fetch(`http://127.0.0.1:${rig.pen.port}/`);
    expect([answer.status, (await answer.text()).length]).toEqual([200, 15]);
  });

  test('a client that says nothing is told nothing', async () => {
    const client = rig.connect();
    client.end();
    await rig.until(() => client.ending !== '', 'the end');
    expect([client.received, client.ending]).toEqual([0, ENDED]);
  });

  test('without it, clients have servers again', async () => {
    expect(await say('no dummy')).toBe('');
    await rig.pair();
    expect(await say('dummy')).toBe('');
  });
});

onEachLoop('dummy without servers', { options: ['-O', 'dummy'], servers: [] }, (rig) => {
  test('needs none', async () => {
    expect((await exchange(rig.pen.port, 'x')).heard).toMatch(/^HTTP\/1\.1 200 OK/);
  });
});
