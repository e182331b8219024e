/** Where nothing of ours can call the kernel, Pen runs on Node's own loop and says what that costs. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Pen, PEN } from '../support/pen.ts';
import { AS_WHO_WE_ARE } from '../support/control.ts';
import { Peer } from '../support/peer.ts';
import { mappedFilesOf } from '../support/process-facts.ts';
import { reactor } from '../support/reactor.ts';
import { echo, Server } from '../support/server.ts';
import { needs } from '../support/skip.ts';

const DIST = fileURLToPath(new URL('../../dist', import.meta.url));
const MANIFEST = fileURLToPath(new URL('../../package.json', import.meta.url));
const LACKS = /because native calls are not possible: Cannot find module 'koffi'/;
const NOTICE = /: using Node's own loop(, because .*)?: one worker, .*clients beyond the backlog are reset$/;

/** The peers of the test are sockets without Node. */
needs({ linux: true }, 'a machine without koffi', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pen-without-'));
  const script = join(folder, 'dist', 'bin', 'pen.js');

  /** The program as it is installed, but for one of its two packages. */
  beforeAll(() => {
    cpSync(DIST, join(folder, 'dist'), { recursive: true, filter: (path) => !basename(path).startsWith('.') });
    cpSync(MANIFEST, join(folder, 'package.json'));
    cpSync(packageFolder('ipaddr.js'), join(folder, 'node_modules', 'ipaddr.js'), { recursive: true });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ['by itself, and says why', undefined, LACKS],
    ['when asked to', 'node' as const, NOTICE],
  ])('Pen serves on the loop of Node %s', async (_, loop, says) => {
    const server = new Server();
    server.onPeer = echo;
    const pen = await Pen.start({
      script,
      options: AS_WHO_WE_ARE,
      servers: [server.address],
      ...(loop === undefined ? {} : { loop }),
    });
    expect([pen.loop, pen.lines.length]).toEqual(['node', 2]);
    expect(pen.lines[0]).toMatch(NOTICE);
    expect(pen.lines[0]).toMatch(says);
    const client = Peer.connect(pen.endpoint);
    client.send(100_000);
    client.end();
    await reactor().until(() => client.ending !== '', 'the answer');
    expect([client.received, client.ending]).toEqual([100_000, 'end']);
    Peer.closeAll();
    server.close();
    expect((await pen.stop()).code).toBe(0);
  });

  test.each(['uring', 'epoll'] as const)('%s, asked for by name, is refused', async (loop) => {
    const { exit, lines } = await Pen.run({ script, loop, servers: ['127.0.0.1:9'] });
    expect([exit.code, lines.length]).toEqual([1, 1]);
    expect(lines[0]).toMatch(/^pen: native calls are not possible: Cannot find module 'koffi'/);
  });
});

test('whoever asks for the loop of Node loads no koffi, where it is', async () => {
  const pen = await Pen.start({ loop: 'node', servers: ['127.0.0.1:9'] });
  expect(mappedFilesOf(pen.pid).filter((path) => path.includes('koffi'))).toEqual([]);
  expect((await pen.stop()).code).toBe(0);
});

function packageFolder(name: string): string {
  return dirname(createRequire(PEN).resolve(`${name}/package.json`));
}
