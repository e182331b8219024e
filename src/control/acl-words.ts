/** Access lists as the tables have them: 128-bit addresses and masks in words, all lists together. */
import { ConfigError, type AclEntry } from '../config/model.ts';
import { ACL_ENTRIES_MAX } from '../table/limits.ts';
import { ACL_DENY, ACL_PERMIT } from '../table/schema.ts';
import type { ConfigBank } from '../table/tables.ts';

/** `::ffff:0:0/96`, where IPv4 addresses are: what IPv6 entries must not match. */
const MAPPED_BITS = 96;
const MAPPED: readonly number[] = [0, 0, 0xffff, 0];
const ALL_ONES = 0xffff_ffff;

export interface AclWords {
  /** Rows of `acls`: first entry and number of entries; what holds when none matches. */
  readonly first: readonly number[];
  readonly count: readonly number[];
  readonly otherwise: readonly number[];
  /** Rows of `aclEntries`: action, then 4 words of address and 4 of mask each. */
  readonly actions: readonly number[];
  readonly words: readonly number[];
}

/** Words of one entry in `AclWords.words`. */
const ENTRY_WORDS = 8;

/** @errors ConfigError when there are more entries than the tables have room for. */
export function compileAcls(acls: readonly (readonly AclEntry[])[]): AclWords {
  const first: number[] = [];
  const count: number[] = [];
  const otherwise: number[] = [];
  const actions: number[] = [];
  const words: number[] = [];
  for (const entries of acls) {
    first.push(actions.length);
    for (const entry of entries) addEntry(entry, actions, words);
    count.push(actions.length - (first.at(-1) ?? 0));
    otherwise.push(entries.at(-1)?.permits === true ? ACL_DENY : ACL_PERMIT);
  }
  if (actions.length > ACL_ENTRIES_MAX) {
    throw new ConfigError('acl', `there is room for ${ACL_ENTRIES_MAX} entries in all lists together`);
  }
  return { first, count, otherwise, actions, words };
}

/** Writes compiled lists into a draft that has rows for them. */
export function writeAcls({ acls, aclEntries }: ConfigBank, compiled: AclWords): void {
  acls.first.set(compiled.first);
  acls.count.set(compiled.count);
  acls.otherwise.set(compiled.otherwise);
  aclEntries.action.set(compiled.actions);
  const { address0, address1, address2, address3, mask0, mask1, mask2, mask3 } = aclEntries;
  [address0, address1, address2, address3, mask0, mask1, mask2, mask3].forEach((column, word) => {
    for (let row = 0; row < compiled.actions.length; row++) column[row] = compiled.words[row * ENTRY_WORDS + word] ?? 0;
  });
}

function addEntry(entry: AclEntry, actions: number[], words: number[]): void {
  const add = (address: readonly number[], mask: readonly number[]): void => {
    actions.push(entry.permits ? ACL_PERMIT : ACL_DENY);
    words.push(...address, ...mask);
  };
  if (entry.kind === 4) {
    add([...MAPPED.slice(0, 3), entry.address], [ALL_ONES, ALL_ONES, ALL_ONES, entry.mask]);
    return;
  }
  const address = toWords(entry.address);
  const holdsIpv4 = entry.prefix < MAPPED_BITS && isWithin(MAPPED, address, entry.prefix);
  if (!holdsIpv4) add(address, prefixMask(entry.prefix));
  // An entry for IPv6 says nothing about IPv4: all of the prefix but the part where IPv4 addresses are.
  else for (let bit = entry.prefix; bit < MAPPED_BITS; bit++) add(siblingOf(bit), prefixMask(bit + 1));
}

/** The prefix of `bit` + 1 bits that differs from the mapped addresses in its last bit only. */
function siblingOf(bit: number): number[] {
  const mask = prefixMask(bit + 1);
  return MAPPED.map((word, index) => {
    const flipped = index === bit >> 5 ? word ^ (1 << (31 - (bit & 31))) : word;
    return (flipped & (mask[index] ?? 0)) >>> 0;
  });
}

function isWithin(address: readonly number[], prefix: readonly number[], bits: number): boolean {
  return prefixMask(bits).every((mask, index) => (((address[index] ?? 0) ^ (prefix[index] ?? 0)) & mask) === 0);
}

function toWords(parts: readonly number[]): number[] {
  return [0, 1, 2, 3].map((word) => (((parts[word * 2] ?? 0) << 16) | (parts[word * 2 + 1] ?? 0)) >>> 0);
}

function prefixMask(bits: number): number[] {
  return [0, 1, 2, 3].map((word) => {
    const left = Math.max(0, Math.min(32, bits - word * 32));
    return left === 0 ? 0 : (ALL_ONES << (32 - left)) >>> 0;
  });
}
