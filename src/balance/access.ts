/** Access lists: whom a list permits. */
import { ENDPOINT_KIND, ipWord, isIpv4, KIND_UNIX } from '../base/endpoint.ts';
import { ACL_DENY, ACL_NO_VERDICT, ACL_NONE } from '../table/schema.ts';
import type { ConfigBank } from '../table/tables.ts';

/**
 * Whether the access list permits the peer: the first entry that matches decides. When none does, it is the opposite
 * of the last entry, of whatever kind that is; an empty list permits, and so does no list at all. Peers of a unix
 * socket are permitted unless an entry of their own denies them.
 *
 * @param acl row of `acls`, or ACL_NONE.
 * @param peers records of PEER_SIZE bytes; `at` where the peer's begins.
 * @cost  the logarithm of the number of ranges, and the masks with holes; allocates nothing.
 */
export function permits(config: ConfigBank, acl: number, peers: Uint8Array, at: number): boolean {
  if (acl === ACL_NONE) return true;
  const { acls } = config;
  if (peers[at + ENDPOINT_KIND] === KIND_UNIX) return acls.unix[acl] !== ACL_DENY;
  const verdict = isIpv4(peers, at)
    ? judgeIpv4(config, acl, ipWord(peers, at, 3) >>> 0)
    : judgeIpv6(config, acl, peers, at);
  return (verdict === ACL_NO_VERDICT ? acls.otherwise[acl] : verdict & 1) !== ACL_DENY;
}

function judgeIpv4(config: ConfigBank, acl: number, address: number): number {
  const { count4, first4, countMask, firstMask } = config.acls;
  const { start, verdict } = config.aclRanges4;
  let row = first4[acl];
  let count = count4[acl];
  const ranged = count > 0;
  while (count > 1) {
    const half = count >>> 1;
    if (start[row + half] <= address) row += half;
    count -= half;
  }
  const found = ranged ? verdict[row] : ACL_NO_VERDICT;
  return countMask[acl] === 0 ? found : Math.min(found, judgeByMasks(config, firstMask[acl], countMask[acl], address));
}

function judgeByMasks({ aclMasks }: ConfigBank, first: number, count: number, address: number): number {
  const { address: wanted, mask, verdict } = aclMasks;
  for (let row = first; row < first + count; row++) {
    if (((address & mask[row]) ^ wanted[row]) === 0) return verdict[row];
  }
  return ACL_NO_VERDICT;
}

function judgeIpv6(config: ConfigBank, acl: number, peers: Uint8Array, at: number): number {
  const { count6, first6 } = config.acls;
  const { start, verdict } = config.aclRanges6;
  let row = first6[acl];
  let count = count6[acl];
  if (count === 0) return ACL_NO_VERDICT;
  const word0 = ipWord(peers, at, 0) >>> 0;
  const word1 = ipWord(peers, at, 1) >>> 0;
  const word2 = ipWord(peers, at, 2) >>> 0;
  const word3 = ipWord(peers, at, 3) >>> 0;
  while (count > 1) {
    const half = count >>> 1;
    const middle = (row + half) * 4;
    // The first word in which they differ decides.
    let begins = start[middle] >>> 0;
    let address = word0;
    if (begins === address) {
      begins = start[middle + 1] >>> 0;
      address = word1;
      if (begins === address) {
        begins = start[middle + 2] >>> 0;
        address = word2;
        if (begins === address) {
          begins = start[middle + 3] >>> 0;
          address = word3;
        }
      }
    }
    if (begins <= address) row += half;
    count -= half;
  }
  return verdict[row];
}

/**
 * Whether the limit of connections per source does not bind the peer: it comes by a unix socket, or the list of
 * trusted sources permits it. An empty list trusts nobody.
 */
export function isTrusted(config: ConfigBank, peers: Uint8Array, at: number): boolean {
  if (peers[at + ENDPOINT_KIND] === KIND_UNIX) return true;
  const acl = config.settings.trustedAcl[0];
  return acl !== ACL_NONE && config.acls.count[acl] > 0 && permits(config, acl, peers, at);
}
