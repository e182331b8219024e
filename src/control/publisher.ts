/**
 * Writes a configuration into the idle bank of the tables and puts it in force.
 *
 * @owner main thread.
 */
import type { Fd } from '../base/brand.ts';
import type { Countries } from '../base/countries.ts';
import { ENDPOINT_SIZE, PEER_SIZE, writeEndpoint, type Endpoint } from '../base/endpoint.ts';
import {
  isUsed,
  limitsOf,
  UNSET_SERVER,
  type Configuration,
  type Fastclose,
  type ServerConfig,
  type Settings,
} from '../config/model.ts';
import { shared } from '../config/parts.ts';
import { DUMP_DEBUG } from '../table/dumps.ts';
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

/** Server rows of the one farm: emergency, abuse, then the regular servers from here on. */
export const EMERGENCY_ROW = 1;
export const ABUSE_ROW = 2;
export const FIRST_SERVER_ROW = 3;

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

/** The access lists that are in force. */
const liveLists = new WeakMap<Tables, readonly CompiledList[]>();

/**
 * Publishes a configuration.
 *
 * @param previous the configuration that was published last, if any: what is the same object in both is not written
 * again.
 * @returns false when a worker still reads the bank that would be filled: try again after its next turn.
 * @errors ConfigError for access lists that do not fit, or do not exist.
 */
export function publish(
  tables: Tables,
  configuration: Configuration,
  listeners: readonly OpenListener[],
  limits: Limits,
  previous?: Configuration,
): boolean {
  const { servers } = configuration;
  const rowOf = rowFinder(configuration, previous);
  checkNames(configuration, rowOf);
  const lists = compileLists(configuration, limits.countries, previous);
  const draft = beginPublish(tables, {
    farms: 1,
    servers: FIRST_SERVER_ROW + servers.length,
    listeners: listeners.length,
    settings: 1,
    ...rowsOfLists(lists),
  });
  if (!draft) return false;
  writeSettings(draft, configuration, listeners.length, limits, rowOf);
  writeFarm(draft, configuration, rowOf);
  writeListeners(draft, listeners);
  const before = previous && hasSameRows(configuration, previous) ? previous.servers : [];
  if (servers !== before) writeServers(draft, servers, before, rowOf);
  writeServer(draft, EMERGENCY_ROW, configuration.emergency, rowOf);
  writeServer(draft, ABUSE_ROW, configuration.abuse, rowOf);
  writeLists(draft, lists, liveLists.get(tables));
  commitPublish(tables);
  liveLists.set(tables, lists);
  return true;
}

/** Rows of servers that stand for another address than before, or for their first one. */
export function movedServers(configuration: Configuration, previous: Configuration): number[] {
  const addresses = ({ emergency, abuse, servers }: Configuration): readonly (Endpoint | undefined)[] =>
    [emergency, abuse, ...servers].map((server) => server?.endpoint);
  const before = addresses(previous);
  const now = configuration === previous ? before : addresses(configuration);
  // The emergency and the abuse server have the rows in front of the others.
  return now.flatMap((endpoint, index) =>
    endpoint === before[index] || shared(before[index], endpoint) === before[index] ? [] : [EMERGENCY_ROW + index],
  );
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

function writeFarm({ farms }: ConfigBank, { settings, servers, emergency, abuse }: Configuration, rowOf: RowOf): void {
  farms.flags[0] = flagsOf(settings);
  farms.serverFirst[0] = FIRST_SERVER_ROW;
  farms.serverCount[0] = servers.length;
  farms.emergencyServer[0] = emergency ? EMERGENCY_ROW : 0;
  farms.abuseServer[0] = abuse ? ABUSE_ROW : 0;
  farms.blacklistMs[0] = settings.blacklist * 1000;
  farms.connectTimeoutMs[0] = settings.timeout * 1000;
  farms.idleTimeoutMs[0] = settings.idleTimeout * 1000;
  farms.halfClosedTimeoutMs[0] = settings.halfClosedTimeout * 1000;
  farms.fastclose[0] = FASTCLOSE[settings.tcpFastclose];
  farms.trackingMs[0] = settings.tracking * 1000;
  farms.clientsMax[0] = limitsOf(settings).clientsMax;
  farms.clientPrefix[0] = settings.clientPrefix;
  farms.clientAcl[0] = rowOf(settings.clientAcl, 'client_acl');
}

function flagsOf({ roundrobin, stubborn, prio, weight, hash, leastconn, peek, dummy }: Settings): number {
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

function writeListeners(draft: ConfigBank, listeners: readonly OpenListener[]): void {
  listeners.forEach(({ fd, endpoint }, row) => {
    draft.listeners.fd[row] = fd;
    draft.listeners.farm[row] = 0;
    draft.listeners.endpoint.set(endpoint, row * ENDPOINT_SIZE);
  });
}

function writeServers(
  draft: ConfigBank,
  servers: Configuration['servers'],
  before: Configuration['servers'],
  rowOf: RowOf,
): void {
  for (let index = 0; index < servers.length; index++) {
    if (servers[index] !== before[index]) writeServer(draft, FIRST_SERVER_ROW + index, servers[index], rowOf);
  }
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
