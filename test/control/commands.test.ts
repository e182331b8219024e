/** Commands that change what a running Pen does, seen from outside. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parseListen } from '../../src/config/address.ts';
import { ask, AS_WHO_WE_ARE, freePort } from '../support/control.ts';
import { Peer } from '../support/peer.ts';
import { onEachLoop } from '../support/rig.ts';
import { ip } from '../support/sockets.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'pen-control-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));
const CONTROL = join(FOLDER, 'control.sock');
const say = async (line: string): Promise<string> => ask(CONTROL, `${line}\n`);

const ROOM = 20;
const SLOTS = 64;
const IN_USE =
  /^Connection (\d+):\nstate = ([1-9]\d*)\ndownfd = (\d+), upfd = (\d+)\nclient = \d+, server = (\d)\npend = 0\n$/;

/** What `connection` tells about those that are in use. */
async function inUse(): Promise<RegExpExecArray[]> {
  const all = await Promise.all(Array.from({ length: SLOTS }, async (_, slot) => say(`connection ${slot}`)));
  return all.map((text) => IN_USE.exec(text)).filter((match) => match !== null);
}

onEachLoop(
  'commands',
  { options: ['-x', String(ROOM), '-C', CONTROL, ...AS_WHO_WE_ARE], servers: [ip('127.0.0.1', 0), ip('127.0.0.1', 0)] },
  (rig) => {
    test('H3: listen moves to another port: who is connected stays, the old port is free, and back again', async () => {
      const before = (await say('listen')).trim();
      const old = parseListen(`127.0.0.1:${rig.pen.port}`, '');
      const { client, server } = await rig.pair();
      const port = await freePort();
      expect(await say(`listen 127.0.0.1:${port}`)).toBe(`127.0.0.1:${port}\n`);
      const moved = Peer.connect(ip('127.0.0.1', port));
      const served = await rig.nextServerPeer(moved);
      client.send(5000);
      server.send(5000);
      await rig.until(() => client.received === 5000 && server.received === 5000, 'the old connection goes on');
      const late = Peer.connect(ip('127.0.0.1', rig.pen.port));
      await rig.until(() => late.ending === 'ECONNREFUSED', 'nobody listens where it was');
      expect('host' in old && (await say(`listen 127.0.0.1:${rig.pen.port}`))).toBe(`127.0.0.1:${rig.pen.port}\n`);
      expect(before, 'the port that the system chose').toBe(`127.0.0.1:${rig.pen.port}`);
      served.close();
      await rig.pair();
    });

    test('listen with port 0 answers with the port that the system has chosen, where clients are served', async () => {
      const [, port = ''] = /^127\.0\.0\.1:(\d+)\n$/.exec(await say('listen 127.0.0.1:0')) ?? [];
      expect(Number(port)).toBeGreaterThan(0);
      expect(await say('listen')).toBe(`127.0.0.1:${port}\n`);
      (await rig.nextServerPeer(Peer.connect(ip('127.0.0.1', Number(port))))).close();
      expect(await say(`listen 127.0.0.1:${rig.pen.port}`)).toBe(`127.0.0.1:${rig.pen.port}\n`);
    });

    test('H3: listen moves to another address with the same port, and back', async () => {
      const port = await freePort();
      const [one, all] = [`127.0.0.1:${port}`, `0.0.0.0:${port}`];
      expect(await say(`listen ${one}`)).toBe(`${one}\n`);
      expect(await say(`listen ${one}`), 'the same again').toBe(`${one}\n`);
      // Node has no listener beside another one.
      if (rig.loop === 'node') expect(await say(`listen ${all}`)).toBe(`${one}\n`);
      for (let i = 0; i < 3 && rig.loop !== 'node'; i++) {
        expect(await say(`listen ${all}`)).toBe(`${all}\n`);
        for (const host of ['127.0.0.1', '127.0.0.2']) {
          const client = Peer.connect(ip(host, port));
          (await rig.nextServerPeer(client)).close();
        }
        expect(await say(`listen ${one}`)).toBe(`${one}\n`);
        (await rig.nextServerPeer(Peer.connect(ip('127.0.0.1', port)))).close();
        const late = Peer.connect(ip('127.0.0.2', port));
        await rig.until(() => late.ending === 'ECONNREFUSED', 'nobody listens at the other address');
      }
      expect(await say(`listen 127.0.0.1:${rig.pen.port}`)).toBe(`127.0.0.1:${rig.pen.port}\n`);
      await rig.pair();
    });

    test('listen on a port that is taken keeps the old one', async () => {
      const now = await say('listen');
      expect(await say(`listen ${rig.server.address}`)).toBe(now);
      expect(await say('listen 192.0.2.1:80')).toBe(now);
      expect(await say('listen nonsense:::')).toBe(now);
      await rig.pair();
    });

    test('conn_max grows under load, and never shrinks', async () => {
      await rig.pairs(ROOM);
      const waiting = rig.connect();
      await rig.pass(100);
      expect(
        rig.servers.every((server) => server.waiting.length === 0),
        'the table is full',
      ).toBe(true);
      expect(await say(`conn_max ${ROOM + 2}`)).toBe(`${ROOM + 2}\n`);
      await rig.nextServerPeer(waiting);
      await rig.pair();
      expect(await say('conn_max 5')).toBe(`${ROOM + 2}\n`);
    });

    test('close ends one connection by reset, on both sides, and no other', async () => {
      const pairs = await rig.pairs(4);
      const slot = Number((await inUse())[0]?.[1]);
      expect(await say(`close ${slot}`)).toBe(`Forcibly closing connection ${slot}\n`);
      const ended = (): typeof pairs =>
        pairs.filter(({ client, server }) => client.ending !== '' && server.ending !== '');
      await rig.until(() => ended().length === 1, 'one is gone');
      expect(ended().map(({ client, server }) => [client.ending, server.ending])).toEqual([
        ['ECONNRESET', 'ECONNRESET'],
      ]);
      expect((await inUse()).map(([, number]) => number)).not.toContain(String(slot));
      expect(await say(`close ${slot}`), 'again').toBe(`Forcibly closing connection ${slot}\n`);
      expect(await say('close 100000')).toBe('Connection 100000 out of range\n');
    });

    test('connection, socket and servers tell what is', async () => {
      const before = await say('servers');
      const { client, server } = await rig.pair();
      client.send(1000);
      server.send(3000);
      await rig.until(() => client.received === 3000 && server.received === 1000, 'bytes arrive');
      client.end();
      await rig.until(() => server.ending !== '', 'the end arrives');
      const [[, slot, state, down, up, index] = []] = await inUse();
      expect(state, 'open, and the client has ended').toBe('10');
      for (const fd of [down, up])
        expect(await say(`socket ${fd}`)).toBe(`Socket ${fd} belongs to connection ${slot}\n`);
      const bytes = (text: string): number[] =>
        [...text.matchAll(/sx (\d+) rx (\d+)/g)].flatMap((m) => [+m[1]!, +m[2]!]);
      const grown = bytes(await say('servers')).map((value, i) => value - bytes(before)[i]!);
      expect(grown).toEqual(index === '0' ? [1000, 3000, 0, 0] : [0, 0, 1000, 3000]);
    });

    test('H4: a server changes its address, its limits and its mood', async () => {
      const ports = rig.servers.map(({ endpoint }) => ('port' in endpoint ? endpoint.port : 0));
      expect(await say(`server 0 blacklist 60`)).toBe('');
      for (let i = 0; i < 4; i++) {
        await rig.pair();
        expect(rig.servers[0]!.waiting).toEqual([]);
      }
      expect(await say(`server 1 address localhost port ${ports[0]} max 6`)).toBe('');
      expect(await say('servers')).toContain(`1 addr 127.0.0.1 port ${ports[0]} conn 4 max 6`);
      expect(await say('server 0 blacklist 0')).toBe('');
      expect(await say(`server 1 address 127.0.0.1 port ${ports[1]} max 0`)).toBe('');
    });

    test('C7: a server that is gone and is edited while clients fail over from it costs nobody a connection', async () => {
      const ports = rig.servers.map(({ endpoint }) => ('port' in endpoint ? endpoint.port : 0));
      for (let round = 0; round < 40; round++) {
        const [address, port] = round % 2 === 0 ? ['127.0.9.9', await freePort()] : ['127.0.0.1', ports[0]];
        const edits = [`address ${address} port ${port}`, 'blacklist 0', `max ${100 + round}`, `weight ${round}`];
        const edited = Promise.all(edits.map(async (words) => say(`server 0 ${words}`)));
        for (let i = 0; i < 3; i++) {
          const { client, server } = await rig.pair();
          client.close();
          server.close();
        }
        expect(await edited).toEqual(['', '', '', '']);
      }
      expect(await say(`server 0 address 127.0.0.1 port ${ports[0]} max 0 weight 0 blacklist 0`)).toBe('');
    });

    test('a server begins anew with another address, whatever was noted of the one before', async () => {
      const { port } = rig.servers[0]!;
      expect(await say(`server 0 address 127.0.9.9 port ${port}`)).toBe('');
      for (let i = 0; i < 2; i++) await rig.pair();
      expect(await say('--json servers'), 'it has failed').toMatch(/"server":0,[^}]*"blacklisted":[1-9]/);
      expect(await say(`server 0 address 127.0.0.1`)).toBe('');
      expect(await say('--json servers')).toMatch(/"server":0,[^}]*"blacklisted":0/);
      expect(await say(`server 0 blacklist 60 address localhost`), 'the same').toBe('');
      expect(await say(`server 0 address 127.0.9.9`)).toBe('');
      expect(await say('--json servers'), 'what was said of the number stays').toMatch(
        /"server":0,[^}]*"blacklisted":[1-9]/,
      );
      expect(await say(`server 0 address 127.0.0.1 blacklist 0`)).toBe('');
    });

    test('C7: a thousand changes under traffic break nothing', async () => {
      const { client, server } = await rig.pair();
      for (let round = 0; round < 100; round++) {
        client.send(2000);
        server.send(2000);
        await Promise.all(
          Array.from({ length: 10 }, async (_, i) => say(`server ${i % 2} weight ${round + i} max ${100 + i}`)),
        );
      }
      await rig.until(() => client.received === 200_000 && server.received === 200_000, 'every byte arrives');
      expect(await say('server 0 max 0 weight 0')).toBe('');
      expect(await say('server 1 max 0 weight 0')).toBe('');
    });
  },
);
