/** What client lookup costs, measured on the tables themselves: no sockets, no loop. */
import { ENDPOINT_IP, ENDPOINT_KIND, KIND_IPV4, PEER_SIZE } from '../src/base/endpoint.ts';
import { Prng } from '../src/base/prng.ts';
import { ClientVisit, touchClient } from '../src/table/clients.ts';
import { beginPublish, commitPublish, configAt, currentVersion } from '../src/table/publish.ts';
import { createTables, openTables, type ConfigBank, type Tables } from '../src/table/tables.ts';

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
    const address = Math.imul(client, SPREAD);
    const at = ENDPOINT_IP + 12;
    this.peer[at] = address >>> 24;
    this.peer[at + 1] = address >>> 16;
    this.peer[at + 2] = address >>> 8;
    this.peer[at + 3] = address;
    touchClient(this.tables, this.config, this.worker, 0, this.peer, 0, this.nowMs++, this.visit);
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
  return memory;
}
