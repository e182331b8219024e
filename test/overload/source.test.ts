/** Promise 7: one address cannot keep others out, and who waits for a place of its own address loses nothing by it. */
import { expect, test } from 'vitest';
import { ENDED, type Peer } from '../support/peer.ts';
import { onEachLoop } from '../support/rig.ts';
import { echo } from '../support/server.ts';

const IDLE = 1000;
/** With room for 500 connections: all but an eighth for one address, and as many again may wait. */
const SERVED = 438;
const PARKED = 500;
const ALIEN = '127.0.0.3';

onEachLoop('a crowd from one address', { options: ['-O', 'source_max auto'] }, (rig) => {
  test(`with defaults, ${IDLE} idle clients of one address do not lock out another`, async () => {
    const served: Peer[] = [];
    rig.server.onPeer = (peer) => served.push(peer);
    const idle = Array.from({ length: IDLE }, () => rig.connect({ from: '127.0.0.2' }));
    const gone = (): number => idle.filter((client) => client.ending !== '').length;
    await rig.until(
      () => gone() === IDLE - SERVED - PARKED,
      () => `${gone()} are turned away`,
    );
    await rig.until(
      () => served.length === SERVED,
      () => `${served.length} are served`,
    );
    rig.server.onPeer = echo;
    for (let i = 0; i < 20; i++) {
      const other = rig.connect({ from: ALIEN });
      other.send(1000);
      other.end();
      await rig.until(
        () => other.ending !== '',
        () => other.describe(),
      );
      expect([other.received, other.ending]).toEqual([1000, ENDED]);
      other.close();
    }
    expect([served.length, gone()]).toEqual([SERVED, IDLE - SERVED - PARKED]);
  });
});

const PLACES = 3;

onEachLoop('the places of one address', { options: ['-O', `source_max ${PLACES}`, '-O', 'parked_max 50'] }, (rig) => {
  test('who waits is served in the order in which it came, with all that it said before', async () => {
    const busy: Peer[] = [];
    rig.server.onPeer = (peer) => {
      busy.push(peer);
      peer.onChange = () => {
        if (peer.ending === ENDED && peer.isFlushed) peer.close();
      };
    };
    const clients: Peer[] = [];
    for (let i = 0; i < 12; i++) {
      const client = rig.connect();
      clients.push(client);
      client.send(i + 1);
      await rig.until(() => client.isConnected, 'the kernel takes the client into the backlog');
    }
    const order: number[] = [];
    for (let i = 0; i < clients.length; i++) {
      await rig.until(() => busy.length > i && busy[i].received > 0, `client ${i + 1} is served`);
      expect(busy.length, 'no more than its places').toBeLessThanOrEqual(i + PLACES);
      order.push(busy[i].received);
      busy[i].end();
      const client = clients[busy[i].received - 1];
      await rig.until(
        () => client.ending !== '',
        () => client.describe(),
      );
      client.close();
    }
    expect(order.slice(PLACES)).toEqual(clients.map((_, i) => i + 1).slice(PLACES));
    expect(new Set(clients.map((client) => client.ending))).toEqual(new Set([ENDED]));
  });

  test('who waits and resets is forgotten, and the next one is served', async () => {
    const pairs = await rig.pairs(PLACES);
    const [leaves, stays] = [rig.connect(), rig.connect()];
    await rig.until(() => stays.isConnected, 'both are there');
    await rig.pass(100);
    leaves.reset();
    await rig.pass(100);
    pairs[0].client.reset();
    const server = await rig.nextServerPeer(stays);
    server.send(10);
    await rig.until(
      () => stays.received === 10,
      () => stays.describe(),
    );
  });
});
