/**
 * Writes a configuration into the idle bank of the tables and puts it in force.
 *
 * @owner main thread.
 */
import type { Fd } from '../base/brand.ts';
import { ENDPOINT_SIZE, KIND_UNIX, writeEndpoint, type Endpoint } from '../base/endpoint.ts';
import {
  limitsOf,
  UNSET_SERVER,
  type Configuration,
  type Fastclose,
  type ServerConfig,
  type Settings,
} from '../config/model.ts';
import { beginPublish, commitPublish } from '../table/publish.ts';
import {
  ACL_NONE,
  FARM_F_HASH,
  FARM_F_HASH_ORIGINAL,
  FARM_F_LEASTCONN,
  FARM_F_PRIO,
  FARM_F_ROUND_ROBIN,
  FARM_F_STUBBORN,
  FARM_F_WEIGHT,
  FASTCLOSE_BOTH,
  FASTCLOSE_DOWN,
  FASTCLOSE_OFF,
  FASTCLOSE_UP,
} from '../table/schema.ts';
import type { ConfigBank, Tables } from '../table/tables.ts';
import { countAclRows, writeAcls } from './acl-words.ts';

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
}

/** Limits that main has found out about the machine. */
export interface Limits {
  /** Descriptors that connections may use. */
  readonly descriptorMax: number;
}

/**
 * Publishes a configuration.
 *
 * @param previous the configuration that was published last, if any: what is the same object in both is not written
 * again.
 * @returns false when a worker still reads the bank that would be filled: try again after its next turn.
 * @errors ConfigError for access lists that do not fit.
 */
export function publish(
  tables: Tables,
  configuration: Configuration,
  listeners: readonly OpenListener[],
  limits: Limits,
  previous?: Configuration,
): boolean {
  const { servers, acls } = configuration;
  const aclRows = acls === previous?.acls ? undefined : countAclRows(acls);
  const draft = beginPublish(tables, {
    farms: 1,
    servers: FIRST_SERVER_ROW + servers.length,
    listeners: listeners.length,
    settings: 1,
    ...(aclRows !== undefined && { acls: acls.length, aclEntries: aclRows }),
  });
  if (!draft) return false;
  writeSettings(draft, configuration, listeners.length, limits);
  writeFarm(draft, configuration);
  writeListeners(draft, listeners);
  if (servers !== previous?.servers) writeServers(draft, servers, previous?.servers ?? []);
  writeServer(draft, EMERGENCY_ROW, configuration.emergency);
  writeServer(draft, ABUSE_ROW, configuration.abuse);
  if (aclRows !== undefined) writeAcls(draft, acls, previous?.acls);
  commitPublish(tables);
  return true;
}

function writeSettings(draft: ConfigBank, { settings }: Configuration, listenerCount: number, limits: Limits): void {
  const { connMax, sourceMax, parkedMax } = limitsOf(settings);
  draft.settings.connMax[0] = connMax;
  draft.settings.sourceMax[0] = sourceMax;
  draft.settings.parkedMax[0] = parkedMax;
  draft.settings.trustedAcl[0] = settings.trustedAcl === 'none' ? ACL_NONE : settings.trustedAcl;
  draft.settings.pendingMax[0] = settings.pendingMax;
  draft.settings.acceptBatch[0] = settings.acceptBatch;
  draft.settings.listenerCount[0] = listenerCount;
  draft.settings.tcpNoDelay[0] = Number(settings.tcpNodelay);
  draft.settings.keepAlive[0] = Number(settings.keepalive);
  draft.settings.descriptorMax[0] = limits.descriptorMax;
}

function writeFarm({ farms }: ConfigBank, { settings, servers, emergency, abuse }: Configuration): void {
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
  farms.clientAcl[0] = settings.clientAcl;
}

function flagsOf({ roundrobin, stubborn, prio, weight, hash, leastconn }: Settings): number {
  const hashFlags = { off: 0, spread: FARM_F_HASH, original: FARM_F_HASH | FARM_F_HASH_ORIGINAL };
  return (
    (roundrobin ? FARM_F_ROUND_ROBIN : 0) |
    (stubborn ? FARM_F_STUBBORN : 0) |
    (prio ? FARM_F_PRIO : 0) |
    (weight ? FARM_F_WEIGHT : 0) |
    (leastconn ? FARM_F_LEASTCONN : 0) |
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

function writeServers(draft: ConfigBank, servers: Configuration['servers'], before: Configuration['servers']): void {
  for (let index = 0; index < servers.length; index++) {
    if (servers[index] !== before[index]) writeServer(draft, FIRST_SERVER_ROW + index, servers[index]);
  }
}

function writeServer({ servers }: ConfigBank, row: number, server: ServerConfig | undefined): void {
  const { endpoint, max, hard, weight, prio, acl } = server ?? UNSET_SERVER;
  const at = row * ENDPOINT_SIZE;
  // An address that nobody can be reached at marks a row that is not used; 0.0.0.0 would be this very machine.
  if (isUnused(endpoint)) servers.endpoint.fill(0, at, at + ENDPOINT_SIZE);
  else writeEndpoint(endpoint, servers.endpoint, at);
  servers.max[row] = max;
  servers.hard[row] = hard;
  servers.weight[row] = weight;
  servers.prio[row] = prio;
  servers.acl[row] = acl;
}

function isUnused(endpoint: Endpoint): boolean {
  return endpoint.kind !== KIND_UNIX && (endpoint.port === 0 || endpoint.ip.every((byte) => byte === 0));
}
