/**
 * Access lists as the tables have them: for each range of addresses the entry that decides there.
 *
 * Compiling sorts the entries; looking at an address is a search by halves then. An entry that comes to a list that is
 * compiled already is put into its ranges, without looking at the other entries again.
 */
import { assert } from '../base/assert.ts';
import { COUNTRY_CODES, countryNumber, type Countries } from '../base/countries.ts';
import { lowest, mapRanges, NO_RANGES, NO_VALUE, rangesOfPrefixes, type Ranges, type Width } from '../base/ranges.ts';
import type { AclEntry } from '../config/model.ts';

export interface Mask {
  readonly address: number;
  readonly mask: number;
  readonly verdict: number;
}

/** Verdicts: twice the index of the entry that decides, plus 1 if it denies; NO_VALUE where none does. */
export interface CompiledList {
  /** Entries. */
  readonly count: number;
  readonly ipv4: Ranges;
  readonly ipv6: Ranges;
  /** Entries whose masks have holes. */
  readonly masks: readonly Mask[];
  /** Of the first entry for peers of a unix socket. */
  readonly unix: number;
  /** Whether nothing else is said about an address: by the last entry. */
  readonly permitsOthers: boolean;
  /** What the ranges of countries were taken from; undefined when there are none. */
  readonly countries: Countries | undefined;
}

const EMPTY: CompiledList = {
  count: 0,
  ipv4: NO_RANGES[1],
  ipv6: NO_RANGES[4],
  masks: [],
  unix: NO_VALUE,
  permitsOthers: true,
  countries: undefined,
};

/** Lists never change, so each is compiled once. */
const compiledBefore = new WeakMap<readonly AclEntry[], CompiledList>();

/**
 * @param countries needed when an entry names one.
 * @param before a list of which this one may be a continuation.
 * @cost  of a new list its entries, sorted; of a continuation what has come, and a copy.
 */
export function compileList(
  entries: readonly AclEntry[],
  countries: Countries | undefined,
  before: readonly AclEntry[] = [],
): CompiledList {
  const isStill = (list: CompiledList | undefined): list is CompiledList =>
    list !== undefined && (list.countries === undefined || list.countries === countries);
  const known = compiledBefore.get(entries);
  if (isStill(known)) return known;
  const start = compiledBefore.get(before);
  const compiled =
    isStill(start) && isContinuation(entries, before)
      ? continueList(start, entries, countries)
      : continueList(EMPTY, entries, countries);
  compiledBefore.set(entries, compiled);
  return compiled;
}

/** A plain loop: each command looks at all entries of its list. */
function isContinuation(entries: readonly AclEntry[], before: readonly AclEntry[]): boolean {
  if (before.length > entries.length) return false;
  for (let i = 0; i < before.length; i++) if (entries[i] !== before[i]) return false;
  return true;
}

function continueList(
  start: CompiledList,
  entries: readonly AclEntry[],
  countries: Countries | undefined,
): CompiledList {
  const added = sortOut(entries, start.count);
  assert(!added.hasCountry || countries !== undefined, 'countries are known where a list asks for them');
  const named = added.hasCountry ? countries : undefined;
  const withCountries = (ranges: Ranges, of: Ranges | undefined): Ranges =>
    of
      ? lowest(
          ranges,
          mapRanges(of, (country) => added.ofCountry[country] ?? NO_VALUE),
        )
      : ranges;
  return {
    count: entries.length,
    ipv4: withCountries(lowest(start.ipv4, added.ipv4.ranges()), named?.ipv4),
    ipv6: withCountries(lowest(start.ipv6, added.ipv6.ranges()), named?.ipv6),
    masks: [...start.masks, ...added.masks],
    unix: Math.min(start.unix, added.unix),
    permitsOthers: entries.at(-1)?.permits !== true,
    countries: named ?? start.countries,
  };
}

/** Prefixes that are collected, and their verdicts. */
class Prefixes {
  private readonly width: Width;
  private readonly firsts: number[] = [];
  private readonly lasts: number[] = [];
  private readonly verdicts: number[] = [];

  constructor(width: Width) {
    this.width = width;
  }

  /** @param words of the address, and of the mask. */
  add(address: readonly number[], mask: readonly number[], verdict: number): void {
    for (const [word, value] of address.entries()) {
      this.firsts.push(value);
      this.lasts.push((value | ~(mask[word] ?? 0)) >>> 0);
    }
    this.verdicts.push(verdict);
  }

  ranges(): Ranges {
    if (this.verdicts.length === 0) return NO_RANGES[this.width];
    const [firsts, lasts] = [Uint32Array.from(this.firsts), Uint32Array.from(this.lasts)];
    return rangesOfPrefixes(this.width, firsts, lasts, Uint32Array.from(this.verdicts));
  }
}

/** Entries by their kinds. */
class Sorted {
  readonly ipv4 = new Prefixes(1);
  readonly ipv6 = new Prefixes(4);
  readonly masks: Mask[] = [];
  unix = NO_VALUE;
  hasCountry = false;
  /** Verdicts by the number of the country. */
  readonly ofCountry = new Uint32Array(COUNTRY_CODES).fill(NO_VALUE);
}

function sortOut(entries: readonly AclEntry[], first: number): Sorted {
  const sorted = new Sorted();
  for (let index = first; index < entries.length; index++) {
    const entry = entries[index];
    if (entry) sortIn(sorted, entry, index * 2 + Number(!entry.permits));
  }
  return sorted;
}

function sortIn(sorted: Sorted, entry: AclEntry, verdict: number): void {
  switch (entry.kind) {
    case 4:
      if (hasHoles(entry.mask)) sorted.masks.push({ address: entry.address, mask: entry.mask, verdict });
      else sorted.ipv4.add([entry.address], [entry.mask], verdict);
      return;
    case 6:
      sorted.ipv6.add(toWords(entry.address), prefixMask(entry.prefix), verdict);
      return;
    case 'unix':
      sorted.unix = Math.min(sorted.unix, verdict);
      return;
    case 'country': {
      const country = countryNumber(entry.code) ?? 0;
      sorted.ofCountry[country] = Math.min(sorted.ofCountry[country] ?? NO_VALUE, verdict);
      sorted.hasCountry = true;
    }
  }
}

/** Whether a 1 follows a 0. */
function hasHoles(mask: number): boolean {
  const others = ~mask >>> 0;
  return (others & (others + 1)) !== 0;
}

function toWords(parts: readonly number[]): number[] {
  return [0, 1, 2, 3].map((word) => (((parts[word * 2] ?? 0) << 16) | (parts[word * 2 + 1] ?? 0)) >>> 0);
}

function prefixMask(bits: number): number[] {
  return [0, 1, 2, 3].map((word) => {
    const left = Math.max(0, Math.min(32, bits - word * 32));
    return left === 0 ? 0 : (0xffff_ffff << (32 - left)) >>> 0;
  });
}
