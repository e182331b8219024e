/** Whether the tables agree with themselves between two turns, and with the actors at the end of a run. */
import { isRowLive, rowsUsed } from '../table/addresses.ts';
import { sumLanes } from '../table/columns.ts';
import { CONNECTION_CONNECTING, CONNECTION_FREE, CONNECTION_PARKED } from '../table/schema.ts';
import { connectionsParked, connectionsUsed } from '../table/shared.ts';
import { servedOf, waitingOf } from '../table/sources.ts';
import type { Tables } from '../table/tables.ts';
import { trafficDown, trafficUp } from '../table/traffic.ts';
import type { Dialogue } from './dialogue.ts';
import { faultIndex, type Faults } from './faults.ts';
import type { SeedSettings } from './settings.ts';
import type { SimServer } from './server.ts';
import { violate } from './violation.ts';

/** Rows, gauges, limits and the counts of sources say the same. @returns rows that are not free. */
export function auditRows(tables: Tables, settings: SeedSettings): number {
  const { state, source } = tables.connections;
  const served = new Map<number, number>();
  const waiting = new Map<number, number>();
  let taken = 0;
  let used = 0;
  let parked = 0;
  let pending = 0;
  for (let slot = 0; slot < settings.slotCount * settings.workers; slot++) {
    if (state[slot] === CONNECTION_FREE) continue;
    taken++;
    if (state[slot] === CONNECTION_CONNECTING) pending++;
    if (source[slot] === 0) continue;
    const isParked = state[slot] === CONNECTION_PARKED;
    if (isParked) parked++;
    else used++;
    const counts = isParked ? waiting : served;
    counts.set(source[slot], (counts.get(source[slot]) ?? 0) + 1);
  }
  same('used', used, connectionsUsed(tables), sumLanes(tables.gauges.used));
  same('parked', parked, connectionsParked(tables), sumLanes(tables.gauges.parked));
  if (used > settings.connMax) violate('limit', `${used} connections, ${settings.connMax} allowed`);
  same('pending', pending, sumLanes(tables.gauges.pending));
  // Each worker may have one of those it has accepted, and one of each further listener.
  const pendingMax = Math.max(settings.pendingMax, settings.workers) + (settings.listeners - 1) * settings.workers;
  if (pending > pendingMax) violate('limit', `${pending} wait for their servers, ${pendingMax} may`);
  if (parked > settings.policy.parkedMax) violate('limit', `${parked} are parked, ${settings.policy.parkedMax} may be`);
  for (const [row, count] of served) same(`served of source ${row}`, count, servedOf(tables, row));
  for (const [row, count] of waiting) same(`waiting of source ${row}`, count, waitingOf(tables, row));
  return taken;
}

/** Sources that have connections. */
function sourcesLive(tables: Tables): number {
  let live = 0;
  for (let row = 1; row <= rowsUsed(tables.sources); row++) if (isRowLive(tables.sources, row)) live++;
  return live;
}

function same(what: string, rows: number, ...others: readonly number[]): void {
  for (const other of others) if (other !== rows) violate('counts', `${what}: ${rows} by the rows, ${other} elsewhere`);
}

/** Bytes of each server lie between what its clients and it counted. */
export function auditTraffic(tables: Tables, dialogues: readonly Dialogue[], servers: readonly SimServer[]): void {
  for (const server of servers) {
    let clientSent = 0;
    let clientReceived = 0;
    for (const { servedRow, client } of dialogues) {
      if (servedRow !== server.row || client === null) continue;
      clientSent += client.sent;
      clientReceived += client.received;
    }
    const up = trafficUp(tables, server.row);
    const down = trafficDown(tables, server.row);
    if (up < server.received || up > clientSent)
      violate('traffic', `server ${server.index} was sent ${up}, the actors say ${server.received} to ${clientSent}`);
    if (down < clientReceived || down > server.sent)
      violate('traffic', `server ${server.index} sent ${down}, the actors say ${clientReceived} to ${server.sent}`);
  }
}

/** How many looks in a row, one each 250 ms, a client may be seen waiting although nothing is in its way. */
const LOOKS_MAX = 12;

/** Who waits for a place of its source is served soon when there is one, and room for another connection. */
export function auditWaiting(
  dialogues: Iterable<Dialogue>,
  isRoom: boolean,
  hasPlace: (one: Dialogue) => boolean,
): void {
  for (const dialogue of dialogues) {
    if (dialogue.tries > 0 || !dialogue.mayPark) continue;
    dialogue.looks = isRoom && hasPlace(dialogue) ? dialogue.looks + 1 : 0;
    if (dialogue.looks > LOOKS_MAX)
      violate('parked', `dialogue ${dialogue.id} is not served though its source has a place for it`);
  }
}

/** What must have come back when everything has ended. */
export function expectZero(counts: readonly (readonly [what: string, count: number])[]): void {
  for (const [what, count] of counts) if (count !== 0) violate('leak', `${count} ${what} at the end`);
}

/** At the end of a run: the tables hold nothing any more. */
export function auditEnd(tables: Tables, servers: readonly SimServer[]): void {
  const { settings, gauges } = tables;
  expectZero([
    ['connections used', settings.used[0]],
    ['places', settings.places[0]],
    ['connections parked', settings.parked[0]],
    ['sources', sourcesLive(tables)],
    ['connections of the workers', sumLanes(gauges.used)],
    ['big buffers', sumLanes(gauges.bigBuffers)],
  ]);
  for (const { index, row } of servers) expectZero([[`in flight at server ${index}`, tables.servers.inFlight[row]]]);
}

const F_TABLE_FULL = faultIndex('world.table-full');
const F_PARKED = faultIndex('world.source-parked');
const F_REFUSED = faultIndex('world.source-refused');
const F_DENIED = faultIndex('client.denied');

/** What only the engine's counters tell of a run. */
export function noteCounters({ counters }: Tables, faults: Faults): void {
  const note = (fault: number, times: number): void => {
    for (let i = 0; i < times; i++) faults.note(fault);
  };
  note(F_PARKED, sumLanes(counters.parked));
  note(F_REFUSED, sumLanes(counters.refused));
  note(F_DENIED, sumLanes(counters.denied));
  note(F_TABLE_FULL, sumLanes(counters.pausedFull) + sumLanes(counters.pausedPending));
}
