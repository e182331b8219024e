/**
 * Everything that crosses workers at run time, as named functions, each one critical section.
 *
 * Nobody else touches a `shared` column or a lock word. They are stressed by real threads (`test/table`) and, where
 * the order of several words matters, checked over all interleavings (`model.test.ts` here), because the simulator
 * interleaves whole turns only.
 */
import { assert, fail } from '../base/assert.ts';
import { HEADER_LOCKS, LOCK_STRIDE } from './layout.ts';
import { ACCEPT_ARMED, ACCEPT_RESTING } from './schema.ts';
import type { Tables } from './tables.ts';

/* ---- places that are taken and given back ---- */

/**
 * Takes one of the server's places for a connection, unless `limit` are taken over all workers.
 *
 * @param limit 0 for none.
 * @owner any worker.
 * @cost  one atomic operation, more only when another worker takes at the same moment.
 */
export function takeInFlight(tables: Tables, server: number, limit: number): boolean {
  const { inFlight } = tables.servers;
  if (limit === 0) {
    Atomics.add(inFlight, server, 1);
    return true;
  }
  return takeBelow(inFlight, server, limit);
}

/**
 * Gives back a place that `takeInFlight` took.
 *
 * @owner  the worker that took it, or main on behalf of a worker that is gone.
 * @cost   one atomic operation.
 * @errors asserts that a place was taken.
 */
export function giveInFlight(tables: Tables, server: number): void {
  give(tables.servers.inFlight, server);
}

/** Connections to the server that are connecting or connected, over all workers. @owner any thread. */
export function inFlightOf(tables: Tables, server: number): number {
  return Atomics.load(tables.servers.inFlight, server);
}

/**
 * Reserves places for connections that may come, as many as are free but not more than `wanted`.
 *
 * @param max conn_max; 0 admits none, unlike a server's limit, so that an unset table is safe.
 * @returns how many; 0 when none is free.
 * @owner any worker.
 * @cost  one atomic operation, more only when another worker takes at the same moment.
 */
export function reservePlaces(tables: Tables, wanted: number, max: number): number {
  const { places } = tables.settings;
  for (let taken = Atomics.load(places, 0); ;) {
    const granted = Math.min(wanted, max - taken);
    if (granted <= 0) return 0;
    const before = Atomics.compareExchange(places, 0, taken, taken + granted);
    if (before === taken) return granted;
    taken = before;
  }
}

/** Gives back reserved places that nobody came for. @owner as `giveInFlight`. @errors asserts that they were taken. */
export function returnPlaces(tables: Tables, count: number): void {
  give(tables.settings.places, 0, count);
}

/** Places taken: by connections in use, and reserved; over all workers. @owner any thread. */
export function placesTaken(tables: Tables): number {
  return Atomics.load(tables.settings.places, 0);
}

/** A connection takes one of the places that were reserved. @owner the worker that reserved it. @cost one atomic operation. */
export function takeConnection(tables: Tables): void {
  Atomics.add(tables.settings.used, 0, 1);
}

/** Gives back what `takeConnection` took, and its place. @owner as `giveInFlight`. @errors asserts that one was taken. */
export function giveConnection(tables: Tables): void {
  give(tables.settings.used, 0);
  give(tables.settings.places, 0);
}

/** Connections in use over all workers. @owner any thread. */
export function connectionsUsed(tables: Tables): number {
  return Atomics.load(tables.settings.used, 0);
}

/**
 * Takes one of the places for parked connections, unless `max` are taken over all workers.
 *
 * @owner, @cost as `takeConnection`.
 */
export function takeParked(tables: Tables, max: number): boolean {
  return takeBelow(tables.settings.parked, 0, max);
}

/** Gives back what `takeParked` took. @owner as `giveInFlight`. @errors asserts that one was taken. */
export function giveParked(tables: Tables): void {
  give(tables.settings.parked, 0);
}

/** Connections that are parked, over all workers. @owner any thread. */
export function connectionsParked(tables: Tables): number {
  return Atomics.load(tables.settings.parked, 0);
}

/** Compare-and-add, not add-and-undo: a worker that backs out must not turn away one that had a right to the place. */
function takeBelow(words: Int32Array, at: number, limit: number): boolean {
  let taken = Atomics.load(words, at);
  while (taken < limit) {
    const before = Atomics.compareExchange(words, at, taken, taken + 1);
    if (before === taken) return true;
    taken = before;
  }
  return false;
}

function give(words: Int32Array, at: number, count = 1): void {
  if (Atomics.sub(words, at, count) >= count) return;
  Atomics.add(words, at, count); // the count stays usable for main, which gives back what the failed worker held
  fail('what is given back was taken');
}

/* ---- who accepts ---- */

/**
 * Notes how many connections the worker has, and whether it takes more: ACCEPT_*.
 *
 * @owner the worker, or main once the worker is gone.
 * @cost  two atomic stores.
 */
export function noteAccepting(tables: Tables, worker: number, load: number, accepting: number): void {
  Atomics.store(tables.workers.load, worker, load);
  Atomics.store(tables.workers.accepting, worker, accepting);
}

/**
 * Average load of the worker and of all others that can take connections now.
 *
 * @param count workers there are. @param load connections that the asking worker has.
 * @owner any worker. @cost two atomic loads per worker.
 */
export function meanLoad({ workers }: Tables, count: number, worker: number, load: number): number {
  let sum = load;
  let able = 1;
  for (let other = 0; other < count; other++) {
    if (other === worker || Atomics.load(workers.accepting, other) === ACCEPT_RESTING) continue;
    sum += Atomics.load(workers.load, other);
    able++;
  }
  return sum / able;
}

/**
 * Who is to be woken so that somebody accepts, when the asking worker does not: the one with fewest connections.
 *
 * Each worker notes that it does not accept before it asks, so of several that stop at the same time at least the last
 * one sees that nobody does.
 *
 * @returns -1 when another one accepts, or none of them can.
 * @owner any worker, after `noteAccepting`. @cost two atomic loads per worker.
 */
export function whoShouldAccept({ workers }: Tables, count: number, worker: number): number {
  let found = -1;
  let least = Infinity;
  for (let other = 0; other < count; other++) {
    const accepting = other === worker ? ACCEPT_RESTING : Atomics.load(workers.accepting, other);
    if (accepting === ACCEPT_ARMED) return -1;
    const load = Atomics.load(workers.load, other);
    if (accepting === ACCEPT_RESTING || load >= least) continue;
    found = other;
    least = load;
  }
  return found;
}

/**
 * Whether the worker has places reserved, or did when it last looked: by accepts at each listener, or at some of them.
 * @owner any thread.
 */
export function isHoldingPlaces({ workers }: Tables, worker: number): boolean {
  // What it has reserved it stores before it notes atomically whether it accepts, so whoever has noted a wish sees it.
  return Atomics.load(workers.accepting, worker) === ACCEPT_ARMED || Atomics.load(workers.reserved, worker) > 0;
}

/** Notes whether somebody in the worker waits for a place that others have reserved. @owner as `noteAccepting`. */
export function noteWanting(tables: Tables, worker: number, isWanting: boolean): void {
  Atomics.store(tables.workers.wanting, worker, Number(isWanting));
}

/** Places to be left free for others than the asking worker: one for each that waits for one. @owner any worker. */
export function placesWanted({ workers }: Tables, count: number, worker: number): number {
  let wanted = 0;
  for (let other = 0; other < count; other++) {
    if (other !== worker) wanted += Atomics.load(workers.wanting, other);
  }
  return wanted;
}

/* ---- round robin ---- */

/** Index, within the farm, of the server chosen last. @owner any thread. @cost one atomic load. */
export function readCursor(tables: Tables, farm: number): number {
  return Atomics.load(tables.farms.cursor, farm);
}

/**
 * Moves the farm's cursor from the index it was read at to the server found from there; false when another worker
 * was faster: read and search again. So each position is given out once, over all workers.
 *
 * @owner any worker.
 * @cost  one atomic operation.
 */
export function moveCursor(tables: Tables, farm: number, from: number, to: number): boolean {
  return Atomics.compareExchange(tables.farms.cursor, farm, from, to) === from;
}

/* ---- blacklist ---- */

/**
 * The server has failed: passes it over until then, in every worker from now on.
 *
 * @param untilDs deciseconds of the monotonic clock, u32; 0 clears.
 * @owner any thread; the last writer wins, which is the one with the freshest failure.
 */
export function blacklist(tables: Tables, server: number, untilDs: number): void {
  Atomics.store(tables.servers.blacklistedUntil, server, untilDs);
}

/** A connect to the server has succeeded: its failure is forgotten. What a command said stays. @owner any thread. */
export function clearBlacklist(tables: Tables, server: number): void {
  Atomics.store(tables.servers.blacklistedUntil, server, 0);
}

/**
 * Somebody wants the server passed over until then, whatever connects under way come to; in every worker from now on.
 *
 * A failure that is noted is forgotten: what was said last holds.
 * @param untilDs as for `blacklist`; 0 lets clients come at once.
 * @owner control.
 */
export function shun(tables: Tables, server: number, untilDs: number): void {
  Atomics.store(tables.servers.shunnedUntil, server, untilDs);
  Atomics.store(tables.servers.blacklistedUntil, server, 0);
}

/**
 * Decisecond until which the server is passed over, for whatever reason, u32; 0 for none.
 *
 * @owner any thread. @cost two atomic loads.
 */
export function blacklistedUntil(tables: Tables, server: number): number {
  const failed = Atomics.load(tables.servers.blacklistedUntil, server) >>> 0;
  const shunned = Atomics.load(tables.servers.shunnedUntil, server) >>> 0;
  return failed > shunned ? failed : shunned;
}

/* ---- counters per server ---- */

/** Counts a connect that succeeded. u32, wraps. @owner any worker. @cost one atomic operation. */
export function countConnect(tables: Tables, server: number): void {
  Atomics.add(tables.serverCounters.connects, server, 1);
}

/** Counts a connect that failed or timed out. u32, wraps. @owner any worker. @cost one atomic operation. */
export function countFailure(tables: Tables, server: number): void {
  Atomics.add(tables.serverCounters.failures, server, 1);
}

/** @owner any thread. */
export function connectsOf(tables: Tables, server: number): number {
  return Atomics.load(tables.serverCounters.connects, server) >>> 0;
}

/** @owner any thread. */
export function failuresOf(tables: Tables, server: number): number {
  return Atomics.load(tables.serverCounters.failures, server) >>> 0;
}

/** Failures and counts of a row are forgotten, for a server that has never had it. @owner control, while nobody names the row. */
export function forgetServer(tables: Tables, server: number): void {
  shun(tables, server, 0);
  Atomics.store(tables.serverCounters.connects, server, 0);
  Atomics.store(tables.serverCounters.failures, server, 0);
}

/* ---- stopping ---- */

export const STOP_NO = 0;
/** No accepts; connections are reset. A drain, when there is one, comes here. */
export const STOP_ORDERLY = 1;
/** At once, by abort. */
export const STOP_ABORT = 2;

/** Asks all workers to stop. Only ever grows stricter. @owner any thread; waking the workers is the caller's. */
export function requestStop(tables: Tables, how: number): void {
  const { stopping: word } = tables.settings;
  let before = Atomics.load(word, 0);
  while (before < how) {
    const seen = Atomics.compareExchange(word, 0, before, how);
    if (seen === before) return;
    before = seen;
  }
}

/** STOP_*. @owner any thread, each turn. @cost one atomic load. */
export function stopping(tables: Tables): number {
  return Atomics.load(tables.settings.stopping, 0);
}

/* ---- requests to end one connection ---- */

/**
 * Asks the worker to end the connection in `slot`; false while it has not yet taken the request before.
 *
 * @owner control; waking the worker is the caller's.
 */
export function requestClose(tables: Tables, worker: number, slot: number): boolean {
  return Atomics.compareExchange(tables.workers.closeRequest, worker, 0, slot + 1) === 0;
}

/** Takes the request there is: a slot, or -1. @owner the worker, when it was woken. @cost one atomic operation. */
export function takeCloseRequest(tables: Tables, worker: number): number {
  return Atomics.exchange(tables.workers.closeRequest, worker, 0) - 1;
}

/* ---- locks ---- */

/** The lock of `clients` and of the lists in `farms` that run through it. */
export const LOCK_CLIENTS = 0;
/** The lock of `sources`. Nobody holds both. */
export const LOCK_SOURCES = 1;

/** Set beside the holder when somebody may be asleep, so that an unlock without sleepers costs no wake-up. */
const LOCK_WAITED = 0x10000;
const LOCK_HOLDER = 0xffff;
/** Looks before sleeping: about as long as a critical section (a microsecond or two), far below a sleep (50). */
const LOCK_SPINS = 100;
/** One sleep, ms. Sleeps are bounded so that a hanging holder is reported instead of hanging everybody. */
const LOCK_WAIT_MS = 100;
/** Main notices a holder that hangs before that, and says what is wrong. */
const LOCK_WAITS_MAX = 200;

/**
 * Takes the lock; waits for its holder if there is one.
 *
 * What the lock protects is changed by straight-line code that does not throw; a failed assert while holding it ends
 * the process, as what it protects may be half changed.
 *
 * @param id LOCK_*.
 * @param worker who takes it; main and others use numbers from WORKERS_MAX on, below 65,535.
 * @param spins looks before sleeping; only tests have a reason to change it.
 * @owner  any thread, not twice.
 * @cost   one atomic operation when free. Contended: spins, then sleeps in the kernel until woken.
 * @errors asserts that the caller does not hold it already, and that no holder keeps it for 20 s.
 */
export function lock(tables: Tables, id: number, worker: number, spins = LOCK_SPINS): void {
  const at = HEADER_LOCKS + id * LOCK_STRIDE;
  if (Atomics.compareExchange(tables.header, at, 0, worker + 1) === 0) return;
  lockContended(tables.header, at, worker + 1, spins);
}

function lockContended(words: Int32Array, at: number, me: number, spins: number): void {
  assert((Atomics.load(words, at) & LOCK_HOLDER) !== me, 'nobody takes a lock twice');
  for (let spin = 0; spin < spins; spin++) {
    if (Atomics.load(words, at) === 0 && Atomics.compareExchange(words, at, 0, me) === 0) return;
  }
  // Whoever has slept takes the lock marked as waited for: others may be asleep still, and a needless wake-up is
  // cheaper than counting them.
  for (let waits = 0; waits < LOCK_WAITS_MAX;) {
    const seen = Atomics.load(words, at);
    if (seen === 0) {
      if (Atomics.compareExchange(words, at, 0, me | LOCK_WAITED) === 0) return;
      continue;
    }
    const waited = seen | LOCK_WAITED;
    if (seen !== waited && Atomics.compareExchange(words, at, seen, waited) !== seen) continue;
    if (Atomics.wait(words, at, waited, LOCK_WAIT_MS) === 'timed-out') waits++;
  }
  fail('no lock is held for twenty seconds');
}

/**
 * Lets the lock go and wakes one who waits for it.
 *
 * @owner  the thread that took it, under the same number.
 * @cost   two atomic operations; one wake-up when somebody may be asleep.
 * @errors asserts that the caller holds it; then nothing was changed.
 */
export function unlock(tables: Tables, id: number, worker: number): void {
  const at = HEADER_LOCKS + id * LOCK_STRIDE;
  const words = tables.header;
  assert((Atomics.load(words, at) & LOCK_HOLDER) === worker + 1, 'only the holder lets a lock go');
  if ((Atomics.exchange(words, at, 0) & LOCK_WAITED) !== 0) Atomics.notify(words, at, 1);
}

/** Number of the worker that holds the lock, -1 when it is free. @owner any thread; for reports and for main after a worker's end. */
export function lockHolder(tables: Tables, id: number): number {
  return (Atomics.load(tables.header, HEADER_LOCKS + id * LOCK_STRIDE) & LOCK_HOLDER) - 1;
}
