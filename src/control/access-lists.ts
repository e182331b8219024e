/** All access lists in the tables: their rows, and their compiled entries one behind the other. */
import type { Countries } from '../base/countries.ts';
import { NO_VALUE, type Ranges } from '../base/ranges.ts';
import { NAMES_MAX, noRoom } from '../config/access-list.ts';
import { UNNAMED, type Farm, type FarmSettings } from '../config/farms.ts';
import { ACL_LISTS, ConfigError, type AclId, type Configuration } from '../config/model.ts';
import { partOfFarm, settingPart, type Part } from '../config/parts.ts';
import { ACL_ENTRIES_MAX, ACL_MASKS_MAX, ACL_RANGES_MAX } from '../table/limits.ts';
import type { RowCounts } from '../table/publish.ts';
import { ACL_DENY, ACL_PERMIT } from '../table/schema.ts';
import type { ConfigBank } from '../table/tables.ts';
import { compileList, type CompiledList } from './compiled-list.ts';

type Lists = Pick<Configuration, 'acls' | 'namedAcls'>;
const NO_LISTS: Lists = { acls: [], namedAcls: new Map() };

/**
 * Compiles all lists, in the order of their rows: the numbered ones, then those with names.
 *
 * @param before those that were compiled last, to which little may have come.
 */
export function compileLists(
  lists: Lists,
  countries: Countries | undefined,
  before: Lists = NO_LISTS,
): readonly CompiledList[] {
  const numbered = lists.acls.map((entries, number) => compileList(entries, countries, before.acls[number]));
  const named = [...lists.namedAcls].map(([name, entries]) =>
    compileList(entries, countries, before.namedAcls.get(name)),
  );
  return [...numbered, ...named];
}

/** Finds the row of a list, to be named by `where` in errors, which are about what names it. */
export type RowOf = (id: AclId, where: string, about?: Part) => number;

/**
 * Finds the row of a list.
 *
 * @param before the lists that are in force: an error tells one that is taken away from one that never was.
 * @errors ConfigError when there is no such list.
 */
export function rowFinder({ namedAcls }: Lists, before: Lists = NO_LISTS): RowOf {
  const rows = new Map([...namedAcls.keys()].map((name, index) => [name, ACL_LISTS + index]));
  return (id, where, about) => {
    const row = typeof id === 'number' ? id : rows.get(id);
    if (row !== undefined) return row;
    if (typeof id === 'string' && before.namedAcls.has(id)) {
      throw new ConfigError(
        'acl',
        `list '${id}' would be gone, but ${where} uses it; have ${where} use another list first`,
        about,
      );
    }
    throw new ConfigError(
      where,
      `there is no access list '${id}'; say whom it permits, as by acl ${id} permit 10.0.0.0/8`,
      about,
    );
  };
}

/**
 * Each list that is named must be there.
 *
 * @param rowOf of its lists. @param known what is in force: where a farm with a name is the same in it and lists have
 * their rows, nothing is looked at again. @errors ConfigError.
 */
export function checkNames(configuration: Configuration, rowOf: RowOf, known?: Configuration): void {
  const { settings, farms } = configuration;
  rowOf(settings.controlAcl, 'control_acl', settingPart('controlAcl'));
  if (settings.trustedAcl !== 'none') rowOf(settings.trustedAcl, 'trusted_acl', settingPart('trustedAcl'));
  checkFarm(configuration, UNNAMED, rowOf);
  const before = known && hasSameRows(configuration, known) ? known.farms : undefined;
  for (const [name, farm] of farms) if (farm !== before?.get(name)) checkFarm(farm, name, rowOf);
}

/** What names lists, of a farm. */
interface Named extends Pick<Farm, 'servers' | 'emergency' | 'abuse'> {
  readonly settings: Pick<FarmSettings, 'clientAcl'>;
}

function checkFarm({ settings, servers, emergency, abuse }: Named, name: string, rowOf: RowOf): void {
  const ofFarm = name === UNNAMED ? '' : `farm ${name} `;
  const check = (acl: AclId, what: string, part: Part): number =>
    rowOf(acl, `${ofFarm}${what}`, partOfFarm(name, part));
  check(settings.clientAcl, 'client_acl', settingPart('clientAcl'));
  if (emergency) check(emergency.acl, 'emergency', { of: 'emergency' });
  if (abuse) check(abuse.acl, 'abuse', { of: 'abuse' });
  for (let index = 0; index < servers.length; index++) {
    const acl = servers[index]?.acl;
    if (typeof acl === 'string') check(acl, `server ${index} acl`, { of: 'servers', index, key: 'acl' });
  }
}

/** What a publish would complain about. @param before what is in force. @errors ConfigError. */
export function checkLists(
  configuration: Configuration,
  countries: Countries | undefined,
  before?: Configuration,
): void {
  checkNames(configuration, rowFinder(configuration, before), before);
  rowsOfLists(compileLists(configuration, countries, before));
}

/** Whether rows of `lists` are those of `others`, whatever is in them. */
export function hasSameRows(lists: Lists, others: Lists): boolean {
  if (lists.namedAcls === others.namedAcls) return true;
  return [...lists.namedAcls.keys()].join(' ') === [...others.namedAcls.keys()].join(' ');
}

/** Rows that the lists need. @errors ConfigError when the tables have fewer. */
export function rowsOfLists(lists: readonly CompiledList[]): RowCounts & { readonly acls: number } {
  const sum = (of: (list: CompiledList) => number): number => lists.reduce((total, list) => total + of(list), 0);
  const rows = {
    acls: lists.length,
    aclRanges4: sum(({ ipv4 }) => rangeRows(ipv4)),
    aclRanges6: sum(({ ipv6 }) => rangeRows(ipv6)),
    aclMasks: sum(({ masks }) => masks.length),
  };
  mustFit(rows.acls - ACL_LISTS, NAMES_MAX, 'access lists with names');
  mustFit(
    sum(({ count }) => count),
    ACL_ENTRIES_MAX,
    'entries in all lists together',
  );
  mustFit(rows.aclMasks, ACL_MASKS_MAX, 'masks with holes (such as 255.0.255.0) in all lists together');
  mustFit(rows.aclRanges4, ACL_RANGES_MAX, 'ranges of IPv4 addresses in all lists together');
  mustFit(rows.aclRanges6, ACL_RANGES_MAX, 'ranges of IPv6 addresses in all lists together');
  return rows;
}

function mustFit(wanted: number, room: number, what: string): void {
  if (wanted > room) throw noRoom('acl', room, what, wanted);
}

/** A list that says nothing about addresses of a kind needs no row for them. */
function rangeRows({ count, values }: Ranges): number {
  return count === 1 && values[0] === NO_VALUE ? 0 : count;
}

/**
 * Writes lists into a draft that has rows for them.
 *
 * @param before the lists that are in force, of which the draft is a copy: what is the same and stays is not written.
 */
export function writeLists(
  draft: ConfigBank,
  lists: readonly CompiledList[],
  before: readonly CompiledList[] = [],
): void {
  const { acls, aclRanges4, aclRanges6 } = draft;
  const next = { ipv4: 0, ipv6: 0, mask: 0 };
  for (const [row, list] of lists.entries()) {
    const known = before[row];
    acls.count[row] = list.count;
    acls.otherwise[row] = list.permitsOthers ? ACL_PERMIT : ACL_DENY;
    acls.unix[row] = list.unix !== NO_VALUE && (list.unix & 1) === 1 ? ACL_DENY : ACL_PERMIT;
    const isThere4 = known?.ipv4 === list.ipv4 && acls.first4[row] === next.ipv4;
    if (!isThere4) writeRanges(aclRanges4, list.ipv4, next.ipv4);
    const isThere6 = known?.ipv6 === list.ipv6 && acls.first6[row] === next.ipv6;
    if (!isThere6) writeRanges(aclRanges6, list.ipv6, next.ipv6);
    writeMasks(draft, list, next.mask);
    [acls.first4[row], acls.count4[row]] = [next.ipv4, rangeRows(list.ipv4)];
    [acls.first6[row], acls.count6[row]] = [next.ipv6, rangeRows(list.ipv6)];
    [acls.firstMask[row], acls.countMask[row]] = [next.mask, list.masks.length];
    next.ipv4 += rangeRows(list.ipv4);
    next.ipv6 += rangeRows(list.ipv6);
    next.mask += list.masks.length;
  }
}

function writeRanges(
  { start, verdict }: { readonly start: Uint32Array | Int32Array; readonly verdict: Uint32Array },
  ranges: Ranges,
  row: number,
): void {
  if (rangeRows(ranges) === 0) return;
  start.set(ranges.starts, row * ranges.width);
  verdict.set(ranges.values, row);
}

function writeMasks({ aclMasks }: ConfigBank, { masks }: CompiledList, first: number): void {
  for (const [index, { address, mask, verdict }] of masks.entries()) {
    aclMasks.address[first + index] = address;
    aclMasks.mask[first + index] = mask;
    aclMasks.verdict[first + index] = verdict;
  }
}
