/**
 * What commands tell about the running balancer, read from the tables: counts of finished connections plus what those
 * that still run have moved.
 *
 * @owner main thread.
 */
import { PEER_SIZE, ipText } from '../base/endpoint.ts';
import type { ClientFacts, ConnectionFacts, Facts, ServerFacts } from '../config/command.ts';
import { ClientPage, readClients } from '../table/clients.ts';
import { CONNECTIONS_MAX, WORKERS_MAX } from '../table/limits.ts';
import {
  CONNECTION_CONNECTING,
  CONNECTION_DRAINING,
  CONNECTION_FREE,
  CONNECTION_OPEN,
  CONNECTION_PARKED,
  SIDE_ENDED,
} from '../table/schema.ts';
import { inFlightOf } from '../table/shared.ts';
import type { Tables } from '../table/tables.ts';
import { trafficDown, trafficUp } from '../table/traffic.ts';
import { ABUSE_ROW, EMERGENCY_ROW, FIRST_SERVER_ROW } from './publisher.ts';

/** Main's number where a lock asks who takes it. */
const MAIN = WORKERS_MAX;
const PAGE = 512;

/* States as the original tells them. */
const STATE_CONNECTING = 1;
const STATE_CONNECTED = 2;
const STATE_WAITING = 32;
const SERVER_ENDED = 4;
const CLIENT_ENDED = 8;

export interface FactsOptions {
  readonly tables: Tables;
  readonly pid: number;
  /** Monotonic time, ms. */
  readonly nowMs: () => number;
  /** Connections that may be in use: lower numbers exist, whether in use or not. */
  readonly connMax: () => number;
}

export function tableFacts({ tables, pid, nowMs, connMax }: FactsOptions): Facts {
  return {
    pid,
    servers: () => serverFacts(tables),
    clients: (withinSeconds) => clientFacts(tables, nowMs() - withinSeconds * 1000),
    connection: (number) => connectionFacts(tables, number, connMax()),
    connections: () => {
      const numbers: number[] = [];
      forEachConnection(tables, (slot) => void numbers.push(slot));
      return numbers;
    },
    connectionOf: (fd) => connectionOf(tables, fd),
  };
}

/**
 * Bytes of connections that nobody has been credited with yet: of each server's or client's row, by `rowOf`, that is
 * one of the first to the last.
 */
function runningBytes(
  tables: Tables,
  rowOf: (slot: number) => number,
  first = 1,
  last = Infinity,
): Map<number, { up: number; down: number }> {
  const { sides } = tables;
  const sums = new Map<number, { up: number; down: number }>();
  forEachConnection(tables, (slot, state) => {
    if (state !== CONNECTION_OPEN && state !== CONNECTION_DRAINING) return;
    const row = rowOf(slot);
    if (row < first || row > last) return;
    const sum = sums.get(row) ?? { up: 0, down: 0 };
    sum.up += sides.bytesIn[slot * 2] ?? 0;
    sum.down += sides.bytesIn[slot * 2 + 1] ?? 0;
    sums.set(row, sum);
  });
  return sums;
}

/** All that are not free, over all workers. @cost a byte per slot that a worker has: a fraction of a millisecond. */
function forEachConnection({ workers, connections }: Tables, look: (slot: number, state: number) => void): void {
  const { state } = connections;
  for (let worker = 0; worker < WORKERS_MAX; worker++) {
    const end = workers.slotEnd[worker] ?? 0;
    for (let slot = workers.slotFirst[worker] ?? 0; slot < end; slot++) {
      const is = state[slot] ?? CONNECTION_FREE;
      if (is !== CONNECTION_FREE) look(slot, is);
    }
  }
}

function serverFacts(tables: Tables): (index: number) => ServerFacts {
  const running = runningBytes(tables, (slot) => tables.connections.server[slot] ?? 0);
  return (index) => {
    const row = FIRST_SERVER_ROW + index;
    const { up, down } = running.get(row) ?? { up: 0, down: 0 };
    return {
      inFlight: inFlightOf(tables, row),
      sent: trafficUp(tables, row) + up,
      received: trafficDown(tables, row) + down,
    };
  };
}

function* clientFacts(tables: Tables, sinceMs: number): Generator<readonly ClientFacts[]> {
  const page = new ClientPage(PAGE);
  for (let from = 1; from !== 0;) {
    from = readClients(tables, MAIN, 0, from, page);
    yield factsOfPage(tables, page, sinceMs);
  }
}

function factsOfPage(tables: Tables, page: ClientPage, sinceMs: number): ClientFacts[] {
  const recent = [...page.lastMs.subarray(0, page.count).keys()].filter((i) => (page.lastMs[i] ?? 0) >= sinceMs);
  const [first, last] = [page.rows[recent[0] ?? 0], page.rows[recent.at(-1) ?? 0]];
  if (recent.length === 0) return [];
  const running = runningBytes(tables, (slot) => tables.connections.client[slot] ?? 0, first, last);
  return recent.map((i) => {
    const { up, down } = running.get(page.rows[i] ?? 0) ?? { up: 0, down: 0 };
    return {
      address: ipText(page.peers, i * PEER_SIZE),
      connects: page.connects[i] ?? 0,
      sent: (page.sent[i] ?? 0) + down,
      received: (page.received[i] ?? 0) + up,
    };
  });
}

function connectionFacts({ connections, sides }: Tables, number: number, connMax: number): ConnectionFacts | undefined {
  if (number < 0 || number >= CONNECTIONS_MAX) return undefined;
  const state = connections.state[number] ?? CONNECTION_FREE;
  if (state === CONNECTION_FREE) {
    return number < connMax ? { state: 0, downFd: -1, upFd: -1, client: 0, server: 0 } : undefined;
  }
  return {
    state: stateOf(state) + endsOf(sides.marks, number),
    downFd: sides.fd[number * 2] ?? -1,
    upFd: sides.fd[number * 2 + 1] ?? -1,
    client: Math.max(0, (connections.client[number] ?? 0) - 1),
    server: indexOf(connections.server[number] ?? 0),
  };
}

function stateOf(state: number): number {
  if (state === CONNECTION_PARKED) return STATE_WAITING;
  return state === CONNECTION_CONNECTING ? STATE_CONNECTING : STATE_CONNECTED;
}

/** Whose ends of stream were seen. */
function endsOf(marks: Uint8Array, number: number): number {
  const client = ((marks[number * 2] ?? 0) & SIDE_ENDED) === 0 ? 0 : CLIENT_ENDED;
  return client + (((marks[number * 2 + 1] ?? 0) & SIDE_ENDED) === 0 ? 0 : SERVER_ENDED);
}

/** The server a row stands for, as people number them. */
function indexOf(row: number): number {
  if (row >= FIRST_SERVER_ROW) return row - FIRST_SERVER_ROW;
  if (row === EMERGENCY_ROW) return -1;
  return row === ABUSE_ROW ? -2 : -3;
}

function connectionOf(tables: Tables, fd: number): number {
  const { sides } = tables;
  let found = -1;
  if (fd < 0) return found;
  forEachConnection(tables, (slot) => {
    if (sides.fd[slot * 2] === fd || sides.fd[slot * 2 + 1] === fd) found = slot;
  });
  return found;
}
