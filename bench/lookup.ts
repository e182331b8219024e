/** What client lookup costs, measured on the tables themselves: no sockets, no loop. */
import { ENDPOINT_IP, ENDPOINT_KIND, KIND_IPV4, PEER_SIZE } from '../src/base/endpoint.ts';
import { Prng } from '../src/base/prng.ts';
import { chooseHost } from '../src/cli/choose-host.ts';
import { expectClients } from '../src/control/big-pages.ts';
import { ClientVisit, creditClient, rememberServer, touchClient } from '../src/table/clients.ts';
import { beginPublish, commitPublish, configAt, currentVersion } from '../src/table/publish.ts';
import { giveSource, takeSource } from '../src/table/sources.ts';
import { createTables, openTables, type ConfigBank, type Tables } from '../src/table/tables.ts';
import { addTraffic } from '../src/table/traffic.ts';

/** Spreads client numbers over all IPv4 addresses, each to another one. */
const SPREAD = 0x9e37_79b1;

/** One thread that touches clients of farm 0. */
export class Toucher {
  private readonly tables: Tables;
  private readonly config: ConfigBank;
  private readonly worker: number;
  private readonly prng: Prng;
  private readonly peer = new Uint8Array(PEER_SIZE);
  private readonly visit = new ClientVisit();
  private nowMs = 0;

  constructor(memory: SharedArrayBuffer, worker: number) {
    this.tables = openTables(memory);
    this.config = configAt(this.tables, currentVersion(this.tables));
    this.worker = worker;
    this.prng = new Prng(worker + 1);
    this.peer.fill(255, ENDPOINT_IP + 10, ENDPOINT_IP + 12);
    this.peer[ENDPOINT_KIND] = KIND_IPV4;
  }

  /** Touches clients `first` up to before `end`, each once. */
  inTurn(first: number, end: number): void {
    for (let client = first; client < end; client++) this.touch(client);
  }

  /** Touches `count` times one of `clients` clients at random. @returns how many were new. */
  atRandom(clients: number, count: number): number {
    let fresh = 0;
    for (let i = 0; i < count; i++) {
      this.touch(this.prng.below(clients));
      if (this.visit.isNew) fresh++;
    }
    return fresh;
  }

  private touch(client: number): void {
    writeClient(this.peer, client);
    touchClient(this.tables, this.config, this.worker, 0, this.peer, 0, this.nowMs++, this.visit);
  }
}

function writeClient(peer: Uint8Array, client: number): void {
  const address = Math.imul(client, SPREAD);
  const at = ENDPOINT_IP + 12;
  peer[at] = address >>> 24;
  peer[at + 1] = address >>> 16;
  peer[at + 2] = address >>> 8;
  peer[at + 3] = address;
}

/** Connections that stand at any time while connections are counted. */
const STANDING = 64;
/** Server rows that clients are sent to in turn. */
const SERVERS = 3;

/** What a worker does in the tables for each connection, without the connections. */
export class Admissions {
  private readonly tables: Tables;
  private readonly config: ConfigBank;
  private readonly clients: number;
  private readonly prng = new Prng(1);
  private readonly peer = new Uint8Array(PEER_SIZE);
  private readonly visit = new ClientVisit();
  /** Of those that stand: source, client, generation. */
  private readonly source = new Uint32Array(STANDING);
  private readonly row = new Uint32Array(STANDING);
  private readonly generation = new Uint32Array(STANDING);
  private next = 0;

  constructor(clients: number) {
    this.clients = clients;
    this.tables = openTables(lookupTables(clients, clients));
    this.config = configAt(this.tables, currentVersion(this.tables));
    this.peer.fill(255, ENDPOINT_IP + 10, ENDPOINT_IP + 12);
    this.peer[ENDPOINT_KIND] = KIND_IPV4;
  }

  /** Each client comes once. */
  fill(): void {
    for (let client = 0; client < this.clients; client++) this.connection(client);
  }

  /** So many connections of clients drawn at random. */
  run(connections: number): void {
    for (let i = 0; i < connections; i++) this.connection(this.prng.below(this.clients));
  }

  /** The oldest connection ends, another begins. */
  private connection(client: number): void {
    const { tables, visit } = this;
    const slot = this.next % STANDING;
    const server = 1 + (this.next % SERVERS);
    if (this.next >= STANDING) {
      creditClient(tables, 0, this.row[slot] ?? 0, this.generation[slot] ?? 0, 1000, 100);
      addTraffic(tables, 0, server, 100, 1000);
      giveSource(tables, 0, this.source[slot] ?? 0);
    }
    writeClient(this.peer, client);
    this.source[slot] = takeSource(tables, 0, this.peer, 0, 128, STANDING);
    touchClient(tables, this.config, 0, 0, this.peer, 0, this.next, visit);
    rememberServer(tables, 0, visit.row, visit.generation, server);
    this.row[slot] = visit.row;
    this.generation[slot] = visit.generation;
    this.next++;
  }
}

/** Tables with one farm that has room for `clients`. */
export function lookupTables(clients: number, seed: number): SharedArrayBuffer {
  const memory = createTables(seed);
  const tables = openTables(memory);
  const draft = beginPublish(tables, { farms: 1 });
  if (draft === undefined) throw new Error('the first publish is not held up');
  draft.farms.clientsMax[0] = clients;
  draft.farms.clientPrefix[0] = 128;
  commitPublish(tables);
  expectClients(chooseHost('auto').host, tables, clients);
  return memory;
}
