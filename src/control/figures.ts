/** Sums over all workers, for people and tests. */
import type { ProcessCounts } from '../config/process-row.ts';
import { sumLanes } from '../table/columns.ts';
import {
  blacklistedUntil,
  connectionsParked,
  connectionsUsed,
  connectsOf,
  failuresOf,
  inFlightOf,
} from '../table/shared.ts';
import type { Tables } from '../table/tables.ts';
import { UNNAMED } from '../config/farms.ts';
import { rowsInForce } from './publisher.ts';

export interface ServerFigures {
  readonly index: number;
  readonly inFlight: number;
  readonly connects: number;
  readonly failures: number;
  readonly isBlacklisted: boolean;
}

export interface Figures {
  readonly accepted: number;
  readonly connected: number;
  readonly failedOver: number;
  readonly unserved: number;
  readonly connectFailed: number;
  readonly connectTimedOut: number;
  readonly closedOrderly: number;
  readonly closedAbort: number;
  readonly closedIdle: number;
  readonly closedStop: number;
  readonly pausedFull: number;
  readonly pausedPending: number;
  readonly pausedDescriptors: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Connections in use now; waiting for a server now; descriptors open now. */
  readonly used: number;
  readonly pending: number;
  readonly descriptors: number;
  readonly bigBuffers: number;
  readonly smallBuffers: number;
  readonly turns: number;
  readonly servers: readonly ServerFigures[];
}

/**
 * Reads the figures as they are now; counters of different workers may be a turn apart. Servers are those of the farm
 * without a name.
 *
 * @param nowMs monotonic time, to tell who is blacklisted.
 */
export function readFigures(tables: Tables, nowMs: number): Figures {
  const { counters, gauges } = tables;
  const { servers: rows = [], count = 0 } = rowsInForce(tables).farms.get(UNNAMED) ?? {};
  const servers = rows.slice(0, count).map((row, index) => ({
    index,
    inFlight: inFlightOf(tables, row),
    connects: connectsOf(tables, row),
    failures: failuresOf(tables, row),
    isBlacklisted: blacklistedUntil(tables, row) > nowMs / 100,
  }));
  return {
    accepted: sumLanes(counters.accepted),
    connected: sumLanes(counters.connected),
    failedOver: sumLanes(counters.failedOver),
    unserved: sumLanes(counters.unserved),
    connectFailed: sumLanes(counters.connectFailed),
    connectTimedOut: sumLanes(counters.connectTimedOut),
    closedOrderly: sumLanes(counters.closedOrderly),
    closedAbort: sumLanes(counters.closedAbort),
    closedIdle: sumLanes(counters.closedIdle),
    closedStop: sumLanes(counters.closedStop),
    pausedFull: sumLanes(counters.pausedFull),
    pausedPending: sumLanes(counters.pausedPending),
    pausedDescriptors: sumLanes(counters.pausedDescriptors),
    bytesUp: sumLanes(counters.bytesUp),
    bytesDown: sumLanes(counters.bytesDown),
    used: connectionsUsed(tables),
    pending: sumLanes(gauges.pending),
    descriptors: sumLanes(gauges.descriptors),
    bigBuffers: sumLanes(gauges.bigBuffers),
    smallBuffers: sumLanes(gauges.smallBuffers),
    turns: sumLanes(counters.turns),
    servers,
  };
}

/** What `status` tells of all workers together. */
export function countsOf(
  tables: Tables,
): ProcessCounts & Record<'used' | 'waiting' | 'parked' | 'descriptors', number> {
  const { counters, gauges } = tables;
  return {
    used: connectionsUsed(tables),
    waiting: sumLanes(gauges.pending),
    parked: connectionsParked(tables),
    descriptors: sumLanes(gauges.descriptors),
    accepted: sumLanes(counters.accepted),
    connected: sumLanes(counters.connected),
    connect_failed: sumLanes(counters.connectFailed),
    connect_timed_out: sumLanes(counters.connectTimedOut),
    failed_over: sumLanes(counters.failedOver),
    unserved: sumLanes(counters.unserved),
    denied: sumLanes(counters.denied),
    refused: sumLanes(counters.refused),
    closed_orderly: sumLanes(counters.closedOrderly),
    closed_abort: sumLanes(counters.closedAbort),
    closed_idle: sumLanes(counters.closedIdle),
    paused_full: sumLanes(counters.pausedFull),
    paused_pending: sumLanes(counters.pausedPending),
    paused_descriptors: sumLanes(counters.pausedDescriptors),
  };
}
