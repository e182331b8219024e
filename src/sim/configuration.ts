/** The tables of a simulated process, as control would have set them up, and changes to them. */
import { ENDPOINT_SIZE, KIND_IPV4, KIND_UNIX, writeEndpoint } from '../base/endpoint.ts';
import type { Prng } from '../base/prng.ts';
import type { AclEntry } from '../config/model.ts';
import { compileLists, rowsOfLists, writeLists } from '../control/access-lists.ts';
import type { CompiledList } from '../control/compiled-list.ts';
import { writeMembers } from '../table/members.ts';
import { beginPublish, commitPublish, registerWorker } from '../table/publish.ts';
import { ACL_NONE, FARM_F_DUMMY, FARM_F_PEEK, FARM_F_STUBBORN } from '../table/schema.ts';
import { createTables, openTables, type ConfigBank, type Tables } from '../table/tables.ts';
import type { AclEntry as PolicyEntry, Policy } from './policy.ts';
import type { SimServer } from './server.ts';
import type { SeedSettings } from './settings.ts';
import { Tuning } from './tuning.ts';

/** Rows of servers are 1 .. n; row 0 is "none". */
export const SERVER_ROW_FIRST = 1;
export const WORKER = 0;
const SERVER_PORT_FIRST = 2000;
const UNIX_KEY_FIRST = 0x1_0000;

/** Network key of a server's address; every third server listens on a unix socket. */
export function serverKey(index: number): number {
  return isUnixServer(index) ? UNIX_KEY_FIRST + SERVER_PORT_FIRST + index : SERVER_PORT_FIRST + index;
}

export function isUnixServer(index: number): boolean {
  return index % 3 === 2;
}

/** Servers in all: the farm's own, and behind them the emergency and the abuse server. */
export function serverCount(settings: SeedSettings): number {
  return settings.servers + Number(settings.hasEmergency) + Number(settings.policy.hasAbuse);
}

/** Index of the abuse server, if there is one: the last. */
function abuseIndex(settings: SeedSettings): number {
  return settings.policy.hasAbuse ? serverCount(settings) - 1 : -1;
}

/** Says of a server whom it serves. */
export function giveRole(server: SimServer, settings: SeedSettings): void {
  server.isAbuse = server.index === abuseIndex(settings);
  server.isEmergency = server.index >= settings.servers && !server.isAbuse;
  server.farm = server.index % settings.farms;
}

/** Makes tables with farms, their servers between each other, and their listeners, and publishes them. */
export function configure(settings: SeedSettings, listenerFds: readonly number[]): Tables {
  const tables = openTables(createTables());
  const lists = listsOf(settings.policy);
  const draft = beginPublish(tables, {
    farms: settings.farms,
    members: settings.servers,
    servers: SERVER_ROW_FIRST + serverCount(settings),
    listeners: listenerFds.length,
    settings: 1,
    ...rowsOfLists(lists),
  });
  if (draft === undefined) throw new Error('the first publish is not held up');
  draft.settings.idlers[0] = settings.idlers;
  writeFarms(draft, settings);
  writePolicy(draft, settings);
  writeLists(draft, lists);
  writeTuning(draft, new Tuning(settings), settings);
  for (let i = 0; i < serverCount(settings); i++) writeServer(draft.servers.endpoint, i);
  for (const [index, fd] of listenerFds.entries()) {
    draft.listeners.fd[index] = fd;
    draft.listeners.farm[index] = index % settings.farms;
  }
  draft.settings.listenerCount[0] = listenerFds.length;
  draft.settings.tcpNoDelay[0] = 1;
  draft.settings.descriptorMax[0] = settings.descriptorMax;
  commitPublish(tables);
  if (settings.workers > 1) return tables;
  tables.workers.slotFirst[WORKER] = 0;
  tables.workers.slotEnd[WORKER] = settings.slotCount;
  registerWorker(tables, WORKER);
  return tables;
}

function writeFarms(draft: ConfigBank, settings: SeedSettings): void {
  const { farms } = draft;
  let position = 0;
  for (let farm = 0; farm < settings.farms; farm++) {
    farms.flags[farm] =
      settings.policy.flags |
      (settings.isStubborn ? FARM_F_STUBBORN : 0) |
      (settings.isPeeking ? FARM_F_PEEK : 0) |
      (settings.isDummy ? FARM_F_DUMMY : 0);
    const rows: number[] = [];
    for (let index = farm; index < settings.servers; index += settings.farms) rows.push(SERVER_ROW_FIRST + index);
    position = writeMembers(draft, farm, position, rows);
    if (settings.hasEmergency) farms.emergencyServer[farm] = SERVER_ROW_FIRST + settings.servers;
    if (settings.policy.hasAbuse) farms.abuseServer[farm] = SERVER_ROW_FIRST + abuseIndex(settings);
    farms.fastclose[farm] = settings.fastclose;
  }
}

function writePolicy(draft: ConfigBank, settings: SeedSettings): void {
  const { farms } = draft;
  const { policy } = settings;
  farms.trackingMs.fill(policy.trackingMs);
  farms.clientsMax.fill(policy.clientsMax);
  farms.clientPrefix.fill(policy.clientPrefix);
  farms.clientAcl.fill(policy.clientAcl);
  draft.settings.trustedAcl[0] = policy.trustedAcl < 0 ? ACL_NONE : policy.trustedAcl;
  for (let i = 0; i < serverCount(settings); i++) {
    const row = SERVER_ROW_FIRST + i;
    draft.servers.weight[row] = policy.weight[i];
    draft.servers.prio[row] = policy.prio[i];
    draft.servers.hard[row] = policy.hard[i];
    draft.servers.acl[row] = policy.acl[i];
  }
}

/** The lists of the policy, made as a person's are. */
function listsOf({ lists }: Policy): readonly CompiledList[] {
  return compileLists({ acls: lists.map((list) => list.map(entryOf)), namedAcls: new Map() }, undefined);
}

function entryOf({ isDenied, ip, bits }: PolicyEntry): AclEntry {
  const permits = !isDenied;
  const view = new DataView(ip.buffer, ip.byteOffset);
  const isIpv4 = view.getUint32(0) === 0 && view.getUint32(4) === 0 && view.getUint32(8) === 0xffff;
  if (isIpv4) {
    const mask = bits === 96 ? 0 : (-1 << (128 - bits)) >>> 0;
    return { permits, kind: 4, address: (view.getUint32(12) & mask) >>> 0, mask };
  }
  const parts = Array.from({ length: 8 }, (_, part) => {
    const left = Math.min(16, Math.max(0, bits - part * 16));
    return view.getUint16(part * 2) & (0xffff << (16 - left)) & 0xffff;
  });
  return { permits, kind: 6, address: parts, prefix: bits };
}

function writeServer(endpoints: Uint8Array, index: number): void {
  const at = (SERVER_ROW_FIRST + index) * ENDPOINT_SIZE;
  if (isUnixServer(index))
    writeEndpoint({ kind: KIND_UNIX, path: `/run/server.${SERVER_PORT_FIRST + index}` }, endpoints, at);
  else
    writeEndpoint({ kind: KIND_IPV4, ip: Uint8Array.of(10, 0, 0, 1), port: SERVER_PORT_FIRST + index }, endpoints, at);
}

/** Puts a server into the configuration or takes it out. @returns false when the worker has not yet moved on. */
export function publishServer(tables: Tables, index: number, isConfigured: boolean): boolean {
  const draft = beginPublish(tables, {});
  if (draft === undefined) return false;
  const at = (SERVER_ROW_FIRST + index) * ENDPOINT_SIZE;
  if (isConfigured) writeServer(draft.servers.endpoint, index);
  else draft.servers.endpoint.fill(0, at, at + ENDPOINT_SIZE);
  commitPublish(tables);
  return true;
}

function writeTuning(draft: ConfigBank, tuning: Tuning, settings: SeedSettings): void {
  draft.farms.blacklistMs.fill(tuning.blacklistMs);
  draft.farms.connectTimeoutMs.fill(tuning.connectTimeoutMs);
  draft.farms.idleTimeoutMs.fill(tuning.idleTimeoutMs);
  draft.farms.halfClosedTimeoutMs.fill(tuning.halfClosedTimeoutMs);
  draft.settings.connMax[0] = tuning.connMax;
  draft.settings.pendingMax[0] = tuning.pendingMax;
  draft.settings.acceptBatch[0] = tuning.acceptBatch;
  draft.settings.sourceMax[0] = tuning.sourceMax;
  draft.settings.parkedMax[0] = tuning.parkedMax;
  for (let i = 0; i < serverCount(settings); i++) draft.servers.max[SERVER_ROW_FIRST + i] = tuning.serverMax[i];
}

/** Publishes other deadlines and limits. @returns false, with nothing drawn, when the worker has not yet moved on. */
export function publishTuning(
  tables: Tables,
  tuning: Tuning,
  settings: SeedSettings,
  prng: Prng,
  nowUs: number,
): boolean {
  const draft = beginPublish(tables, {});
  if (draft === undefined) return false;
  tuning.redraw(prng, settings, nowUs);
  writeTuning(draft, tuning, settings);
  commitPublish(tables);
  return true;
}

/** Publishes the configuration again without a change. */
export function publishSame(tables: Tables): boolean {
  if (beginPublish(tables, {}) === undefined) return false;
  commitPublish(tables);
  return true;
}
