/** O1, O5 on Node's own loop, which holds those for whom there is no room itself: what docs/node-loop.md promises. */
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { CPU_SHARE_MAX, restingCpuShare } from '../support/oracles.ts';
import { ENDED, type Peer } from '../support/peer.ts';
import { limitThatLeaves } from '../support/process-facts.ts';
import { onOneLoop, type Rig } from '../support/rig.ts';
import { echo } from '../support/server.ts';
import { needs } from '../support/skip.ts';

const RESET = 'ECONNRESET';
const ENOUGH = 1024;
/** How long it may take until a person is told. */
const TOLD_MS = 20_000;

/** Connects clients one after the other; each says its number in bytes. */
async function queueUp(rig: Rig, count: number): Promise<Peer[]> {
  const clients: Peer[] = [];
  for (let i = 0; i < count; i++) {
    const client = rig.connect();
    client.send(i + 1);
    clients.push(client);
    await rig.until(() => client.isConnected || client.ending !== '', 'the client is taken, or not');
  }
  return clients;
}

needs({ linux: true }, "who waits on Node's own loop", () => {
  describe('O5: a short backlog', () => {
    onOneLoop('node', { options: ['-x', '4', '-q', '8'] }, (rig) => {
      test('who comes beyond it is reset and told of once, who is in it is served in order, and then there is room again', async () => {
        const held = await rig.pairs(4);
        const clients = await queueUp(rig, 38);
        await rig.until(
          () => clients.slice(8).every((client) => client.ending === RESET),
          () => clients.map((client) => client.describe()).join('\n'),
        );
        expect(await restingCpuShare(rig.pen)).toBeLessThan(CPU_SHARE_MAX);
        expect(clients.slice(0, 8).map((client) => client.ending)).toEqual(Array.from({ length: 8 }, () => ''));
        const order: number[] = [];
        rig.server.onPeer = (peer) => {
          peer.onChange = () => {
            if (peer.received > 0 && peer.asked === 0) {
              order.push(peer.received);
              peer.send(peer.received);
              peer.end();
            }
            if (peer.ending !== '' && peer.isFlushed) peer.close();
          };
        };
        for (const { client } of held) client.reset();
        for (let i = 0; i < 8; i++) {
          await rig.until(
            () => clients[i].ending === ENDED,
            () => clients[i].describe(),
          );
          expect(clients[i].received).toBe(i + 1);
          clients[i].close();
        }
        // Four places: neighbours may be heard in either order.
        order.forEach((number, i) => expect(Math.abs(number - 1 - i)).toBeLessThan(4));
        rig.server.onPeer = echo;
        const late = rig.connect();
        late.send(10);
        await rig.until(
          () => late.received === 10,
          () => late.describe(),
        );
        const told = (): string[] => rig.pen.lines.filter((line) => line.includes('the backlog is full (-q)'));
        await rig.until(() => told().length > 0, 'somebody is told', TOLD_MS);
        expect(told()).toHaveLength(1);
      });

      test('who leaves while waiting is forgotten', async () => {
        const held = await rig.pairs(4);
        const waiting = await queueUp(rig, 8);
        for (const client of waiting.slice(0, 7)) client.reset();
        await rig.pass(100);
        held[0].client.reset();
        const peer = await rig.nextServerPeer(waiting[7]);
        await rig.until(
          () => peer.received === 8,
          () => peer.describe(),
        );
      });
    });
  });

  describe('O1: few descriptors', () => {
    onOneLoop('node', { descriptors: 128, options: ['-q', '4096'] }, (rig) => {
      test('of 128 a quarter of what is free is for clients that wait; places are used, nobody else is held, and all is well again', async () => {
        // 128 less 48 of its own: 20 clients wait, one more is turned away, 29 are served.
        const [served, waiting] = [29, 20];
        rig.server.onPeer = echo;
        const clients = await queueUp(rig, 100);
        const got = (): Peer[] => clients.filter((client) => client.received > 0);
        const gone = (): Peer[] => clients.filter((client) => client.ending === RESET);
        const counts = (): string => `${got().length} are served, ${gone().length} reset`;
        await rig.until(() => got().length === served && gone().length === 100 - served - waiting, counts);
        expect(await restingCpuShare(rig.pen)).toBeLessThan(CPU_SHARE_MAX);
        await rig.until(() => {
          for (const client of got()) client.close();
          return got().length === served + waiting;
        }, counts);
      });
    });
  });

  describe('O1: descriptors that run out', () => {
    onOneLoop('node', { options: ['-x', '300', '-O', 'pending_max 300', '-t', '3'] }, (rig) => {
      /** Sets the soft limit alone, which needs no privilege and can be taken back. */
      const setLimit = (limit: number): void => {
        execFileSync('prlimit', ['--pid', String(rig.pen.pid), `--nofile=${limit}:`]);
      };

      test.each([0, 1, 7])(
        'with %i left while it runs connections go on; newcomers may be closed, by Node; all is well when there are more',
        async (left) => {
          rig.server.onPeer = echo;
          const old = Array.from({ length: 20 }, () => rig.connect());
          for (const client of old) client.send(10);
          await rig.until(() => old.every((client) => client.received === 10), 'the first are served');
          setLimit(limitThatLeaves(rig.pen.pid, left));
          try {
            const clients = Array.from({ length: 60 }, () => rig.connect());
            for (const client of clients) client.send(10);
            await rig.pass(300);
            expect(await restingCpuShare(rig.pen)).toBeLessThan(CPU_SHARE_MAX);
            for (const client of old) client.send(10);
            await rig.until(() => old.every((client) => client.received === 20), 'old connections go on');
          } finally {
            setLimit(ENOUGH);
          }
          const late = rig.connect();
          late.send(10);
          await rig.until(
            () => late.received === 10,
            () => late.describe(),
            5000,
          );
        },
      );
    });
  });
});
