/** How a seed's farm chooses servers and whom it lets in: rules, weights, memory, access lists, limits per source. */
import {
  ENDPOINT_IP,
  ENDPOINT_KIND,
  ENDPOINT_PORT,
  KIND_IPV4,
  KIND_IPV6,
  KIND_UNIX,
  PEER_SIZE,
} from '../base/endpoint.ts';
import type { Prng } from '../base/prng.ts';
import {
  FARM_F_HASH,
  FARM_F_HASH_ORIGINAL,
  FARM_F_LEASTCONN,
  FARM_F_PRIO,
  FARM_F_ROUND_ROBIN,
  FARM_F_WEIGHT,
} from '../table/schema.ts';

export interface AclEntry {
  readonly isDenied: boolean;
  /** 16 bytes, and how many of their bits count. */
  readonly ip: Uint8Array;
  readonly bits: number;
}

export interface Policy {
  /** FARM_F_*, but for stubborn. */
  readonly flags: number;
  /** By server: the farm's own, then the emergency and the abuse server. */
  readonly weight: readonly number[];
  readonly prio: readonly number[];
  readonly hard: readonly number[];
  readonly acl: readonly number[];
  readonly trackingMs: number;
  readonly clientsMax: number;
  readonly clientPrefix: number;
  /** Addresses that clients come from. */
  readonly addresses: number;
  readonly lists: readonly (readonly AclEntry[])[];
  readonly clientAcl: number;
  /** -1 for none. */
  readonly trustedAcl: number;
  readonly hasAbuse: boolean;
  /** Places of a source, 0 for no limit; a seed without a limit never gets one. */
  readonly sourceMax: number;
  readonly parkedMax: number;
}

const LISTS = 4;

/** Draws a policy for `servers` servers of all sorts. */
export function drawPolicy(prng: Prng, servers: number, hasLimits: boolean): Policy {
  const addresses = prng.chance(1, 3) ? prng.between(1, 6) : prng.between(6, 250);
  const isStrict = prng.chance(1, 4);
  const hasSources = prng.chance(1, 4);
  const perServer = (draw: () => number): number[] => Array.from({ length: servers }, draw);
  return {
    flags: drawFlags(prng),
    weight: perServer(() => (prng.chance(1, 10) ? 0 : prng.between(1, 5))),
    prio: perServer(() => prng.below(4) - 1),
    hard: perServer(() => (hasLimits && prng.chance(3, 4) ? prng.between(1, 80) : 0)),
    acl: perServer(() => (isStrict && prng.chance(1, 3) ? 2 : 0)),
    trackingMs: prng.chance(1, 2) ? 0 : prng.between(1, 5000),
    clientsMax: prng.chance(1, 4) ? prng.below(12) : 1000,
    clientPrefix: prng.chance(1, 3) ? 64 : 128,
    addresses,
    lists: Array.from({ length: LISTS }, (_, list) =>
      drawList(prng, addresses, isStrict || (hasSources && list === 3)),
    ),
    clientAcl: prng.chance(1, 2) ? 1 : 0,
    trustedAcl: hasSources && prng.chance(1, 3) ? 3 : -1,
    hasAbuse: isStrict && prng.chance(1, 2),
    sourceMax: hasSources ? drawSourceMax(prng) : 0,
    parkedMax: hasSources ? prng.between(0, 60) : 0,
  };
}

export function drawSourceMax(prng: Prng): number {
  return prng.between(1, 12);
}

function drawFlags(prng: Prng): number {
  let flags = prng.chance(1, 2) ? FARM_F_ROUND_ROBIN : 0;
  if (prng.chance(1, 8)) flags |= FARM_F_PRIO;
  if (prng.chance(1, 6)) flags |= FARM_F_LEASTCONN;
  if (prng.chance(1, 6)) flags |= FARM_F_WEIGHT;
  if (prng.chance(1, 5)) flags |= prng.chance(1, 3) ? FARM_F_HASH | FARM_F_HASH_ORIGINAL : FARM_F_HASH;
  return flags;
}

/** Few entries, and mostly such as deny: whom a list with a last `permit` does not name is denied by it. */
function drawList(prng: Prng, addresses: number, isFilled: boolean): AclEntry[] {
  if (!isFilled || prng.chance(1, 3)) return [];
  const record = new Uint8Array(PEER_SIZE);
  return Array.from({ length: prng.between(1, 3) }, () => {
    writePeerAddress(record, prng.below(addresses), 0);
    const bits = prng.chance(3, 4) ? 128 : prng.between(96, 128);
    return { isDenied: prng.chance(7, 8), ip: record.slice(ENDPOINT_IP, ENDPOINT_IP + 16), bits };
  });
}

/** What the list says of an address: written as a person would read the list, not as the tables hold it. */
export function judgeList(list: readonly AclEntry[], peer: Uint8Array): boolean {
  if (peer[ENDPOINT_KIND] === KIND_UNIX) return true;
  const entry = list.find(({ ip, bits }) => {
    for (let bit = 0; bit < bits; bit++) {
      const mask = 128 >>> (bit & 7);
      if ((peer[ENDPOINT_IP + (bit >> 3)] & mask) !== (ip[bit >> 3] & mask)) return false;
    }
    return true;
  });
  if (entry !== undefined) return !entry.isDenied;
  return list.length === 0 || list[list.length - 1].isDenied;
}

/** Of six addresses three are IPv4, two IPv6 in one /64, and the last stands for all unix clients. */
export function writePeerAddress(peer: Uint8Array, address: number, port: number): void {
  const group = Math.floor(address / 6);
  const member = address % 6;
  peer.fill(0, 0, PEER_SIZE);
  peer[ENDPOINT_KIND] = member < 3 ? KIND_IPV4 : member < 5 ? KIND_IPV6 : KIND_UNIX;
  if (member === 5) return;
  peer[ENDPOINT_PORT] = (port >>> 8) & 255;
  peer[ENDPOINT_PORT + 1] = port & 255;
  if (member < 3) peer.set([255, 255, 192, 0, group, member], ENDPOINT_IP + 10);
  else peer.set([0x20, 1, 0xd, 0xb8, 0, 0, 0, group, 0, 0, 0, 0, 0, 0, 0, member], ENDPOINT_IP);
}

/** Addresses with the same key are one client and one source. */
export function clientKey(address: number, prefix: number): number {
  const member = address % 6;
  if (member === 5) return 5;
  return member === 4 && prefix <= 64 ? address - 1 : address;
}
