/**
 * After a worker has failed: everything it held goes back, as its rows tell.
 *
 * @owner main thread, once the worker's thread has ended; its rows, lanes and reservations are main's until the worker
 * that replaces it starts.
 */
import type { Fd } from '../base/brand.ts';
import { creditClient } from '../table/clients.ts';
import { addTo, setLane } from '../table/columns.ts';
import { WORKERS_MAX } from '../table/limits.ts';
import {
  ACCEPT_RESTING,
  CONNECTION_DRAINING,
  CONNECTION_ENDING,
  CONNECTION_FREE,
  CONNECTION_IDLING,
  CONNECTION_OPEN,
  CONNECTION_PARKED,
  LISTENER_NONE,
} from '../table/schema.ts';
import {
  giveConnection,
  giveInFlight,
  giveParked,
  noteAccepting,
  noteWanting,
  returnPlaces,
  takeCloseRequest,
} from '../table/shared.ts';
import { giveSource, leaveSource } from '../table/sources.ts';
import type { Tables } from '../table/tables.ts';
import { addTraffic } from '../table/traffic.ts';

/** Main's number where a lock asks who takes it. */
const MAIN = WORKERS_MAX;

/**
 * Resets the worker's connections and gives back all it had taken.
 *
 * @param abort resets a connection by its descriptor.
 * @returns how many connections it had.
 */
export function reclaim(tables: Tables, worker: number, abort: (fd: Fd) => void): number {
  const { workers, gauges } = tables;
  const end = workers.slotEnd[worker] ?? 0;
  let count = 0;
  for (let slot = workers.slotFirst[worker] ?? 0; slot < end; slot++)
    if (reclaimSlot(tables, worker, slot, abort)) count++;
  const reserved = workers.reserved[worker] ?? 0;
  workers.reserved[worker] = 0;
  if (reserved > 0) returnPlaces(tables, reserved);
  noteAccepting(tables, worker, 0, ACCEPT_RESTING);
  noteWanting(tables, worker, false);
  takeCloseRequest(tables, worker);
  for (const gauge of Object.values(gauges)) setLane(gauge, worker, 0);
  return count;
}

/** Resets the worker's connections and gives nothing back: for a process that ends. Takes no lock, so it never waits. */
export function abortConnections({ sides, workers }: Tables, worker: number, abort: (fd: Fd) => void): void {
  const end = (workers.slotEnd[worker] ?? 0) * 2;
  for (let side = (workers.slotFirst[worker] ?? 0) * 2; side < end; side++) abortSide(sides.fd, side, abort);
}

function reclaimSlot(tables: Tables, worker: number, slot: number, abort: (fd: Fd) => void): boolean {
  const { connections, sides, counters } = tables;
  const state = connections.state[slot] ?? CONNECTION_FREE;
  // A row that was being set up has a client, but no state yet.
  const isTaken = state !== CONNECTION_FREE || (sides.fd[slot * 2] ?? -1) >= 0;
  if (!isTaken) return false;
  if (state !== CONNECTION_FREE && state !== CONNECTION_ENDING) credit(tables, worker, slot, state);
  abortSide(sides.fd, slot * 2, abort);
  abortSide(sides.fd, slot * 2 + 1, abort);
  const server = connections.server[slot] ?? 0;
  connections.server[slot] = 0;
  if (server !== 0) giveInFlight(tables, server);
  leavePlaces(tables, slot, state);
  connections.state[slot] = CONNECTION_FREE;
  connections.generation[slot] = (connections.generation[slot] ?? 0) + 1;
  addTo(counters.bytesUp, worker, sides.bytesIn[slot * 2] ?? 0);
  addTo(counters.bytesDown, worker, sides.bytesIn[slot * 2 + 1] ?? 0);
  // An idler has no client whose ending could be counted.
  if (connections.listener[slot] !== LISTENER_NONE) addTo(counters.closedAbort, worker, 1);
  return true;
}

function abortSide(fds: Int32Array, side: number, abort: (fd: Fd) => void): void {
  const fd = fds[side] ?? -1;
  fds[side] = -1;
  if (fd >= 0) abort(fd as Fd);
}

/** What it had of `conn_max`, of the parked places and of its source. */
function leavePlaces(tables: Tables, slot: number, state: number): void {
  const { source: sources } = tables.connections;
  const source = sources[slot] ?? 0;
  sources[slot] = 0;
  if (source === 0) return;
  if (state === CONNECTION_PARKED) {
    giveParked(tables);
    leaveSource(tables, MAIN, source);
  } else {
    giveConnection(tables);
    giveSource(tables, MAIN, source);
  }
}

/** What has come from each side, as at the end of any connection. */
function credit(tables: Tables, worker: number, slot: number, state: number): void {
  const { connections, sides } = tables;
  const fromClient = sides.bytesIn[slot * 2] ?? 0;
  const fromServer = sides.bytesIn[slot * 2 + 1] ?? 0;
  const client = connections.client[slot] ?? 0;
  if (client !== 0) creditClient(tables, MAIN, client, connections.clientGeneration[slot] ?? 0, fromServer, fromClient);
  const server = connections.server[slot] ?? 0;
  const hasStood = state === CONNECTION_OPEN || state === CONNECTION_DRAINING || state === CONNECTION_IDLING;
  if (hasStood && server !== 0) addTraffic(tables, worker, server, fromClient, fromServer);
}
