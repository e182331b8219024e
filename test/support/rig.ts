/**
 * The stage of the real-kernel tests: servers, Pen in front of them on one of its loops, and clients. Declares a suite
 * once per loop, and holds the oracles to Pen after every test without being asked.
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Endpoint } from '../../src/base/endpoint.ts';
import { FaultProxy } from './fault-proxy.ts';
import { baselineOf, expectAtRest, strangeLines, type Baseline } from './oracles.ts';
import { Peer } from './peer.ts';
import { Pen, type LoopName } from './pen.ts';
import { reactor } from './reactor.ts';
import { Server } from './server.ts';
import { needsLoop, notOn, type Needs } from './skip.ts';
import { ip, type SocketOptions } from './sockets.ts';

/** Those of the kernel, which can have several workers and replace one that fails. */
export const KERNEL_LOOPS = ['uring', 'epoll'] as const;

export const LOOPS: readonly LoopName[] = [...KERNEL_LOOPS, 'node'];

/** Long runs are for nights: PEN_LONG=1. */
export const isLong = process.env['PEN_LONG'] !== undefined;

/** A client and the server's end of its connection. */
export interface Pair {
  readonly client: Peer;
  readonly server: Peer;
}

export interface RigOptions {
  /** Options of Pen, before its listen address. */
  readonly options?: readonly string[];
  readonly listen?: string;
  /** Where the servers listen. **Default** one on 127.0.0.1. */
  readonly servers?: readonly Endpoint[];
  readonly serverOptions?: SocketOptions;
  readonly serverBacklog?: number;
  readonly descriptors?: number;
  /** Servers in front of the others where nobody listens: their connects are refused. */
  readonly deadServers?: number;
  /** Each server is behind a fault proxy, whose chance comes from this seed. */
  readonly faultSeed?: number;
}

/** All peers come from one address: servers are taken in turn, and nobody is too many. */
const ONE_ADDRESS = ['-r', '-O', 'source_max 0'];

export class Rig {
  readonly loop: LoopName;
  servers: readonly Server[] = [];
  /** One in front of each server, if the rig was asked for faults. */
  proxies: readonly FaultProxy[] = [];
  private readonly options: RigOptions;
  private running: { pen: Pen; baseline: Baseline } | undefined;

  constructor(loop: LoopName, options: RigOptions) {
    this.loop = loop;
    this.options = options;
  }

  get pen(): Pen {
    if (!this.running) throw new Error('Pen has not been started');
    return this.running.pen;
  }

  get server(): Server {
    const [first] = this.servers;
    if (!first) throw new Error('there is no server');
    return first;
  }

  /**
   * `test`, but for a loop that cannot do by its nature what is asked: there the test is skipped, and says why.
   * Such a skip is not a gap of the machine, which is what PEN_NO_SKIP is about.
   */
  testUnlessOn(loop: LoopName, why: string): (name: string, body: () => Promise<void>, timeoutMs?: number) => void {
    if (this.loop !== loop) return test;
    return (name, body) => test.skip(notOn(name, loop, why), body);
  }

  async start(): Promise<void> {
    const { servers = [undefined], serverOptions, serverBacklog, options = [] } = this.options;
    const { listen, descriptors, deadServers = 0, faultSeed } = this.options;
    this.servers = servers.map((at) => new Server(at, serverOptions, serverBacklog));
    if (faultSeed !== undefined) {
      this.proxies = this.servers.map((server, index) => new FaultProxy(server.endpoint, faultSeed + index));
    }
    const targets = faultSeed === undefined ? this.servers : this.proxies;
    const pen = await Pen.start({
      loop: this.loop,
      options: [...ONE_ADDRESS, ...options],
      servers: [...deadAddresses(deadServers), ...targets.map((target) => target.address)],
      ...(listen === undefined ? {} : { listen }),
      ...(descriptors === undefined ? {} : { descriptors }),
    });
    expect(pen.loop, 'the loop that was asked for').toBe(this.loop);
    this.running = { pen, baseline: baselineOf(pen) };
  }

  /** Closes what the test has left open, then holds the oracles to Pen. */
  async settle(): Promise<void> {
    Peer.closeAll();
    for (const proxy of this.proxies) proxy.forget();
    for (const server of this.servers) server.forget();
    if (this.running) await expectAtRest(this.running.pen, this.running.baseline);
    // Connections that Pen had on their way to a server came in after the first sweep.
    Peer.closeAll();
    for (const server of this.servers) server.forget();
  }

  async stop(): Promise<void> {
    for (const proxy of this.proxies) proxy.close();
    this.proxies = [];
    for (const server of this.servers) server.close();
    this.servers = [];
    if (!this.running) return;
    const { pen } = this.running;
    this.running = undefined;
    const exit = pen.isAlive ? await pen.stop() : await pen.ended;
    expect({ code: exit.code, strange: strangeLines(pen.lines) }, 'how Pen ended').toEqual({ code: 0, strange: [] });
  }

  connect(options: SocketOptions = {}): Peer {
    return Peer.connect(this.pen.endpoint, options);
  }

  /** Connects a client and waits for its connection at one of the servers; both ends then check each other. */
  async pair(options: SocketOptions = {}): Promise<Pair> {
    const client = this.connect(options);
    const server = await this.nextServerPeer(client);
    client.inKey = server.key;
    server.inKey = client.key;
    return { client, server };
  }

  async pairs(count: number, options: SocketOptions = {}): Promise<Pair[]> {
    const pairs: Pair[] = [];
    for (let i = 0; i < count; i++) pairs.push(await this.pair(options));
    return pairs;
  }

  /**
   * The next connection that arrives at any server.
   *
   * @param client whose connection it is, so that its fate is known when it does not arrive.
   */
  async nextServerPeer(client?: Peer): Promise<Peer> {
    const first = (): Server | undefined => this.servers.find((server) => server.waiting.length > 0);
    const isRefused = (): boolean => client !== undefined && client.ending !== '';
    await reactor().until(() => first() !== undefined || isRefused(), 'a connection arrives at a server');
    const peer = first()?.waiting.shift();
    if (!peer) throw new Error(`the client was not served: ${client?.describe() ?? 'nobody knows'}`);
    return peer;
  }

  async until(isDone: () => boolean, what: string | (() => string), limitMs?: number): Promise<void> {
    return reactor().until(isDone, what, limitMs);
  }

  async pass(ms: number): Promise<void> {
    return reactor().pass(ms);
  }
}

/** Addresses where nobody listens, and nobody will: the ports belong to closed servers of an address of their own. */
function deadAddresses(count: number): string[] {
  const servers = Array.from({ length: count }, () => new Server(ip('127.0.9.9', 0)));
  for (const server of servers) server.close();
  return servers.map((server) => server.address);
}

/**
 * Declares a suite for each loop, with one Pen for all its tests.
 *
 * @param conditions beyond what the loop itself needs.
 */
export function onEachLoop(name: string, options: RigOptions, body: (rig: Rig) => void, conditions: Needs = {}): void {
  for (const loop of LOOPS) {
    needsLoop(loop, name, () => onOneLoop(loop, options, body), conditions);
  }
}

/** One Pen for all tests of a suite. */
export function onOneLoop(loop: LoopName, options: RigOptions, body: (rig: Rig) => void): void {
  const rig = new Rig(loop, options);
  beforeAll(async () => rig.start());
  afterEach(async () => rig.settle());
  afterAll(async () => rig.stop());
  body(rig);
}

/** The seed of this run: SEED=n, or a new one. Say it in the test's name or output, so that a failure can be replayed. */
export function runSeed(): number {
  const given = Number(process.env['SEED']);
  return Number.isInteger(given) && given > 0 ? given : (Date.now() % 1_000_000_000) + 1;
}
