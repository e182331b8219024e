/** O3, O4, O5: when there is no more room clients wait, in order, and waiting costs nothing. */
import { expect, test } from 'vitest';
import { CPU_SHARE_MAX, restingCpuShare } from '../support/oracles.ts';
import { ENDED, type Peer } from '../support/peer.ts';
import { onEachLoop, type Rig } from '../support/rig.ts';
import { echo } from '../support/server.ts';

const ROOM = 20;
const OFFERED = ROOM * 10;

/** Connects clients one after the other, so that their order in the backlog is known. Each says its number in bytes. */
async function queueUp(rig: Rig, count: number): Promise<Peer[]> {
  const clients: Peer[] = [];
  for (let i = 0; i < count; i++) {
    const client = rig.connect();
    client.send(i + 1);
    clients.push(client);
    await rig.until(() => client.isConnected, 'the kernel takes the client into the backlog');
  }
  return clients;
}

onEachLoop('O3: a full table', { options: ['-x', String(ROOM)] }, (rig) => {
  test(`O3: of ${OFFERED} clients ${ROOM} are served, the others wait without cost and are served in the order they came, none refused`, async () => {
    const order: number[] = [];
    const busy: Peer[] = [];
    rig.server.onPeer = (peer) => {
      busy.push(peer);
      peer.onChange = () => {
        if (peer.ending === ENDED && peer.isFlushed) peer.close();
      };
    };
    const clients = await queueUp(rig, OFFERED);
    await rig.until(() => busy.length === ROOM && busy.every((peer) => peer.received > 0), 'the table is full');
    expect(await restingCpuShare(rig.pen)).toBeLessThan(CPU_SHARE_MAX);
    expect([busy.length, clients.filter((client) => client.ending !== '').length]).toEqual([ROOM, 0]);
    for (let i = 0; i < OFFERED; i++) {
      await rig.until(() => busy.length > i && busy[i].received > 0, `client ${i + 1} is served`);
      order.push(busy[i].received);
      busy[i].end();
      const client = clients[busy[i].received - 1];
      await rig.until(
        () => client.ending !== '',
        () => client.describe(),
      );
      client.close();
    }
    expect(order.slice(ROOM)).toEqual(Array.from({ length: OFFERED - ROOM }, (_, i) => ROOM + i + 1));
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: OFFERED }, (_, i) => i + 1));
  });

  test('O3: a full table keeps its throughput: ten times the clients it has room for are all served, at once and in turn', async () => {
    rig.server.onPeer = echo;
    const waves = 10;
    for (let wave = 0; wave < waves; wave++) {
      const clients = Array.from({ length: OFFERED }, () => rig.connect());
      for (const client of clients) {
        client.send(1000);
        client.end();
      }
      await rig.until(() => clients.every((client) => client.ending !== ''), `wave ${wave} is served`, 10_000);
      expect(new Set(clients.map((client) => `${client.received} ${client.ending}`))).toEqual(new Set(['1000 end']));
      for (const client of clients) client.close();
    }
  });

  test('O3: a table full of silent clients is full: nobody is thrown out for a newcomer', async () => {
    const silent = await rig.pairs(ROOM);
    const late = await queueUp(rig, 5);
    await rig.pass(500);
    expect(silent.some(({ client, server }) => client.ending !== '' || server.ending !== '')).toBe(false);
    expect(late.map((client) => client.ending)).toEqual(['', '', '', '', '']);
  });
});

const PENDING = 5;
const WAITING = 40;

onEachLoop(
  'O4: too many connects',
  { options: ['-O', `pending_max ${PENDING}`, '-t', '30'], serverBacklog: 0 },
  (rig) => {
    test(`O4: while ${PENDING} connects hang the other clients wait without cost, and all are served when the server answers`, async () => {
      rig.server.stopAccepting();
      // What the server's kernel takes by itself does not hang.
      const fillers = [rig.connect(), rig.connect()];
      await rig.pass(100);
      const clients = await queueUp(rig, WAITING);
      await rig.pass(200);
      expect(await restingCpuShare(rig.pen)).toBeLessThan(CPU_SHARE_MAX);
      const told = [...fillers, ...clients].filter((client) => client.ending !== '');
      expect(told.map((client) => client.describe())).toEqual([]);
      rig.server.onPeer = echo;
      rig.server.startAccepting();
      const isServed = (client: Peer, i: number): boolean => client.received === i + 1;
      const late = (): string =>
        clients
          .filter((client, i) => !isServed(client, i))
          .map((c) => c.describe())
          .join('\n');
      await rig.until(() => clients.every(isServed), late, 20_000);
    });
  },
);

onEachLoop('O5: a short backlog', { options: ['-x', '4', '-q', '8'] }, (rig) => {
  rig.testUnlessOn('node', 'they are reset there: node.test.ts')(
    'O5: clients beyond a backlog of eight are served when they come again, those within it in their order',
    async () => {
      const held = await rig.pairs(4);
      const within = await queueUp(rig, 8);
      const beyond = Array.from({ length: 30 }, () => rig.connect());
      await rig.pass(300);
      expect(await restingCpuShare(rig.pen)).toBeLessThan(CPU_SHARE_MAX);
      const order: number[] = [];
      rig.server.onPeer = (peer) => {
        echo(peer);
        const answer = peer.onChange;
        peer.onChange = (changed) => {
          if (changed.received > 0 && changed.asked === 0) order.push(changed.received);
          answer?.(changed);
        };
      };
      for (const { client } of held) client.reset();
      // No end with it: a kernel whose backlog is full answers that with a reset of its own.
      for (const client of beyond) client.send(100);
      const clients = [...within, ...beyond];
      const late = (): string => clients.map((client) => client.describe()).join('\n');
      await rig.until(
        () => {
          for (const client of clients) if (client.received > 0 && client.received === client.asked) client.close();
          return clients.every((client) => client.received > 0);
        },
        late,
        20_000,
      );
      expect(clients.map((client) => client.received)).toEqual(clients.map((client) => client.asked));
      // Four places: neighbours may be heard in either order, nobody further back goes first.
      const numbers = order.filter((number) => number <= 8);
      numbers.forEach((number, i) => expect(Math.abs(number - 1 - i)).toBeLessThan(4));
      expect(numbers.length).toBe(8);
    },
    40_000,
  );
});
