/** T10: clients that go away before anything has come of them leave nothing behind. */
import { expect, test } from 'vitest';
import { descriptorsOf, memoryOf } from '../support/process-facts.ts';
import { isLong, onEachLoop, type Rig } from '../support/rig.ts';

const ROUNDS = isLong ? 1_000_000 : 20_000;
const AT_ONCE = 50;
const MIB = 1 << 20;
/** A leak of 1 kB per client would be 15 MiB in the short run. */
const GROWTH_MAX = (isLong ? 64 : 12) * MIB;
/** V8 collects the objects of Node when it likes; what they take levels off at 42 MiB after 15,000 clients. */
const NODE = { rounds: isLong ? ROUNDS : ROUNDS / 4, growthMax: 64 * MIB };

type Goodbye = 'close' | 'reset';

/** Connects and leaves, again and again, at three moments: at once, when connected, and when the server has it. */
async function comeAndGo(rig: Rig, rounds: number, how: Goodbye): Promise<void> {
  rig.server.onPeer = (peer) => {
    peer.onChange = () => peer.ending !== '' && peer.close();
  };
  for (let done = 0; done < rounds; done += AT_ONCE) {
    const arrived = rig.server.accepted;
    const clients = Array.from({ length: AT_ONCE }, (_, i) => rig.connect({ from: `127.0.1.${(done + i) % 250}` }));
    for (let i = 0; i < AT_ONCE; i += 3) clients[i][how]();
    await rig.until(() => clients.every((client) => !client.isOpen || client.isConnected), 'the rest is connected');
    for (let i = 1; i < AT_ONCE; i += 3) clients[i][how]();
    await rig.until(() => rig.server.accepted > arrived, 'some are served');
    for (const client of clients) client[how]();
  }
}

onEachLoop('T10: early goodbyes', { options: ['-x', '400'] }, (rig) => {
  const { rounds, growthMax } = rig.loop === 'node' ? NODE : { rounds: ROUNDS, growthMax: GROWTH_MAX };
  test.each(['reset', 'close'] as const)(
    `T10: ${rounds} clients that %s before they are accepted, while their server is connected, or just after, leave no descriptor, no memory and no process behind`,
    async (how) => {
      const idle = descriptorsOf(rig.pen.pid).length;
      await comeAndGo(rig, rounds / 8, how);
      await rig.pass(200);
      const before = memoryOf(rig.pen.pid);
      await comeAndGo(rig, (rounds * 7) / 8, how);
      await rig.pass(200);
      expect(memoryOf(rig.pen.pid) - before).toBeLessThan(growthMax);
      // Whoever comes now is served, up to the last place.
      rig.server.onPeer = undefined;
      const isCalm = (): boolean => descriptorsOf(rig.pen.pid).length <= idle + 2 && rig.server.waiting.length === 0;
      await rig.until(isCalm, 'the last ones are gone');
      const pairs = await rig.pairs(400);
      expect(pairs.every(({ client, server }) => client.ending === '' && server.ending === '')).toBe(true);
    },
    isLong ? 3_600_000 : 60_000,
  );
});

onEachLoop('T10: goodbyes during the connect', { serverBacklog: 0, options: ['-t', '20', '-x', '40'] }, (rig) => {
  test('T10: clients that reset while their server does not answer the connect take their attempt with them', async () => {
    // One connection fills a backlog of 0: the connects of the others hang.
    rig.server.stopAccepting();
    const idle = descriptorsOf(rig.pen.pid).length;
    const first = rig.connect();
    await rig.pass(50);
    const second = rig.connect();
    await rig.pass(50);
    const clients = Array.from({ length: 30 }, () => rig.connect());
    await rig.until(() => descriptorsOf(rig.pen.pid).length >= idle + 60, 'all are on their way to the server');
    // Some have spoken already: Pen holds their bytes and does not read on.
    clients.forEach((client, i) => i % 2 === 0 && client.send(100));
    await rig.pass(300);
    for (const client of [...clients, second, first]) client.reset();
    // Long before the attempts would give up by themselves.
    await rig.until(() => descriptorsOf(rig.pen.pid).length <= idle + 2, 'their descriptors are closed', 5000);
  });

  test('T10: clients that end their stream while their server is connected are served all the same', async () => {
    rig.server.stopAccepting();
    const clients = Array.from({ length: 5 }, () => rig.connect());
    for (const client of clients) {
      client.send(5);
      client.end();
    }
    await rig.pass(300);
    rig.server.onPeer = (peer) => {
      peer.onChange = () => {
        if (peer.ending === '') return;
        peer.send(peer.received * 2);
        peer.end();
        peer.onChange = undefined;
      };
      peer.onChange(peer);
    };
    rig.server.startAccepting();
    await rig.until(() => clients.every((client) => client.ending !== ''), 'all are answered', 12_000);
    expect(clients.map((client) => [client.received, client.ending])).toEqual(clients.map(() => [10, 'end']));
  });
});

onEachLoop('T10: no server at all', { servers: [], deadServers: 2 }, (rig) => {
  test('T10: a client that no server takes gets a reset, never an empty answer', async () => {
    const clients = Array.from({ length: 50 }, () => rig.connect());
    await rig.until(() => clients.every((client) => client.ending !== ''), 'all are told');
    expect(new Set(clients.map((client) => client.ending))).toEqual(new Set(['ECONNRESET']));
  });
});
