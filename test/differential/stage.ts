/** The stage of one script: an address of its own, its servers, and a folder. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ip, sockets } from '../support/sockets.ts';
import { words, type Script } from './script.ts';

const LISTEN_PORT = 20100;
const CONTROL_PORT = 20200;
const FIRST_SERVER_PORT = 20001;
const NAMED_PORTS: Readonly<Record<string, number>> = { sE: 20011, sA: 20012 };
const FIRST_NET = 32;
const NETS = 200;
const HOSTS = 250;

let claim: Promise<number> | undefined;
let lastStage = 0;

/**
 * The second byte of all addresses of this process: each stage listens on an address of its own with the same ports,
 * so that replies can be compared as they are and scripts run beside each other, also those of another test run.
 */
function claimNet(): Promise<number> {
  return (claim ??= (async () => {
    for (let i = 0; i < NETS; i++) {
      const net = FIRST_NET + ((process.pid + i) % NETS);
      const mark = createServer().unref();
      const isFree = await new Promise<boolean>((resolve) => {
        mark.once('error', () => resolve(false));
        mark.listen(LISTEN_PORT, `127.${net}.255.254`, () => resolve(true));
      });
      if (isFree) return net;
    }
    throw new Error('no free network in 127.0.0.0/8');
  })());
}

/** A server that names itself: `ok:s0` for each request. Asked for it, it resets the connection. */
class NamedServer {
  private readonly name: string;
  private readonly host: string;
  private readonly port: number;
  private readonly sockets = new Set<Socket>();
  private listener: Server | undefined;

  constructor(name: string, host: string, port: number) {
    this.name = name;
    this.host = host;
    this.port = port;
  }

  async up(): Promise<void> {
    const listener = createServer((socket) => this.serve(socket));
    this.listener = listener;
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen({ host: this.host, port: this.port, backlog: 512 }, resolve);
    });
  }

  down(): void {
    this.listener?.close();
    this.listener = undefined;
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('data', (request) => {
      if (request.includes('!')) socket.resetAndDestroy();
      else socket.write(`ok:${this.name}\n`);
    });
  }
}

/** A listening socket whose queue is full: connects to it hang. */
class Hole {
  private readonly descriptors: number[];

  constructor(host: string, port: number) {
    const at = ip(host, port);
    this.descriptors = [sockets().listen(at, 0)];
    for (let i = 0; i < 3; i++) this.descriptors.push(sockets().connect(at).fd);
  }

  close(): void {
    for (const fd of this.descriptors) sockets().close(fd);
  }
}

export class Stage {
  readonly host: string;
  readonly folder: string;
  private readonly script: Script;
  private readonly servers = new Map<string, NamedServer>();
  private readonly holes: Hole[] = [];

  private constructor(host: string, script: Script) {
    this.host = host;
    this.script = script;
    this.folder = mkdtempSync(join(tmpdir(), 'pen-diff-'));
  }

  static async set(script: Script): Promise<Stage> {
    const number = ++lastStage;
    const stage = new Stage(`127.${await claimNet()}.${Math.floor(number / HOSTS)}.${1 + (number % HOSTS)}`, script);
    await stage.openServers();
    return stage;
  }

  /** What stands on the command line behind the listen address. */
  get serverArguments(): string[] {
    return this.suffixes.map((suffix, index) => `${this.addressOf(`s${index}`)}${suffix}`);
  }

  get emergencyArguments(): string[] {
    const { emergency, abuse } = this.script;
    return [
      ...(emergency === undefined ? [] : ['-e', `${this.addressOf('sE')}${emergency}`]),
      ...(abuse === undefined ? [] : ['-B', `${this.addressOf('sA')}${abuse}`]),
    ];
  }

  get listen(): string {
    return `${this.host}:${LISTEN_PORT}`;
  }

  get listenPort(): number {
    return LISTEN_PORT;
  }

  get control(): string {
    return `${this.host}:${CONTROL_PORT}`;
  }

  get controlPort(): number {
    return CONTROL_PORT;
  }

  /** Puts the stage's values where a script names them. */
  fill(text: string, pid: number): string {
    return text
      .replace(/\{(s\w)\}/g, (_, name: string) => this.addressOf(name))
      .replaceAll('{listen}', this.listen)
      .replaceAll('{control}', this.control)
      .replaceAll('{host}', this.host)
      .replaceAll('{dir}', this.folder)
      .replaceAll('{pid}', String(pid));
  }

  /** The other way round: makes what was seen on this stage comparable. */
  unfill(text: string): string {
    return text.replaceAll(this.host, '{host}').replaceAll(this.folder, '{dir}');
  }

  down(names: string): void {
    for (const name of words(names)) this.server(name).down();
  }

  async up(names: string): Promise<void> {
    for (const name of words(names)) await this.server(name).up();
  }

  clear(): void {
    for (const server of this.servers.values()) server.down();
    for (const hole of this.holes) hole.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private get suffixes(): readonly string[] {
    const { servers = 2 } = this.script;
    return typeof servers === 'number' ? Array.from({ length: servers }, () => '') : servers;
  }

  private async openServers(): Promise<void> {
    const dead = words(this.script.dead ?? '');
    const holes = words(this.script.holes ?? '');
    // Two more than are on the command line: control commands name further ones.
    const names = [...Array.from({ length: this.suffixes.length + 2 }, (_, index) => `s${index}`), 'sE', 'sA'];
    for (const name of names) {
      const port = this.portOf(name);
      if (holes.includes(name)) {
        this.holes.push(new Hole(this.host, port));
        continue;
      }
      const server = new NamedServer(name, this.host, port);
      this.servers.set(name, server);
      if (!dead.includes(name)) await server.up();
    }
  }

  private portOf(name: string): number {
    return NAMED_PORTS[name] ?? FIRST_SERVER_PORT + Number(name.slice(1));
  }

  private addressOf(name: string): string {
    return `${this.host}:${this.portOf(name)}`;
  }

  private server(name: string): NamedServer {
    const server = this.servers.get(name);
    if (!server) throw new Error(`the script has no server ${name}`);
    return server;
  }
}
