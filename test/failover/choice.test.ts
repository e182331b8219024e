/** F3 to F8, F10: choice and limits under trouble, on real sockets; the worked examples say what each algorithm does. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { ask, AS_WHO_WE_ARE } from '../support/control.ts';
import { ENDED, type Peer } from '../support/peer.ts';
import { onEachLoop, type Pair, type Rig } from '../support/rig.ts';
import { echo } from '../support/server.ts';
import { ip } from '../support/sockets.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'pen-choice-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));
const CONTROL = join(FOLDER, 'control.sock');
const say = async (line: string): Promise<string> => ask(CONTROL, `${line}\n`);
const CONTROLLED = ['-C', CONTROL, ...AS_WHO_WE_ARE];

const RESET = 'ECONNRESET';
const LOCAL = ip('127.0.0.1', 0);
/** A verdict that takes longer has waited for something. */
const AT_ONCE_MS = 1500;
const ALGORITHMS = ['roundrobin', 'weight', 'leastconn', 'prio', 'hash', 'hash original'];

/** Waits for the next connection. @returns which server it came to. */
async function nextServer(rig: Rig, client: Peer): Promise<{ index: number; peer: Peer }> {
  const before = rig.servers.map((server) => server.accepted);
  const peer = await rig.nextServerPeer(client);
  return { index: rig.servers.findIndex((server, i) => server.accepted > (before[i] ?? 0)), peer };
}

/** Opens a connection and holds it. @returns which server has it. */
async function hold(rig: Rig, from = '127.0.0.1'): Promise<number> {
  return (await nextServer(rig, rig.connect({ from }))).index;
}

onEachLoop(
  'F3: a server that hangs',
  { servers: [LOCAL, LOCAL], options: ['-O', 'server 0 max 5', '-O', 'idle_timeout 1'] },
  (rig) => {
    test('F3: no more clients than it may have hang with it, and those are told by the idle timeout', async () => {
      const [hanging, well] = rig.servers;
      hanging!.stopAccepting();
      well!.onPeer = echo;
      const clients = Array.from({ length: 30 }, () => rig.connect());
      for (const client of clients) client.send(10);
      const served = (): Peer[] => clients.filter((client) => client.received === 10);
      await rig.until(
        () => served().length === 25,
        () => `${served().length} are served`,
      );
      const rest = clients.filter((client) => client.received === 0);
      await rig.until(
        () => rest.every((client) => client.ending === RESET),
        () => rest.map((client) => client.describe()).join('\n'),
      );
    });
  },
);

onEachLoop(
  'F5: a server that comes and goes',
  { servers: [LOCAL, LOCAL], faultSeed: 5, options: ['-O', 'no roundrobin', '-b', '1'] },
  (rig) => {
    test('F5: a client is moved once per blacklist time, however often the server goes, and is always served', async () => {
      const seconds = 2.5;
      const home = await hold(rig, '127.0.0.7');
      const flapping = rig.proxies[home];
      let served = 0;
      let moves = 0;
      let last = home;
      const endMs = performance.now() + seconds * 1000;
      for (let visit = 0; performance.now() < endMs; visit++) {
        if (visit % 4 === 0) flapping!.down();
        if (visit % 4 === 2) flapping!.up();
        const client = rig.connect({ from: '127.0.0.7' });
        client.send(1);
        const counts = rig.servers.map((server) => server.accepted);
        const isTold = (): boolean => client.ending !== '' || rig.servers.some((one, i) => one.accepted > counts[i]!);
        await rig.until(isTold, () => client.describe(), AT_ONCE_MS);
        const index = rig.servers.findIndex((one, i) => one.accepted > counts[i]!);
        client.close();
        if (index < 0) continue;
        served++;
        if (index !== last) moves++;
        last = index;
        await rig.pass(20);
      }
      flapping!.up();
      expect(served).toBeGreaterThan(30);
      expect(moves).toBeGreaterThan(0);
      expect(moves).toBeLessThanOrEqual(Math.ceil(seconds) + 1);
    });
  },
);

onEachLoop('F6: limits', { options: ['-x', '100', '-O', 'server 0 max 3 hard 3'] }, (rig) => {
  const ENDS: Readonly<Record<string, (pair: Pair) => void>> = {
    'both end': ({ client, server }) => {
      client.end();
      server.end();
    },
    'the client resets': ({ client }) => client.reset(),
    'the server resets': ({ server }) => server.reset(),
    'the client ends, then the server resets': ({ client, server }) => {
      client.end();
      server.reset();
    },
    'the client resets with bytes on their way': ({ client, server }) => {
      server.send(100_000);
      client.reset();
    },
  };

  test.each(Object.keys(ENDS))(
    'F6: a place is free again when %s, and never more than those there are',
    async (how) => {
      const pairs = await rig.pairs(3);
      for (let round = 0; round < 10; round++) {
        const late = rig.connect();
        await rig.until(
          () => late.ending === RESET,
          () => late.describe(),
          AT_ONCE_MS,
        );
        const gone = pairs.shift()!;
        ENDS[how]!(gone);
        await rig.until(
          () =>
            (gone.client.ending !== '' || !gone.client.isOpen) && (gone.server.ending !== '' || !gone.server.isOpen),
          () => `${gone.client.describe()}; ${gone.server.describe()}`,
        );
        // Both ends know; that Pen does is a turn away.
        await rig.pass(20);
        pairs.push(await rig.pair());
        expect(pairs.filter(({ server }) => server.ending === '').length).toBe(3);
      }
    },
  );

  test('F6: of sixty that come at once three are served', async () => {
    const before = rig.server.accepted;
    const clients = Array.from({ length: 60 }, () => rig.connect());
    const told = (): number => clients.filter((client) => client.ending === RESET).length;
    await rig.until(
      () => told() === 57,
      () => `${told()} are told`,
    );
    await rig.pass(100);
    expect([rig.server.accepted - before, told()]).toEqual([3, 57]);
  });
});

onEachLoop('F7: distribution', { servers: [LOCAL, LOCAL, LOCAL], options: CONTROLLED }, (rig) => {
  beforeEach(async () => {
    for (const word of ['weight', 'leastconn', 'prio', 'hash', 'roundrobin']) await say(`no ${word}`);
    for (const index of [0, 1, 2]) await say(`server ${index} blacklist 0 weight 0`);
  });

  async function counts(clients: number): Promise<number[]> {
    const found = [0, 0, 0];
    for (let i = 0; i < clients; i++) found[await hold(rig)]!++;
    return found;
  }

  test.each([
    { words: ['roundrobin'], wanted: [10, 10, 10] },
    { words: ['roundrobin', 'leastconn'], wanted: [10, 10, 10] },
    {
      words: ['roundrobin', 'weight', 'server 0 weight 1', 'server 1 weight 2', 'server 2 weight 3'],
      wanted: [5, 10, 15],
    },
  ])('F7: $words give each server its share, but for one', async ({ words, wanted }) => {
    for (const word of words) await say(word);
    const found = await counts(30);
    found.forEach((count, i) => expect(Math.abs(count - wanted[i]!), String(found)).toBeLessThanOrEqual(1));
  });

  test('F7: by hash a client has its server; of those whose server leaves nobody else moves', async () => {
    await say('hash');
    const addresses = Array.from({ length: 60 }, (_, i) => `127.0.7.${i + 1}`);
    const visit = async (): Promise<number[]> => {
      const found: number[] = [];
      for (const from of addresses) found.push(await hold(rig, from));
      return found;
    };
    const first = await visit();
    expect(await visit()).toEqual(first);
    await say('server 1 blacklist 60');
    const second = await visit();
    expect(second.every((index, i) => (first[i] === 1 ? index !== 1 : index === first[i]))).toBe(true);
    const moved = first.filter((index) => index === 1).length;
    expect(moved, `${moved} of 60 moved`).toBeLessThan(40);
    expect(moved).toBeGreaterThan(5);
  });
});

describe('F8: no server for anybody', () => {
  onEachLoop('F8', { servers: [LOCAL, LOCAL], options: CONTROLLED }, (rig) => {
    test.each(ALGORITHMS)(
      'F8: with %s a verdict comes at once when all servers are full, and when all are down',
      async (word) => {
        for (const other of ['roundrobin', 'weight', 'leastconn', 'prio', 'hash']) await say(`no ${other}`);
        await say(word);
        for (const index of [0, 1]) await say(`server ${index} max 1 hard 1 weight 1 blacklist 0`);
        const held = [await hold(rig), await hold(rig)];
        expect(new Set(held)).toEqual(new Set([0, 1]));
        const refused = async (): Promise<void> => {
          const clients = Array.from({ length: 10 }, (_, i) => rig.connect({ from: `127.0.8.${i + 1}` }));
          await rig.until(
            () => clients.every((client) => client.ending === RESET),
            () => clients.map((client) => client.describe()).join('\n'),
            AT_ONCE_MS,
          );
        };
        await refused();
        for (const index of [0, 1]) await say(`server ${index} max 0 hard 0 blacklist 60`);
        await refused();
      },
    );
  });
});

/** Groups are not to be connected to, which the kernel knows without asking anybody. */
const NOWHERE = ['server 1 address ff02::1 port 80', 'server 2 address 255.255.255.255 port 80'];

onEachLoop('F10: no way', { options: ['-t', '10', ...NOWHERE.flatMap((line) => ['-O', line])] }, (rig) => {
  test('F10: servers to which there is no way are passed over at once, and their clients served', async () => {
    rig.server.onPeer = echo;
    for (let i = 0; i < 6; i++) {
      const client = rig.connect();
      client.send(10);
      client.end();
      await rig.until(
        () => client.ending === ENDED,
        () => client.describe(),
        AT_ONCE_MS,
      );
      expect(client.received).toBe(10);
    }
  });
});

onEachLoop('a server that takes connections and is gone at once', { servers: [LOCAL], options: CONTROLLED }, (rig) => {
  test.each([
    ['resets them', (peer: Peer): void => peer.reset()],
    [
      'ends and resets them',
      (peer: Peer): void => {
        peer.end();
        peer.reset();
      },
    ],
  ])('F6: one that %s has not failed to connect, and is not passed over', async (_, leave) => {
    rig.server.onPeer = leave;
    const clients = Array.from({ length: 100 }, () => rig.connect());
    await rig.until(() => clients.every(({ ending }) => ending !== ''), 'all are told');
    expect(await say('--json servers')).toMatch(/"failed_at":0,"blacklisted":0,"connects":\d+,"failures":0}/);
    rig.server.onPeer = undefined;
    await rig.pair();
  });
});
