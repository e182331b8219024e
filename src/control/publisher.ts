/**
 * Writes a configuration into the idle bank of the tables and puts it in force.
 *
 * @owner main thread.
 */
import type { Fd } from '../base/brand.ts';
import { ENDPOINT_SIZE, KIND_UNIX, writeEndpoint, type Endpoint } from '../base/endpoint.ts';
import type { Configuration, Fastclose, ServerConfig } from '../config/model.ts';
import { beginPublish, commitPublish } from '../table/publish.ts';
import {
  FARM_F_ROUND_ROBIN,
  FARM_F_STUBBORN,
  FASTCLOSE_BOTH,
  FASTCLOSE_DOWN,
  FASTCLOSE_OFF,
  FASTCLOSE_UP,
} from '../table/schema.ts';
import type { ConfigBank, Tables } from '../table/tables.ts';

/** Server rows of the one farm: emergency, abuse, then the regular servers from here on. */
const EMERGENCY_ROW = 1;
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
 * @returns false when a worker still reads the bank that would be filled: try again after its next turn.
 */
export function publish(
  tables: Tables,
  configuration: Configuration,
  listeners: readonly OpenListener[],
  limits: Limits,
): boolean {
  const rows = {
    farms: 1,
    servers: FIRST_SERVER_ROW + configuration.servers.length,
    listeners: listeners.length,
    settings: 1,
  };
  const draft = beginPublish(tables, rows);
  if (!draft) return false;
  writeSettings(draft, configuration, listeners.length, limits);
  writeFarm(draft, configuration);
  writeListeners(draft, listeners);
  configuration.servers.forEach((server, index) => writeServer(draft, FIRST_SERVER_ROW + index, server));
  if (configuration.emergency) writeServer(draft, EMERGENCY_ROW, configuration.emergency);
  commitPublish(tables);
  return true;
}

function writeSettings(draft: ConfigBank, { settings }: Configuration, listenerCount: number, limits: Limits): void {
  draft.settings.connMax[0] = settings.connMax;
  draft.settings.pendingMax[0] = settings.pendingMax;
  draft.settings.acceptBatch[0] = settings.acceptBatch;
  draft.settings.listenerCount[0] = listenerCount;
  draft.settings.tcpNoDelay[0] = Number(settings.tcpNodelay);
  draft.settings.keepAlive[0] = Number(settings.keepalive);
  draft.settings.descriptorMax[0] = limits.descriptorMax;
}

function writeFarm(draft: ConfigBank, { settings, servers, emergency }: Configuration): void {
  draft.farms.flags[0] = (settings.roundrobin ? FARM_F_ROUND_ROBIN : 0) | (settings.stubborn ? FARM_F_STUBBORN : 0);
  draft.farms.serverFirst[0] = FIRST_SERVER_ROW;
  draft.farms.serverCount[0] = servers.length;
  draft.farms.emergencyServer[0] = emergency ? EMERGENCY_ROW : 0;
  draft.farms.abuseServer[0] = 0;
  draft.farms.blacklistMs[0] = settings.blacklist * 1000;
  draft.farms.connectTimeoutMs[0] = settings.timeout * 1000;
  draft.farms.idleTimeoutMs[0] = settings.idleTimeout * 1000;
  draft.farms.halfClosedTimeoutMs[0] = settings.halfClosedTimeout * 1000;
  draft.farms.fastclose[0] = FASTCLOSE[settings.tcpFastclose];
}

function writeListeners(draft: ConfigBank, listeners: readonly OpenListener[]): void {
  listeners.forEach(({ fd, endpoint }, row) => {
    draft.listeners.fd[row] = fd;
    draft.listeners.farm[row] = 0;
    draft.listeners.endpoint.set(endpoint, row * ENDPOINT_SIZE);
  });
}

function writeServer(draft: ConfigBank, row: number, server: ServerConfig): void {
  const at = row * ENDPOINT_SIZE;
  // The unspecified address marks a slot that is not used; connecting to it would reach this very machine.
  if (isUnspecified(server.endpoint)) draft.servers.endpoint.fill(0, at, at + ENDPOINT_SIZE);
  else writeEndpoint(server.endpoint, draft.servers.endpoint, at);
  draft.servers.max[row] = server.max;
  draft.servers.hard[row] = server.hard;
  draft.servers.weight[row] = server.weight;
  draft.servers.prio[row] = server.prio;
}

function isUnspecified(endpoint: Endpoint): boolean {
  return endpoint.kind !== KIND_UNIX && endpoint.ip.every((byte) => byte === 0);
}
