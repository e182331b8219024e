/**
 * What connections need, in one place: whoever reserves slots, raises limits of the machine or picks a default asks
 * here.
 *
 * A served connection takes a slot and two descriptors, a parked one a slot and one descriptor, because it has no
 * server.
 */
import { CONNECTIONS_MAX } from './limits.ts';

/** With fewer connections than this an eighth is hardly any, and a limit per source would be in the way. */
const SHARED_MIN = 64;

/**
 * How many connections one source may have served, unless somebody says otherwise: all but an eighth, so that no
 * single address keeps everybody else out. 0, no limit, when there are few.
 */
export function defaultSourceMax(connMax: number): number {
  return connMax >= SHARED_MIN ? connMax - Math.floor(connMax / 8) : 0;
}

/** How many connections may be parked, unless somebody says otherwise: as many as may be served. */
export function defaultParkedMax(connMax: number): number {
  return Math.min(connMax, CONNECTIONS_MAX - connMax);
}

/** Slots of the connections table, over all workers. */
export function slotsFor(connMax: number, parkedMax: number): number {
  return connMax + parkedMax;
}

/** Descriptors of all connections. */
export function descriptorsFor(connMax: number, parkedMax: number): number {
  return 2 * connMax + parkedMax;
}

/**
 * How many clients may wait to be accepted where the loop holds them, each with a descriptor: as many as would wait in
 * the kernel, but no more than a quarter of the descriptors that nothing else has asked for.
 */
export function waitingWithin(descriptors: number, backlog: number): number {
  return Math.max(1, Math.min(backlog, Math.floor(descriptors / 4)));
}

/** How many connections may be parked when there are no more than so many descriptors. */
export function parkedWithin(descriptors: number, connMax: number, parkedMax: number): number {
  return Math.max(0, Math.min(parkedMax, descriptors - 2 * connMax));
}
