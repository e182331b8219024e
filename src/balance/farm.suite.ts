/** A farm in real tables for tests of the choice, and clients that are served as the engine serves them. */
import { expect } from 'vitest';
import { ENDPOINT_IP, ENDPOINT_PORT, ENDPOINT_SIZE, KIND_IPV4, PEER_SIZE, writeEndpoint } from '../base/endpoint.ts';
import { writeMembers } from '../table/members.ts';
import { beginPublish, commitPublish, configAt, currentVersion } from '../table/publish.ts';
import { FARM_F_ROUND_ROBIN, FARM_F_STUBBORN } from '../table/schema.ts';
import { blacklist, clearBlacklist, giveInFlight, inFlightOf, moveCursor, readCursor } from '../table/shared.ts';
import { createTables, openTables, type ConfigBank, type Tables } from '../table/tables.ts';
import { nextAfterFailure, takePlace } from './attempt.ts';
import { chooseServer } from './choose.ts';
import { NO_SERVER } from './servers.ts';

export const EMERGENCY = 1;
export const ABUSE = 2;
export const FIRST = 3;
export const FARM = 0;
export const NOW = 1000;
/** What `shut` compares with: far beyond any test. */
export const LATER = NOW + 600;
/** More servers than any test has. */
const ROWS_MAX = 320;

export interface FarmOptions {
  readonly count: number;
  readonly emergency?: boolean;
  readonly abuse?: boolean;
  readonly stubborn?: boolean;
  /** FARM_F_*; round robin when not given. */
  readonly flags?: number;
  /** Row of each server, as an index from FIRST on; in their order when not given. */
  readonly rows?: readonly number[];
  /** Indices that were never given an address. */
  readonly empty?: readonly number[];
  /** By index; all 0 when not given. */
  readonly max?: readonly number[];
  readonly hard?: readonly number[];
  readonly weight?: readonly number[];
  readonly prio?: readonly number[];
}

/** Reserving the tables is what takes time, so all tests of a file share one. */
export const tables: Tables = openTables(createTables());

export function build({ count, stubborn = false, empty = [], ...options }: FarmOptions): ConfigBank {
  const rows = Array.from({ length: count }, (_, index) => FIRST + (options.rows?.[index] ?? index));
  const last = Math.max(FIRST + count - 1, ...rows);
  const draft = beginPublish(tables, { farms: 1, members: count, servers: last + 1 })!;
  writeMembers(draft, FARM, 0, rows);
  draft.farms.flags[FARM] = (options.flags ?? FARM_F_ROUND_ROBIN) | (stubborn ? FARM_F_STUBBORN : 0);
  draft.farms.clientPrefix[FARM] = 128;
  draft.farms.emergencyServer[FARM] = options.emergency === true ? EMERGENCY : 0;
  draft.farms.abuseServer[FARM] = options.abuse === true ? ABUSE : 0;
  draft.servers.endpoint.fill(0);
  for (const column of ['max', 'hard', 'weight', 'prio'] as const) {
    draft.servers[column].fill(0);
    rows.forEach((row, index) => (draft.servers[column][row] = options[column]?.[index] ?? 0));
  }
  for (let row = EMERGENCY; row <= last; row++) {
    if (empty.includes(row - FIRST)) continue;
    writeEndpoint(
      { kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 8000 + row },
      draft.servers.endpoint,
      row * ENDPOINT_SIZE,
    );
  }
  commitPublish(tables);
  return configAt(tables, currentVersion(tables));
}

/** As at the start of the process: nobody connected, nobody blacklisted, the cursor at 0. */
export function reset(): void {
  moveCursor(tables, FARM, readCursor(tables, FARM), 0);
  for (let row = 0; row < ROWS_MAX; row++) {
    clearBlacklist(tables, row);
    while (inFlightOf(tables, row) > 0) giveInFlight(tables, row);
  }
}

/** The record of a peer: `ip` as 4 or 16 bytes. */
export function peer(ip: readonly number[], port = 0): Uint8Array {
  const record = new Uint8Array(PEER_SIZE);
  const isIpv4 = ip.length === 4;
  record[0] = isIpv4 ? 4 : 6;
  record[ENDPOINT_PORT] = port >>> 8;
  record[ENDPOINT_PORT + 1] = port & 255;
  record.set(isIpv4 ? [255, 255, ...ip] : ip, ENDPOINT_IP + (isIpv4 ? 10 : 0));
  return record;
}

export const SOMEBODY = peer([127, 0, 0, 1]);

/** A letter for the emergency server, R for nobody, else the index: as the examples of the original are written. */
export function name(row: number): string {
  if (row === NO_SERVER) return 'R';
  if (row === EMERGENCY) return 'E';
  if (row === ABUSE) return 'A';
  return String(row - FIRST);
}

export interface Visit {
  readonly from?: Uint8Array;
  /** Index of the server the client was last sent to. */
  readonly remembered?: number;
  /** Servers where nobody listens. */
  readonly refuses?: readonly string[];
}

/** Serves one client, which stays, as the engine does: first choice, then the walk. */
export function hold(config: ConfigBank, { from = SOMEBODY, remembered, refuses = [] }: Visit = {}): string {
  const known = remembered === undefined ? 0 : remembered + 1;
  const attempt = (row: number): boolean => {
    if (!takePlace(tables, config, row, from, 0, row === FIRST + known - 1, NOW)) return false;
    if (!refuses.includes(name(row))) return true;
    giveInFlight(tables, row);
    blacklist(tables, row, LATER);
    return false;
  };
  let row = chooseServer(tables, config, FARM, from, 0, known, NOW);
  let walked = 0;
  while (row === NO_SERVER || !attempt(row)) {
    row = nextAfterFailure(config, FARM, row, walked++);
    if (row === NO_SERVER) return 'R';
    expect(walked, 'the walk ends').toBeLessThan(ROWS_MAX);
  }
  return name(row);
}

/** Serves one client, which leaves again. */
export function serve(config: ConfigBank, visit: Visit = {}): string {
  const served = hold(config, visit);
  if (served !== 'R')
    giveInFlight(tables, served === 'E' ? EMERGENCY : served === 'A' ? ABUSE : FIRST + Number(served));
  return served;
}

export function serveAll(config: ConfigBank, clients: number, visit: Visit = {}): string {
  return Array.from({ length: clients }, () => serve(config, visit)).join(' ');
}

export function holdAll(config: ConfigBank, clients: number, visit: Visit = {}): string {
  return Array.from({ length: clients }, () => hold(config, visit)).join(' ');
}

export function shut(...indices: number[]): void {
  for (const index of indices) blacklist(tables, FIRST + index, LATER);
}

export function reopen(...indices: number[]): void {
  for (const index of indices) clearBlacklist(tables, FIRST + index);
}
