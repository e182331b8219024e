/** Farms with names on the real kernel: whose clients come where, and who is touched when one of them changes. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Endpoint } from '../../src/base/endpoint.ts';
import { ask, AS_WHO_WE_ARE, freePort } from '../support/control.ts';
import { Folder } from '../support/folder.ts';
import { baselineOf, expectAtRest, type Baseline } from '../support/oracles.ts';
import { Peer } from '../support/peer.ts';
import { Pen } from '../support/pen.ts';
import { reactor } from '../support/reactor.ts';
import { LOOPS } from '../support/rig.ts';
import { Server } from '../support/server.ts';
import { needsLoop } from '../support/skip.ts';
import { ip } from '../support/sockets.ts';

const FOLDER = new Folder();
const CONTROL = FOLDER.at('control');
const FILE = FOLDER.at('pen.cfg');
/** Hosts that are nobody else's, so that ports there are free. */
const HOSTS = ['127.0.9.21', '127.0.9.22'] as const;
const PEN_HOST = '127.0.9.20';
const CLIENTS = Array.from({ length: 12 }, (_, n) => `127.0.9.${30 + n}`);

for (const loop of LOOPS) {
  needsLoop(loop, 'farms with names', () => {
    let pen: Pen;
    let baseline: Baseline;
    let servers: Server[] = [];
    let ports: readonly number[] = [];

    beforeEach(async () => {
      ports = await Promise.all([1, 2, 3].map(async () => freePort(PEN_HOST)));
    });
    afterEach(async () => {
      Peer.closeAll();
      try {
        await expectAtRest(pen, baseline);
      } finally {
        const exit = await pen.stop();
        for (const server of servers) server.close();
        servers = [];
        expect(exit.code, pen.lines.join('\n')).toBe(0);
      }
    });

    const serve = (host: string, port: number): Server => {
      const server = new Server(ip(host, port));
      servers.push(server);
      return server;
    };
    const at = (which: number): Endpoint => ip(PEN_HOST, ports[which] ?? 0);
    const listen = (...which: readonly number[]): string =>
      `listen ${which.map((n) => `${PEN_HOST}:${ports[n]}`).join(' ')}\n`;
    const lineOf = (n: number, { endpoint }: Server): string =>
      'port' in endpoint ? `server ${n} address 127.0.9.21 port ${endpoint.port}\n` : '';

    async function start(text: string): Promise<void> {
      FOLDER.write('pen.cfg', text);
      pen = await Pen.start({
        loop,
        listen: '',
        servers: [],
        options: ['-F', FILE, '-C', CONTROL, ...AS_WHO_WE_ARE],
      });
      expect(pen.loop).toBe(loop);
      // What the first connection opens stays open.
      expect(await ask(CONTROL, 'pid')).toBe(`${pen.pid}\n`);
      baseline = baselineOf(pen);
    }

    async function reload(text: string): Promise<void> {
      FOLDER.write('pen.cfg', text);
      expect(await ask(CONTROL, 'reload')).toBe('');
    }

    /** A client and the server it came to. */
    async function come(to: Endpoint, from?: string): Promise<{ client: Peer; peer: Peer; server: Server }> {
      const client = Peer.connect(to, from === undefined ? {} : { from });
      const find = (): Server | undefined => servers.find(({ waiting }) => waiting.length > 0);
      await reactor().until(() => find() !== undefined || client.ending !== '', 'a client is served');
      const server = find();
      const peer = server?.waiting.shift();
      if (!server || !peer) throw new Error(`nobody served the client: ${client.describe()}`);
      client.inKey = peer.key;
      peer.inKey = client.key;
      return { client, peer, server };
    }

    /** Both directions work. */
    async function talk({ client, peer }: { client: Peer; peer: Peer }): Promise<void> {
      const [before, answered] = [peer.received, client.received];
      client.send(3000);
      await reactor().until(() => peer.received === before + 3000, 'the question');
      peer.send(5000);
      await reactor().until(() => client.received === answered + 5000, 'the answer');
    }

    const hostOf = (server: Server): string => server.address.split(':')[0] ?? '';

    test('clients find the same server by each listener of their farm, at the port of that listener', async () => {
      const [first = 0, second = 0] = ports;
      for (const host of HOSTS) for (const port of [first, second]) serve(host, port);
      await start(`farm web\n${listen(0, 1)}${HOSTS.map((host, n) => `server ${n} address ${host}\n`).join('')}`);
      const homes = new Map<string, string>();
      for (const [n, from] of CLIENTS.entries()) {
        const one = await come(at(n % 2), from);
        expect(one.server.port).toBe(ports[n % 2]);
        homes.set(from, hostOf(one.server));
      }
      expect(new Set(homes.values()).size, 'both servers have clients').toBe(2);
      for (const [n, from] of CLIENTS.entries()) {
        const other = await come(at((n + 1) % 2), from);
        expect([hostOf(other.server), other.server.port]).toEqual([homes.get(from), ports[(n + 1) % 2]]);
        await talk(other);
      }
      expect(await ask(CONTROL, 'farm web clients')).toMatch(/^(\d+ addr 127\.0\.9\.\d+ .* connects 2 .*\n){12}$/);
    });

    test('a farm has its own servers, settings and clients', async () => {
      const [a, b, c] = [serve('127.0.9.21', 0), serve('127.0.9.21', 0), serve('127.0.9.21', 0)];
      await start(
        `farm one\n${listen(0)}${lineOf(0, a)}farm two\nroundrobin\n${listen(1)}${lineOf(0, b)}${lineOf(1, c)}`,
      );
      for (let i = 0; i < 4; i++) expect((await come(at(0))).server).toBe(a);
      const inTurn = [];
      for (let i = 0; i < 4; i++) inTurn.push((await come(at(1))).server);
      expect(inTurn).toEqual([c, b, c, b]);
      await ask(CONTROL, 'farm two no roundrobin');
      const kept = (await come(at(1))).server;
      for (let i = 0; i < 3; i++) expect((await come(at(1))).server).toBe(kept);
      expect(await ask(CONTROL, 'farm one server 0 blacklist 60')).toBe('');
      expect((await come(at(1))).server, 'server 0 of another farm is not passed over').toBe(kept);
      const lines = (await ask(CONTROL, 'farms')).split('\n');
      expect(lines[1]).toMatch(/^one servers 1 connections 4 clients 1 listen 127\.0\.9\.20:\d+$/);
      expect(lines[2]).toMatch(/^two servers 2 connections 9 clients 1 listen /);
      const { farms } = JSON.parse(await ask(CONTROL, '--json farms')) as { farms: { name: string }[] };
      expect(farms.map(({ name }) => name)).toEqual(['', 'one', 'two']);
    });

    test('a reload that changes one farm touches no other, and one that is gone keeps who is there', async () => {
      const [a, b, c, d] = [1, 2, 3, 4].map(() => serve('127.0.9.21', 0)) as [Server, Server, Server, Server];
      const one = `farm one\n${listen(0)}${lineOf(0, a)}`;
      const three = `farm three\n${listen(2)}${lineOf(0, c)}`;
      await start(`${one}farm two\n${listen(1)}${lineOf(0, b)}${three}`);
      const pairs = [await come(at(0)), await come(at(1)), await come(at(2))];
      const known = await ask(CONTROL, 'farm one clients');
      FOLDER.write('next.cfg', `${one}farm two\n${listen(1)}${lineOf(0, d)}timeout 9\n`);
      const plan = await ask(CONTROL, `plan ${FOLDER.at('next.cfg')}`);
      expect(plan).toContain('+ farm two timeout 9\n');
      expect(plan).toContain('farm two: server 0 changes: 1 connections go on to their end\n');
      expect(plan).toContain('farm three goes: 1 connections go on to their end\n');
      expect(plan).not.toContain('farm one');
      await reload(`${one}farm two\n${listen(1)}${lineOf(0, d)}timeout 9\n`);
      for (const pair of pairs) await talk(pair);
      expect(await ask(CONTROL, 'farm two timeout')).toBe('9\n');
      expect((await come(at(0))).server).toBe(a);
      expect((await come(at(1))).server).toBe(d);
      expect((await ask(CONTROL, 'farm one clients')).replace(/age \d+|connects \d+|[rs]x \d+/g, '')).toBe(
        known.replace(/age \d+|connects \d+|[rs]x \d+/g, ''),
      );
      expect(await ask(CONTROL, 'farm three servers')).toMatch(/there is no farm 'three'/);
      const refused = Peer.connect(at(2));
      await reactor().until(() => refused.ending !== '', 'nobody listens there any more');
      // The farm comes again while its last connection is there: it is another one.
      await reload(`${one}farm two\n${listen(1)}${lineOf(0, d)}farm three\n${listen(2)}${lineOf(0, b)}`);
      expect((await come(at(2))).server).toBe(b);
      for (const pair of pairs) await talk(pair);
      expect(await ask(CONTROL, 'farm three servers')).toMatch(/^0 addr \S+ port \d+ conn 1 /);
    });

    test('a listener that moves to another farm stays open, and brings clients of that farm', async () => {
      const [a, b] = [serve('127.0.9.21', 0), serve('127.0.9.21', 0)];
      await start(`farm one\n${listen(0, 1)}${lineOf(0, a)}farm two\n${listen(2)}${lineOf(0, b)}`);
      const pair = await come(at(1));
      expect(pair.server).toBe(a);
      await reload(`farm one\n${listen(0)}${lineOf(0, a)}farm two\n${listen(1, 2)}${lineOf(0, b)}`);
      for (let i = 0; i < 3; i++) expect((await come(at(1))).server).toBe(b);
      expect((await come(at(0))).server).toBe(a);
      await talk(pair);
    });

    test('fifty farms with a thousand servers are served, and changed one by one', async () => {
      const only = serve('127.0.9.21', 0);
      const [port = 0] = ports;
      const farm = (k: number, more = ''): string => {
        const all = Array.from({ length: 20 }, (_, n) => lineOf(n, only)).join('');
        return `farm f${k}\nlisten 127.0.10.${k + 1}:${port}\n${more}${all}`;
      };
      const all = Array.from({ length: 50 }, (_, k) => farm(k));
      await start(all.join(''));
      const pairs = [];
      for (let k = 0; k < 50; k++) pairs.push(await come(ip(`127.0.10.${k + 1}`, port)));
      const lines = (await ask(CONTROL, 'farms')).trimEnd().split('\n');
      expect(lines.slice(1).every((line) => / servers 20 connections 1 clients 1 /.test(line))).toBe(true);
      const before = await ask(CONTROL, 'farm f48 servers');
      FOLDER.write('pen.cfg', all.with(7, farm(7, 'roundrobin\n')).join(''));
      expect(await ask(CONTROL, 'plan')).toBe(
        '- farm f7 no roundrobin\n+ farm f7 roundrobin\n0 connections touched, none ended\n',
      );
      await reload(all.with(7, farm(7, 'roundrobin\n')).join(''));
      expect(await ask(CONTROL, 'farm f7 mode')).toMatch(/ roundrobin /);
      expect(await ask(CONTROL, 'farm f48 servers')).toBe(before);
      for (const pair of pairs) await talk(pair);
    });
  });
}
