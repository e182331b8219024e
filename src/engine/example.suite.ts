/** Runs worked examples on the engine alone: real tables and decisions, a loop that only writes down. */
import { ENDPOINT_SIZE, KIND_IPV4, writeEndpoint } from '../base/endpoint.ts';
import { ECONNREFUSED } from '../base/errno.ts';
import { deciseconds } from '../balance/servers.ts';
import { writeWords } from '../control/access-lists.suite.ts';
import { OP_CONNECT, OP_RECV } from '../loop/loop.ts';
import {
  FARM_F_HASH,
  FARM_F_HASH_ORIGINAL,
  FARM_F_LEASTCONN,
  FARM_F_PRIO,
  FARM_F_ROUND_ROBIN,
  FARM_F_STUBBORN,
  FARM_F_WEIGHT,
} from '../table/schema.ts';
import { writeMembers } from '../table/members.ts';
import { shun } from '../table/shared.ts';
import type { ConfigBank } from '../table/tables.ts';
import type { Request, Script } from '../../test/differential/script.ts';
import { words } from '../../test/differential/script.ts';
import { ABUSE, EMERGENCY, FIRST_SERVER, rowsFrom, Stage } from './stage.suite.ts';
import { CONNECTING, OPEN } from './states.ts';

/** s0 listens on this port, s1 on the next. */
const FIRST_PORT = 20001;
const EMERGENCY_PORT = 20011;
const ABUSE_PORT = 20012;
/** More rounds than any client needs to get its server. */
const ROUNDS = 500;

const FLAGS: Readonly<Record<string, number>> = {
  roundrobin: FARM_F_ROUND_ROBIN,
  stubborn: FARM_F_STUBBORN,
  prio: FARM_F_PRIO,
  weight: FARM_F_WEIGHT,
  leastconn: FARM_F_LEASTCONN,
  hash: FARM_F_HASH,
  'hash original': FARM_F_HASH | FARM_F_HASH_ORIGINAL,
};
const OPTIONS: Readonly<Record<string, number>> = {
  '-r': FARM_F_ROUND_ROBIN,
  '-s': FARM_F_STUBBORN,
  '-h': FARM_F_HASH,
  '-W': FARM_F_WEIGHT,
};

interface Server {
  /** 0: never set, or taken away. */
  port: number;
  max: number;
  hard: number;
  weight: number;
  prio: number;
  acl: number;
}

/** `:max:hard:weight:prio`, each of which may be missing. */
function serverOf(port: number, suffix: string): Server {
  const [max = 0, hard = 0, weight = 0, prio = 0] = suffix.split(':').slice(1).map(Number);
  return { port, max, hard, weight, prio, acl: 0 };
}

export class ExampleStage {
  private readonly stage: Stage;
  private flags = 0;
  private readonly servers: Server[];
  private readonly emergency: Server | undefined;
  private readonly abuse: Server | undefined;
  private readonly lists: string[][] = Array.from({ length: 10 }, () => []);
  private clientAcl = 0;
  private readonly times = { blacklist: 30, timeout: 3, tracking: 0, clients: 2048 };
  private readonly dead: readonly string[];
  private readonly holes: readonly string[];

  constructor(script: Script) {
    const { servers = 2 } = script;
    const suffixes = typeof servers === 'number' ? Array.from({ length: servers }, () => '') : servers;
    this.servers = suffixes.map((suffix, index) => serverOf(FIRST_PORT + index, suffix));
    this.emergency = script.emergency === undefined ? undefined : serverOf(EMERGENCY_PORT, script.emergency);
    this.abuse = script.abuse === undefined ? undefined : serverOf(ABUSE_PORT, script.abuse);
    this.dead = words(script.dead ?? '');
    this.holes = words(script.holes ?? '');
    this.readOptions(words(script.options ?? ''));
    const configure = (draft: ConfigBank): void => this.write(draft);
    this.stage = new Stage({ servers: this.servers.length, connMax: 32, pendingMax: 32, configure });
  }

  /** What each client gets, by the names of the examples. */
  request({ clients, isHeld }: Request): string {
    return words(clients)
      .map((client) => this.visit(client, isHeld))
      .join(' ');
  }

  sleep(ms: number): void {
    this.stage.sleep(ms);
  }

  /** Obeys a command, as control would. @returns its reply. */
  say(line: string): string {
    const [command, ...rest] = line.trim().split(' ') as [string, ...string[]];
    let reply = '';
    if (command === 'server') this.changeServer(Number(rest[0]), rest.slice(1));
    else if (command === 'acl') this.lists[Number(rest[0])]!.push(rest.slice(1).join(' '));
    else if (command === 'no' && rest[0] === 'acl') this.lists[Number(rest[1])]!.length = 0;
    else if (command === 'no') this.flags &= ~flagOf(rest.join(' '));
    else if (command === 'client_acl') {
      this.clientAcl = Number(rest[0]);
      reply = `${rest[0]}\n`;
    } else this.flags |= flagOf(line.trim());
    this.stage.change((draft) => this.write(draft), this.servers.length);
    this.stage.turn();
    return reply;
  }

  /* ---- configuration ---- */

  private readOptions(options: string[]): void {
    for (let word = options.shift(); word !== undefined; word = options.shift()) {
      if (word === '-P') continue;
      if (word === '-O') this.flags |= flagOf(options.shift()!);
      else if (word === '-b') this.times.blacklist = Number(options.shift());
      else if (word === '-t') this.times.timeout = Number(options.shift());
      else if (word === '-T') this.times.tracking = Number(options.shift());
      else if (word === '-c') this.times.clients = Number(options.shift());
      else if (OPTIONS[word] !== undefined) this.flags |= OPTIONS[word];
      else throw new Error(`an example has the option ${word}, which is not known here`);
    }
  }

  private changeServer(index: number, pairs: string[]): void {
    while (this.servers.length <= index) this.servers.push(serverOf(0, ''));
    const server = this.servers[index]!;
    for (let i = 0; i < pairs.length; i += 2) {
      const [key, value] = [pairs[i]!, pairs[i + 1]!];
      const { stage } = this;
      if (key === 'blacklist') {
        const untilMs = Number(value) === 0 ? 0 : stage.nowMs + Number(value) * 1000;
        shun(stage.tables, FIRST_SERVER + index, deciseconds(untilMs));
      } else if (key === 'address') server.port = value === '0.0.0.0' ? 0 : server.port;
      else if (key in server) server[key as keyof Server] = Number(value);
      else throw new Error(`an example sets ${key} of a server, which is not known here`);
    }
  }

  private write(draft: ConfigBank): void {
    const { farms } = draft;
    farms.flags[0] = this.flags;
    writeMembers(draft, 0, 0, rowsFrom(FIRST_SERVER, this.servers.length));
    farms.emergencyServer[0] = this.emergency ? EMERGENCY : 0;
    farms.abuseServer[0] = this.abuse ? ABUSE : 0;
    farms.blacklistMs[0] = this.times.blacklist * 1000;
    farms.connectTimeoutMs[0] = this.times.timeout * 1000;
    farms.trackingMs[0] = this.times.tracking * 1000;
    farms.clientsMax[0] = this.times.clients;
    farms.clientAcl[0] = this.clientAcl;
    this.servers.forEach((server, index) => writeServer(draft, FIRST_SERVER + index, server));
    if (this.emergency) writeServer(draft, EMERGENCY, this.emergency);
    if (this.abuse) writeServer(draft, ABUSE, this.abuse);
    writeWords(draft, this.lists);
  }

  /* ---- clients ---- */

  private visit(client: string, isHeld: boolean): string {
    const [, last, whole, port = '0'] = /^(?:c(\d+)|([\d.]+))(?:@(\d+))?$/.exec(client) ?? [];
    const from = last === undefined ? whole!.split('.').map(Number) : Number(last);
    const slot = this.stage.acceptFrom(from, Number(port));
    const served = slot < 0 ? undefined : this.serve(slot);
    if (served === undefined) return 'R';
    if (!isHeld) {
      this.stage.turn([OP_RECV, slot * 2, 0]);
      this.stage.turn([OP_RECV, slot * 2 + 1, 0]);
    }
    return served;
  }

  /** Lets servers answer until the client has one. @returns its name; undefined when the client was reset. */
  private serve(slot: number): string | undefined {
    const { stage } = this;
    const { state, fd } = stage.engine.state;
    const side = slot * 2 + 1;
    for (let round = 0; round < ROUNDS && fd[slot * 2]! >= 0; round++) {
      const to = stage.pending(OP_CONNECT, side)?.to;
      if (state[slot] !== CONNECTING || to === undefined) {
        stage.finishCancelled();
        continue;
      }
      const name = nameOf(Number(to.split(':')[1]));
      if (this.dead.includes(`s${name}`)) stage.turn([OP_CONNECT, side, -ECONNREFUSED]);
      else if (this.holes.includes(`s${name}`)) {
        stage.sleep(20);
        stage.finishCancelled();
      } else {
        stage.turn([OP_CONNECT, side, 0]);
        if (stage.engine.state.state[slot] === OPEN) return name;
      }
    }
    return undefined;
  }
}

function flagOf(text: string): number {
  const flag = FLAGS[text];
  if (flag === undefined) throw new Error(`an example says "${text}", which is not known here`);
  return flag;
}

function nameOf(port: number): string {
  if (port === EMERGENCY_PORT) return 'E';
  if (port === ABUSE_PORT) return 'A';
  return String(port - FIRST_PORT);
}

function writeServer(draft: ConfigBank, row: number, server: Server): void {
  const at = row * ENDPOINT_SIZE;
  const { port } = server;
  if (port === 0) draft.servers.endpoint.fill(0, at, at + ENDPOINT_SIZE);
  else writeEndpoint({ kind: KIND_IPV4, ip: Uint8Array.of(10, 0, 0, 1), port }, draft.servers.endpoint, at);
  for (const key of ['max', 'hard', 'weight', 'prio', 'acl'] as const) draft.servers[key][row] = server[key];
}
