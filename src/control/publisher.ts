/**
 * Writes a configuration into the idle bank of the tables and puts it in force.
 *
 * @owner main thread.
 */
import type { Fd } from '../base/brand.ts';
import type { Countries } from '../base/countries.ts';
import { ENDPOINT_SIZE, PEER_SIZE, writeEndpoint, type Endpoint } from '../base/endpoint.ts';
import { farmNames, farmOf, UNNAMED, type Farm, type FarmSettings } from '../config/farms.ts';
import {
  CLIENTS_DEFAULT,
  isUsed,
  limitsOf,
  UNSET_SERVER,
  type Configuration,
  type Fastclose,
  type ServerConfig,
} from '../config/model.ts';
import { shared } from '../config/parts.ts';
import { DUMP_DEBUG } from '../table/dumps.ts';
import { writeMembers } from '../table/members.ts';
import { beginPublish, commitPublish } from '../table/publish.ts';
import {
  ACL_NONE,
  FARM_F_DUMMY,
  FARM_F_HASH,
  FARM_F_HASH_ORIGINAL,
  FARM_F_LEASTCONN,
  FARM_F_PEEK,
  FARM_F_PRIO,
  FARM_F_ROUND_ROBIN,
  FARM_F_STUBBORN,
  FARM_F_WEIGHT,
  FASTCLOSE_BOTH,
  FASTCLOSE_DOWN,
  FASTCLOSE_OFF,
  FASTCLOSE_UP,
} from '../table/schema.ts';
import { FILE_TEXT_MAX, REQUEST_TEXT_MAX } from '../table/requests.ts';
import type { ConfigBank, Tables } from '../table/tables.ts';
import {
  checkNames,
  compileLists,
  hasSameRows,
  rowFinder,
  rowsOfLists,
  writeLists,
  type RowOf,
} from './access-lists.ts';
import type { CompiledList } from './compiled-list.ts';
import {
  farmsAt,
  NO_ROWS,
  planRows,
  rowsNamed,
  sizeOf,
  type FarmRows,
  type LeftFarm,
  type RowsOfFarm,
} from './farm-rows.ts';
import { withoutFree } from './free-rows.ts';

const FASTCLOSE: Readonly<Record<Fastclose, number>> = {
  off: FASTCLOSE_OFF,
  up: FASTCLOSE_UP,
  down: FASTCLOSE_DOWN,
  both: FASTCLOSE_BOTH,
};

/** A listening socket that stands. */
export interface OpenListener {
  readonly fd: Fd;
  /** Where it really listens: ENDPOINT_SIZE bytes. */
  readonly endpoint: Uint8Array;
  /** Name of the farm whose clients come there. */
  readonly farm: string;
}

/** What main has found out about the machine. */
export interface Limits {
  /** Descriptors that connections may use. */
  readonly descriptorMax: number;
  /** What access lists that name countries are made with. */
  readonly countries?: Countries | undefined;
}

/** What main knows of what is in force. */
interface InForce {
  readonly lists: readonly CompiledList[];
  readonly rows: FarmRows;
}
const inForce = new WeakMap<Tables, InForce>();

/** Which rows farms and their servers have now. */
export function rowsInForce(tables: Tables): FarmRows {
  return inForce.get(tables)?.rows ?? NO_ROWS;
}

/** Finds out whether there are rows for a configuration, and changes nothing. @errors ConfigError when there are not. */
export function checkRows(tables: Tables, configuration: Configuration, previous: Configuration): void {
  planRows(withoutFree(tables, rowsInForce(tables)), configuration, previous);
}

/**
 * Publishes a configuration.
 *
 * @param previous the configuration that was published last, if any: what is the same object in both is not written
 * again.
 * @returns false when a worker still reads the bank that would be filled: try again after its next turn.
 * @errors ConfigError for access lists that do not fit, or do not exist, and for more servers than there are rows.
 */
export function publish(
  tables: Tables,
  configuration: Configuration,
  listeners: readonly OpenListener[],
  limits: Limits,
  previous?: Configuration,
): boolean {
  const rowOf = rowFinder(configuration, previous);
  checkNames(configuration, rowOf, previous);
  const lists = compileLists(configuration, limits.countries, previous);
  const before = inForce.get(tables);
  const rows = planRows(withoutFree(tables, before?.rows ?? NO_ROWS), configuration, previous);
  const draft = beginPublish(tables, {
    ...(rows === before?.rows ? {} : sizeOf(rows)),
    listeners: listeners.length,
    settings: 1,
    ...rowsOfLists(lists),
  });
  if (!draft) return false;
  writeSettings(draft, configuration, listeners.length, limits, rowOf);
  writeFarms(draft, rows, configuration, rowOf, before?.rows, previous);
  writeListeners(draft, listeners, rows);
  writeLists(draft, lists, before?.lists);
  const version = commitPublish(tables);
  inForce.set(tables, { lists, rows: noteListeners(rows, listeners, version) });
  return true;
}

/** Rows of servers that stand for another address than before, or for their first one. */
export function movedServers(rows: FarmRows, configuration: Configuration, previous: Configuration): number[] {
  return farmNames(configuration).flatMap((name) => {
    const at = rows.farms.get(name);
    // Rows that are new have never stood for anything.
    if (!at || (name !== UNNAMED && configuration.farms.get(name) === previous.farms.get(name))) return [];
    const [now, before] = [farmOf(configuration, name), farmOf(previous, name)];
    const moved = now.servers.map((server, index) => (isMoved(server, before.servers[index]) ? at.servers[index] : 0));
    if (isMoved(now.emergency, before.emergency)) moved.push(at.emergency);
    if (isMoved(now.abuse, before.abuse)) moved.push(at.abuse);
    return moved.filter((row): row is number => row !== undefined && row !== 0);
  });
}

function isMoved(now: ServerConfig | undefined, before: ServerConfig | undefined): boolean {
  return now?.endpoint !== before?.endpoint && shared(before?.endpoint, now?.endpoint) !== before?.endpoint;
}

function writeSettings(
  draft: ConfigBank,
  { settings }: Configuration,
  listenerCount: number,
  limits: Limits,
  rowOf: RowOf,
): void {
  const { connMax, sourceMax, parkedMax } = limitsOf(settings);
  draft.settings.connMax[0] = connMax;
  draft.settings.sourceMax[0] = sourceMax;
  draft.settings.parkedMax[0] = parkedMax;
  draft.settings.trustedAcl[0] = settings.trustedAcl === 'none' ? ACL_NONE : rowOf(settings.trustedAcl, 'trusted_acl');
  draft.settings.controlAcl[0] = rowOf(settings.controlAcl, 'control_acl');
  draft.settings.pendingMax[0] = settings.pendingMax;
  draft.settings.acceptBatch[0] = settings.acceptBatch;
  draft.settings.listenerCount[0] = listenerCount;
  draft.settings.tcpNoDelay[0] = Number(settings.tcpNodelay);
  draft.settings.keepAlive[0] = Number(settings.keepalive);
  draft.settings.isDumping[0] = Number(settings.debug >= DUMP_DEBUG);
  draft.settings.logText[0] = settings.log === undefined ? 0 : settings.log.endpoint ? REQUEST_TEXT_MAX : FILE_TEXT_MAX;
  draft.settings.isTelling[0] = Number(settings.connectionLog !== undefined);
  draft.settings.source.set(peerRecord(settings.source));
  draft.settings.idlers[0] = settings.idlers;
  draft.settings.descriptorMax[0] = limits.descriptorMax;
}

/** The first PEER_SIZE bytes of an endpoint, all 0 for none. */
function peerRecord(endpoint: Endpoint | undefined): Uint8Array {
  const record = new Uint8Array(ENDPOINT_SIZE);
  if (endpoint) writeEndpoint(endpoint, record, 0);
  return record.subarray(0, PEER_SIZE);
}

/** Writes what is another one than before, of each farm. */
function writeFarms(
  draft: ConfigBank,
  rows: FarmRows,
  configuration: Configuration,
  rowOf: RowOf,
  before: FarmRows = NO_ROWS,
  previous?: Configuration,
): void {
  const known = previous && hasSameRows(configuration, previous) ? previous : undefined;
  let position = 0;
  for (const { name, rows: at, farm } of farmsAt(rows, configuration)) {
    if (rows !== before) {
      position = writeMembers(draft, at.row, position, at.servers, at.count);
      // They may have been somebody's members.
      draft.servers.place[at.emergency] = draft.servers.place[at.abuse] = 0;
    }
    writeFarm(draft, at, farm, rowOf);
    writeServers(draft, at, farm, known && farmBefore(at, name, before, known), rowOf);
  }
}

/** What these rows hold; undefined when they were not this farm's before. */
function farmBefore({ life }: RowsOfFarm, name: string, before: FarmRows, previous: Configuration): Farm | undefined {
  if (before.farms.get(name)?.life === life) return farmOf(previous, name);
  return before.left.find(({ rows }) => rows.life === life)?.farm;
}

function writeFarm({ farms }: ConfigBank, rows: RowsOfFarm, { settings, emergency, abuse }: Farm, rowOf: RowOf): void {
  const { row } = rows;
  farms.flags[row] = flagsOf(settings);
  farms.emergencyServer[row] = emergency ? rows.emergency : 0;
  farms.abuseServer[row] = abuse ? rows.abuse : 0;
  farms.blacklistMs[row] = settings.blacklist * 1000;
  farms.connectTimeoutMs[row] = settings.timeout * 1000;
  farms.idleTimeoutMs[row] = settings.idleTimeout * 1000;
  farms.halfClosedTimeoutMs[row] = settings.halfClosedTimeout * 1000;
  farms.fastclose[row] = FASTCLOSE[settings.tcpFastclose];
  farms.trackingMs[row] = settings.tracking * 1000;
  farms.clientsMax[row] = settings.clientsMax || CLIENTS_DEFAULT;
  farms.clientPrefix[row] = settings.clientPrefix;
  farms.clientAcl[row] = rowOf(settings.clientAcl, 'client_acl');
}

function flagsOf({ roundrobin, stubborn, prio, weight, hash, leastconn, peek, dummy }: FarmSettings): number {
  const hashFlags = { off: 0, spread: FARM_F_HASH, original: FARM_F_HASH | FARM_F_HASH_ORIGINAL };
  return (
    (roundrobin ? FARM_F_ROUND_ROBIN : 0) |
    (stubborn ? FARM_F_STUBBORN : 0) |
    (prio ? FARM_F_PRIO : 0) |
    (weight ? FARM_F_WEIGHT : 0) |
    (leastconn ? FARM_F_LEASTCONN : 0) |
    (peek ? FARM_F_PEEK : 0) |
    (dummy ? FARM_F_DUMMY : 0) |
    hashFlags[hash]
  );
}

function writeListeners(draft: ConfigBank, listeners: readonly OpenListener[], rows: FarmRows): void {
  listeners.forEach(({ fd, endpoint, farm }, row) => {
    draft.listeners.fd[row] = fd;
    draft.listeners.farm[row] = rowsNamed(rows, farm)?.row ?? 0;
    draft.listeners.endpoint.set(endpoint, row * ENDPOINT_SIZE);
  });
}

/** Notes of farms that are gone whether anybody can still come to them. */
function noteListeners(rows: FarmRows, listeners: readonly OpenListener[], version: number): FarmRows {
  const isListening = (left: LeftFarm): boolean =>
    listeners.some(({ farm }) => rowsNamed(rows, farm)?.life === left.rows.life);
  const left = rows.left.map((farm) => (farm.version !== undefined || isListening(farm) ? farm : { ...farm, version }));
  return left.every((farm, i) => farm === rows.left[i]) ? rows : { ...rows, left };
}

/** @param before the farm as it is in the draft; undefined: it is not there, or names other lists. */
function writeServers(draft: ConfigBank, rows: RowsOfFarm, now: Farm, before: Farm | undefined, rowOf: RowOf): void {
  const known = before?.servers ?? [];
  const count = now.servers === known ? 0 : Math.max(now.servers.length, known.length);
  for (let index = 0; index < count; index++) {
    const [server, row] = [now.servers[index], rows.servers[index]];
    // A row that was not in use may hold anything.
    if (row !== undefined && (index >= known.length || server !== known[index])) writeServer(draft, row, server, rowOf);
  }
  if (rows.emergency !== 0) writeServer(draft, rows.emergency, now.emergency, rowOf);
  if (rows.abuse !== 0) writeServer(draft, rows.abuse, now.abuse, rowOf);
}

function writeServer({ servers }: ConfigBank, row: number, server: ServerConfig | undefined, rowOf: RowOf): void {
  const written = server ?? UNSET_SERVER;
  const { endpoint, max, hard, weight, prio, acl } = written;
  const at = row * ENDPOINT_SIZE;
  if (isUsed(written)) writeEndpoint(endpoint, servers.endpoint, at);
  else servers.endpoint.fill(0, at, at + ENDPOINT_SIZE);
  servers.max[row] = max;
  servers.hard[row] = hard;
  servers.weight[row] = weight;
  servers.prio[row] = prio;
  servers.acl[row] = rowOf(acl, 'server');
}
