/** Access lists as the tables have them: 128-bit addresses and masks in words, all lists together. */
import { ConfigError, type AclEntry } from '../config/model.ts';
import { ACL_ENTRIES_MAX } from '../table/limits.ts';
import { ACL_DENY, ACL_PERMIT } from '../table/schema.ts';
import type { ConfigBank } from '../table/tables.ts';

/** `::ffff:0:0/96`, where IPv4 addresses are: what IPv6 entries must not match. */
const MAPPED_BITS = 96;
const MAPPED: readonly number[] = [0, 0, 0xffff, 0];
/** The 16-bit part of it that is all ones; those before are zero. */
const MAPPED_PART = 5;
const ALL_ONES = 0xffff_ffff;

/** An address and the bits of it that count, 4 words each. */
type Row = readonly [address: readonly number[], mask: readonly number[]];

/**
 * Rows of `aclEntries` that all lists need together.
 *
 * @cost some nanoseconds per entry.
 * @errors ConfigError when the tables have fewer.
 */
export function countAclRows(acls: readonly (readonly AclEntry[])[]): number {
  const rows = acls.reduce((sum, entries) => sum + rowCount(entries, entries.length), 0);
  if (rows <= ACL_ENTRIES_MAX) return rows;
  throw new ConfigError('acl', `there is room for ${ACL_ENTRIES_MAX} entries in all lists together`);
}

/**
 * Writes lists into a draft that has rows for them: of their entries, those that are not where they belong.
 *
 * @param before the lists that are in force, of which the draft is a copy.
 * @returns how many rows of `aclEntries` were written.
 */
export function writeAcls(
  draft: ConfigBank,
  acls: readonly (readonly AclEntry[])[],
  before: readonly (readonly AclEntry[])[] = [],
): number {
  const lists = draft.acls;
  let written = 0;
  let row = 0;
  for (const [index, entries] of acls.entries()) {
    // A list that became longer or shorter moves those behind it.
    const there = lists.first[index] === row ? (before[index] ?? []) : [];
    const kept = commonLength(entries, there);
    lists.first[index] = row;
    row += rowCount(entries, kept);
    for (const entry of entries.slice(kept)) {
      const rows = rowsOf(entry);
      for (const words of rows) writeRow(draft, row++, entry.permits, words);
      written += rows.length;
    }
    lists.count[index] = row - (lists.first[index] ?? 0);
    lists.otherwise[index] = entries.at(-1)?.permits === true ? ACL_DENY : ACL_PERMIT;
  }
  return written;
}

function writeRow({ aclEntries }: ConfigBank, row: number, permits: boolean, [address, mask]: Row): void {
  const { address0, address1, address2, address3, mask0, mask1, mask2, mask3 } = aclEntries;
  aclEntries.action[row] = permits ? ACL_PERMIT : ACL_DENY;
  for (const [word, column] of [address0, address1, address2, address3].entries()) column[row] = address[word] ?? 0;
  for (const [word, column] of [mask0, mask1, mask2, mask3].entries()) column[row] = mask[word] ?? 0;
}

/** How many entries at the beginning are the same. A plain loop: each command looks at all entries of its list. */
function commonLength(entries: readonly AclEntry[], others: readonly AclEntry[]): number {
  let length = 0;
  while (length < entries.length && entries[length] === others[length]) length++;
  return length;
}

/** How many rows the first entries take: each as many as `rowsOf` makes. */
function rowCount(entries: readonly AclEntry[], length: number): number {
  let rows = length;
  for (let i = 0; i < length; i++) {
    const entry = entries[i];
    if (entry?.kind === 6 && holdsIpv4(entry)) rows += MAPPED_BITS - entry.prefix - 1;
  }
  return rows;
}

function rowsOf(entry: AclEntry): readonly Row[] {
  if (entry.kind === 4) {
    return [
      [
        [...MAPPED.slice(0, 3), entry.address],
        [ALL_ONES, ALL_ONES, ALL_ONES, entry.mask],
      ],
    ];
  }
  if (!holdsIpv4(entry)) return [[toWords(entry.address), prefixMask(entry.prefix)]];
  // An entry for IPv6 says nothing about IPv4: all of the prefix but the part where IPv4 addresses are.
  const bits = Array.from({ length: MAPPED_BITS - entry.prefix }, (_, i) => entry.prefix + i);
  return bits.map((bit) => [siblingOf(bit), prefixMask(bit + 1)]);
}

/** Whether the IPv4 addresses are among those of a prefix. */
function holdsIpv4({ address, prefix }: Extract<AclEntry, { kind: 6 }>): boolean {
  if (prefix >= MAPPED_BITS) return false;
  for (let part = 0; part * 16 < prefix; part++) {
    const differs = (address[part] ?? 0) ^ (part === MAPPED_PART ? 0xffff : 0);
    const ignored = Math.max(0, part * 16 + 16 - prefix);
    if (differs >> ignored !== 0) return false;
  }
  return true;
}

/** The prefix of `bit` + 1 bits that differs from the mapped addresses in its last bit only. */
function siblingOf(bit: number): number[] {
  const mask = prefixMask(bit + 1);
  return MAPPED.map((word, index) => {
    const flipped = index === bit >> 5 ? word ^ (1 << (31 - (bit & 31))) : word;
    return (flipped & (mask[index] ?? 0)) >>> 0;
  });
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
