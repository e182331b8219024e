/**
 * The server that a client's address stands for: the same one for equal lists of servers, on every machine and in
 * every run. So two balancers side by side send a client to the same server without talking.
 *
 * Changing what is computed here moves nearly every client of everybody who uses it: do not.
 */
import { ENDPOINT_IP, ENDPOINT_KIND, ipWord, isIpv4, KIND_UNIX, portOf } from '../base/endpoint.ts';
import { mix } from '../base/prng.ts';
import { memberAt } from '../table/members.ts';
import { FARM_F_HASH_ORIGINAL, FARM_F_ROUND_ROBIN } from '../table/schema.ts';
import type { ConfigBank } from '../table/tables.ts';
import { isServerSet, NO_SERVER } from './servers.ts';

/**
 * The farm's server for the peer. Whether it is up is not looked at, so that clients of other servers stay where they
 * are when one fails.
 *
 * @param peers records of PEER_SIZE bytes; `at` where the peer's begins.
 * @returns a row; NO_SERVER when the farm has no server.
 * @cost O(servers), about 3 ns each; the original formula O(1).
 */
export function chooseByHash(config: ConfigBank, farm: number, peers: Uint8Array, at: number): number {
  const flags = config.farms.flags[farm];
  const withPort = (flags & FARM_F_ROUND_ROBIN) !== 0;
  const count = config.farms.serverCount[farm];
  if (count === 0) return NO_SERVER;
  if ((flags & FARM_F_HASH_ORIGINAL) !== 0) return memberAt(config, farm, hashOriginal(peers, at, withPort) % count);
  return rendezvous(
    config,
    config.farms.serverFirst[farm],
    count,
    hashPeer(peers, at, config.farms.clientPrefix[farm], withPort),
  );
}

/**
 * Highest random weight: each server draws a number from the client's hash and its own index, the highest wins. A
 * server that goes takes only its own clients with it, one that comes takes its share from all.
 *
 * @source Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998
 */
function rendezvous(config: ConfigBank, first: number, count: number, hash: number): number {
  const members = config.members.server;
  let best = NO_SERVER;
  let highest = -1;
  for (let index = 0; index < count; index++) {
    const server = members[first + index];
    if (!isServerSet(config, server)) continue;
    const drawn = mix(hash ^ Math.imul(index + 1, GOLDEN)) >>> 0;
    if (drawn > highest) {
      highest = drawn;
      best = server;
    }
  }
  return best;
}

/** 2^32 divided by the golden ratio: multiples of it lie far apart. */
const GOLDEN = 0x9e37_79b1;

/** All bits of the address that tell clients apart, and the port if wanted, in 32 bits. Unix peers are all one. */
function hashPeer(peers: Uint8Array, at: number, prefix: number, withPort: boolean): number {
  if (peers[at + ENDPOINT_KIND] === KIND_UNIX) return 0;
  const isPrefix = prefix <= 64 && !isIpv4(peers, at);
  let hash = mix(ipWord(peers, at, 0) ^ GOLDEN);
  hash = mix(hash ^ ipWord(peers, at, 1));
  hash = mix(hash ^ (isPrefix ? 0 : ipWord(peers, at, 2)));
  hash = mix(hash ^ (isPrefix ? 0 : ipWord(peers, at, 3)));
  return withPort ? mix(hash ^ portOf(peers, at)) : hash;
}

/**
 * The formula of the original on the machines it mostly runs on: the IPv4 address, and the port, as little-endian
 * machines read them from the network; of an IPv6 address the last byte. u32.
 */
function hashOriginal(peers: Uint8Array, at: number, withPort: boolean): number {
  if (peers[at + ENDPOINT_KIND] === KIND_UNIX) return 0;
  const ip = at + ENDPOINT_IP;
  if (!isIpv4(peers, at)) return peers[ip + 15];
  const address = peers[ip + 12] | (peers[ip + 13] << 8) | (peers[ip + 14] << 16) | (peers[ip + 15] << 24);
  if (!withPort) return address >>> 0;
  const port = portOf(peers, at);
  return (address ^ ((port >>> 8) | ((port & 255) << 8))) >>> 0;
}
