/** Access lists: whom a list permits. */
import { ENDPOINT_KIND, ipWord, KIND_UNIX } from '../base/endpoint.ts';
import { ACL_DENY, ACL_NONE } from '../table/schema.ts';
import type { ConfigBank } from '../table/tables.ts';

/**
 * Whether the access list permits the peer: the first entry that matches decides. When none does, it is the opposite
 * of the last entry, of whatever kind that is; an empty list permits, and so does no list at all. Peers of a unix
 * socket are always permitted.
 *
 * @param acl row of `acls`, or ACL_NONE.
 * @param peers records of PEER_SIZE bytes; `at` where the peer's begins.
 * @cost  O(entries) at worst; allocates nothing.
 */
export function permits(config: ConfigBank, acl: number, peers: Uint8Array, at: number): boolean {
  const { acls } = config;
  if (acl === ACL_NONE || acls.count[acl] === 0 || peers[at + ENDPOINT_KIND] === KIND_UNIX) return true;
  const { action, address0, address1, address2, address3, mask0, mask1, mask2, mask3 } = config.aclEntries;
  const word0 = ipWord(peers, at, 0);
  const word1 = ipWord(peers, at, 1);
  const word2 = ipWord(peers, at, 2);
  const word3 = ipWord(peers, at, 3);
  const first = acls.first[acl];
  const end = first + acls.count[acl];
  for (let entry = first; entry < end; entry++) {
    // From the last word on, in which addresses differ most.
    const isMatch =
      ((word3 & mask3[entry]) ^ address3[entry]) === 0 &&
      ((word2 & mask2[entry]) ^ address2[entry]) === 0 &&
      ((word1 & mask1[entry]) ^ address1[entry]) === 0 &&
      ((word0 & mask0[entry]) ^ address0[entry]) === 0;
    if (isMatch) return action[entry] !== ACL_DENY;
  }
  return acls.otherwise[acl] !== ACL_DENY;
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
