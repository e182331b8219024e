/** The tables of a simulated process, as control would have set them up, and changes to them. */
import { ENDPOINT_SIZE, KIND_IPV4, KIND_UNIX, writeEndpoint } from '../base/endpoint.ts';
import type { Prng } from '../base/prng.ts';
import { beginPublish, commitPublish, registerWorker } from '../table/publish.ts';
import { ACL_DENY, ACL_NONE, ACL_PERMIT, FARM_F_STUBBORN } from '../table/schema.ts';
import { createTables, openTables, type ConfigBank, type Tables } from '../table/tables.ts';
import type { Policy } from './policy.ts';
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
export function abuseIndex(settings: SeedSettings): number {
  return settings.policy.hasAbuse ? serverCount(settings) - 1 : -1;
}

/** Makes tables with one farm, its servers and listeners, and publishes them. */
export function configure(settings: SeedSettings, listenerFds: readonly number[]): Tables {
  const tables = openTables(createTables());
  const draft = beginPublish(tables, {
    farms: 1,
    servers: SERVER_ROW_FIRST + serverCount(settings),
    listeners: listenerFds.length,
    settings: 1,
    acls: settings.policy.lists.length,
    aclEntries: settings.policy.lists.flat().length,
  });
  if (draft === undefined) throw new Error('the first publish is not held up');
  draft.farms.flags[0] = settings.policy.flags | (settings.isStubborn ? FARM_F_STUBBORN : 0);
  draft.farms.serverFirst[0] = SERVER_ROW_FIRST;
  draft.farms.serverCount[0] = settings.servers;
  if (settings.hasEmergency) draft.farms.emergencyServer[0] = SERVER_ROW_FIRST + settings.servers;
  if (settings.policy.hasAbuse) draft.farms.abuseServer[0] = SERVER_ROW_FIRST + abuseIndex(settings);
  draft.farms.fastclose[0] = settings.fastclose;
  writePolicy(draft, settings.policy, serverCount(settings));
  writeTuning(draft, new Tuning(settings), serverCount(settings));
  for (let i = 0; i < serverCount(settings); i++) writeServer(draft.servers.endpoint, i);
  for (const [index, fd] of listenerFds.entries()) {
    draft.listeners.fd[index] = fd;
    draft.listeners.farm[index] = 0;
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

function writePolicy(draft: ConfigBank, policy: Policy, servers: number): void {
  const { farms } = draft;
  farms.trackingMs[0] = policy.trackingMs;
  farms.clientsMax[0] = policy.clientsMax;
  farms.clientPrefix[0] = policy.clientPrefix;
  farms.clientAcl[0] = policy.clientAcl;
  draft.settings.trustedAcl[0] = policy.trustedAcl < 0 ? ACL_NONE : policy.trustedAcl;
  for (let i = 0; i < servers; i++) {
    const row = SERVER_ROW_FIRST + i;
    draft.servers.weight[row] = policy.weight[i];
    draft.servers.prio[row] = policy.prio[i];
    draft.servers.hard[row] = policy.hard[i];
    draft.servers.acl[row] = policy.acl[i];
  }
  writeLists(draft, policy);
}

function writeLists({ acls, aclEntries }: ConfigBank, { lists }: Policy): void {
  const { address0, address1, address2, address3, mask0, mask1, mask2, mask3 } = aclEntries;
  let entry = 0;
  for (const [acl, list] of lists.entries()) {
    acls.first[acl] = entry;
    acls.count[acl] = list.length;
    const isDenied = list.length === 0 || list[list.length - 1].isDenied;
    acls.otherwise[acl] = isDenied ? ACL_PERMIT : ACL_DENY;
    for (const one of list) {
      aclEntries.action[entry] = one.isDenied ? ACL_DENY : ACL_PERMIT;
      for (const [word, mask] of [mask0, mask1, mask2, mask3].entries()) {
        const bits = Math.min(32, Math.max(0, one.bits - word * 32));
        mask[entry] = bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0;
      }
      for (const [word, address] of [address0, address1, address2, address3].entries()) {
        const value = new DataView(one.ip.buffer, one.ip.byteOffset).getUint32(word * 4);
        address[entry] = value & [mask0, mask1, mask2, mask3][word][entry];
      }
      entry++;
    }
  }
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

function writeTuning(draft: ConfigBank, tuning: Tuning, servers: number): void {
  draft.farms.blacklistMs[0] = tuning.blacklistMs;
  draft.farms.connectTimeoutMs[0] = tuning.connectTimeoutMs;
  draft.farms.idleTimeoutMs[0] = tuning.idleTimeoutMs;
  draft.farms.halfClosedTimeoutMs[0] = tuning.halfClosedTimeoutMs;
  draft.settings.connMax[0] = tuning.connMax;
  draft.settings.pendingMax[0] = tuning.pendingMax;
  draft.settings.acceptBatch[0] = tuning.acceptBatch;
  draft.settings.sourceMax[0] = tuning.sourceMax;
  draft.settings.parkedMax[0] = tuning.parkedMax;
  for (let i = 0; i < servers; i++) draft.servers.max[SERVER_ROW_FIRST + i] = tuning.serverMax[i];
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
  writeTuning(draft, tuning, serverCount(settings));
  commitPublish(tables);
  return true;
}

/** Publishes the configuration again without a change. */
export function publishSame(tables: Tables): boolean {
  if (beginPublish(tables, {}) === undefined) return false;
  commitPublish(tables);
  return true;
}
