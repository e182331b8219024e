/** A worker whose turn throws: its own connections are reset, nobody else notices, and another takes its place. */
import { afterEach, expect, test } from 'vitest';
import { Peer } from '../support/peer.ts';
import { reactor } from '../support/reactor.ts';
import { KERNEL_LOOPS } from '../support/rig.ts';
import { echo, Server } from '../support/server.ts';
import { needs, needsLoop } from '../support/skip.ts';
import { Planted } from './planted.ts';

const WORKERS = 4;
/** So many that three workers, each four above the average of all, could not have all of them. */
const CLIENTS = 64;
/** The stream that servers send. */
const ANSWERS = 1_000_000;

let planted: Planted | undefined;
let server: Server | undefined;

afterEach(async () => {
  Peer.closeAll();
  await planted?.stop();
  server?.close();
});

/** Sends as many bytes as it receives. */
function answer(peer: Peer): void {
  peer.key = ANSWERS;
  echo(peer);
}

/** A client that asks at once. */
function visitor(at: Planted): Peer {
  const client = Peer.connect(at.endpoint);
  client.inKey = ANSWERS;
  client.send(100);
  return client;
}

for (const loop of KERNEL_LOOPS) {
  needsLoop(loop, 'a worker that fails', () => {
    test('costs its own connections only, at both ends, and is replaced', async () => {
      server = new Server();
      const serverPeers: Peer[] = [];
      server.onPeer = (peer) => {
        serverPeers.push(peer);
        answer(peer);
      };
      const at = (planted = await Planted.start({
        settings: { workers: WORKERS, loop, connMax: CLIENTS, sourceMax: 0 },
        servers: [server.port],
      }));
      const clients = Array.from({ length: CLIENTS }, () => visitor(at));
      await reactor().until(() => clients.every((client) => client.received === 100), 'all are served');

      for (const worker of [1, 3]) {
        const lost = (await at.slots())[worker]!.length;
        expect(lost, 'connections of the worker').toBeGreaterThan(0);
        const before = clients.filter((client) => client.ending === '').length;
        const told = (await at.failures()).length;
        await at.fail(worker);
        await reactor().until(
          () => clients.filter((client) => client.ending === '').length <= before - lost,
          () => `${lost} of ${before} are reset; ${clients.filter((client) => client.ending === '').length} stand`,
        );
        const failures = await at.failures();
        expect(failures.slice(told).map(({ text }) => text.split(':', 1)[0])).toEqual([
          `worker ${worker} failed, its ${lost} connections are reset, another takes its place`,
        ]);
        const standing = clients.filter((client) => client.ending === '');
        expect(standing.length, 'nobody else is').toBe(before - lost);
        expect(new Set(clients.filter((client) => client.ending !== '').map(({ ending }) => ending))).toEqual(
          new Set(['ECONNRESET']),
        );
        for (const client of standing) client.send(100);
        await reactor().until(() => standing.every((client) => client.received === client.sent), 'the others go on');
        // All places are free again, whoever takes those who come.
        const more = Array.from({ length: lost }, () => visitor(at));
        clients.push(...more);
        await reactor().until(() => more.every((client) => client.received === 100), 'new clients are served');
        expect(await at.figures()).toMatchObject({ used: CLIENTS, places: CLIENTS, inFlight: CLIENTS });
        await reactor().until(
          () => serverPeers.filter((peer) => peer.isOpen).length === CLIENTS,
          'servers are told, too',
        );
      }
      expect(await at.most()).toMatchObject({ used: CLIENTS, places: CLIENTS });

      for (const client of clients) client.close();
      await reactor().pass(500);
      expect(await at.figures()).toMatchObject({ used: 0, inFlight: 0, sources: 0, descriptors: 0 });
      // On a busy machine a replacement takes its time, and nobody waits for it.
      while ((await at.figures()).able < WORKERS) await reactor().pass(20);
      const again = Array.from({ length: CLIENTS }, () => visitor(at));
      await reactor().until(() => again.every((client) => client.received === 100), 'all are served');
      const shares = (await at.slots()).map((slots) => slots.length);
      for (const share of shares) expect(share, `one of ${shares.join(', ')}`).toBeGreaterThan(0);
      expect(at.said).toBe('');
    });

    test('and is the only one there is: clients wait in the backlog until another takes its place', async () => {
      server = new Server();
      server.onPeer = answer;
      const at = (planted = await Planted.start({
        settings: { workers: 1, loop, connMax: CLIENTS, sourceMax: 0 },
        servers: [server.port],
      }));
      for (let i = 0; i < 3; i++) {
        await at.fail(0);
        const clients = Array.from({ length: 20 }, () => visitor(at));
        // Some may have been taken before it failed; they are told.
        await reactor().until(
          () => clients.every(({ received, ending }) => received === 100 || ending !== ''),
          'an end',
        );
        for (const client of clients) expect(['', 'ECONNRESET']).toContain(client.ending);
        for (const client of clients) client.close();
        const late = visitor(at);
        await reactor().until(() => late.received === 100, 'the next one is served');
        late.close();
      }
      expect((await at.failures()).length).toBe(3);
    });
  });
}

needs({ linux: true }, "a worker that fails (Node's own loop)", () => {
  test('ends Pen, because its listeners end with it; all clients are told', async () => {
    server = new Server();
    server.onPeer = answer;
    const at = (planted = await Planted.start({
      settings: { workers: 1, loop: 'node', connMax: CLIENTS, sourceMax: 0 },
      servers: [server.port],
    }));
    const clients = Array.from({ length: CLIENTS + 20 }, () => visitor(at));
    const served = (): Peer[] => clients.filter((client) => client.received === 100);
    await reactor().until(
      () => served().length === CLIENTS,
      () => `${served().length} are served`,
    );
    await at.fail(0);
    await reactor().until(
      () => clients.every((client) => client.ending === 'ECONNRESET'),
      () => clients.map((client) => client.describe()).join('\n'),
    );
    expect(await at.stop()).toBe(3);
    expect(at.said).toMatch(
      /^worker 0 failed and took along its listeners, which on Node's own loop are the worker's: .*planted in/,
    );
  });
});

needs({ linux: true }, 'a failure that cannot be undone', () => {
  test('in the middle of what all workers share, ends the process', async () => {
    server = new Server();
    server.onPeer = answer;
    const at = (planted = await Planted.start({
      settings: { workers: 2, loop: 'epoll', connMax: CLIENTS, sourceMax: 0 },
      servers: [server.port],
    }));
    const client = visitor(at);
    await reactor().until(() => client.received === 100, 'it is served');
    await at.fail(1, 'with a lock');
    expect(await at.ended).toBe(3);
    expect(at.said).toMatch(/^worker 1 failed while it changed what all workers share: .*planted/);
  });
});

needs({ linux: true }, 'stopping while a worker fails', () => {
  test('ends the process in order', async () => {
    server = new Server();
    server.onPeer = answer;
    for (const worker of [0, 1]) {
      const at = (planted = await Planted.start({
        settings: { workers: 2, loop: 'epoll', connMax: CLIENTS, sourceMax: 0 },
        servers: [server.port],
      }));
      const clients = Array.from({ length: 10 }, () => visitor(at));
      await reactor().until(() => clients.every((client) => client.received === 100), 'they are served');
      await at.fail(worker);
      expect(await at.stop()).toBe(0);
      await reactor().until(() => clients.every((client) => client.ending === 'ECONNRESET'), 'all are told');
    }
  });
});

needs({ linux: true }, 'a worker that hangs', () => {
  test('ends the process, which one that is merely suspended does not', async () => {
    server = new Server();
    server.onPeer = answer;
    const at = (planted = await Planted.start({
      settings: { workers: 2, loop: 'epoll', connMax: CLIENTS, sourceMax: 0 },
      servers: [server.port],
    }));
    const client = visitor(at);
    await reactor().until(() => client.received === 100, 'it is served');
    at.child.kill('SIGSTOP');
    await reactor().pass(6000);
    at.child.kill('SIGCONT');
    await reactor().pass(3000);
    client.send(100);
    await reactor().until(() => client.received === 200, 'it is served still');
    await at.hang(1);
    expect(await at.ended).toBe(3);
    expect(at.said).toContain('worker 1 hangs: one turn of it lasts for more than five seconds');
  }, 60_000);
});
