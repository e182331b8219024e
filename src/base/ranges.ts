/**
 * What holds for addresses, as ranges: where each begins, and the value from there to the next.
 *
 * Addresses are numbers of one 32-bit word (IPv4) or four (IPv6), the first word first. The first range begins at
 * address 0, so every address lies in one; neighbours have different values.
 */

/** Words of an address. */
export type Width = 1 | 4;

/** The value of addresses that nothing is said about: the greatest there is. */
export const NO_VALUE = 0xffff_ffff;
const WORD_MAX = 0xffff_ffff;

export interface Ranges {
  readonly width: Width;
  readonly count: number;
  /** `width` words for each range. */
  readonly starts: Uint32Array;
  readonly values: Uint32Array;
}

/** Nothing is said about any address. */
export const NO_RANGES: Readonly<Record<Width, Ranges>> = {
  1: { width: 1, count: 1, starts: new Uint32Array(1), values: Uint32Array.of(NO_VALUE) },
  4: { width: 4, count: 1, starts: new Uint32Array(4), values: Uint32Array.of(NO_VALUE) },
};

/** Takes ranges from the lowest to the highest. */
export class RangesBuilder {
  private readonly width: Width;
  private readonly starts: Uint32Array;
  private readonly values: Uint32Array;
  private count = 0;

  /** @param capacity ranges at most. */
  constructor(width: Width, capacity: number) {
    this.width = width;
    this.starts = new Uint32Array(capacity * width);
    this.values = new Uint32Array(capacity);
  }

  /**
   * From the address on, the value holds. What was said of this very address before is replaced.
   *
   * @param words the address begins at `words[at * width]`, and is not below the one before; the first one is 0.
   */
  append(words: Uint32Array, at: number, value: number): void {
    const { starts, values, width } = this;
    if (this.count > 0 && compare(starts, this.count - 1, words, at, width) === 0) this.count--;
    if (this.count > 0 && values[this.count - 1] === value) return;
    for (let word = 0; word < width; word++) starts[this.count * width + word] = words[at * width + word];
    values[this.count++] = value;
  }

  /** Appends ranges of others as they are. The first one differs in value from the last one here. */
  copy(from: Ranges, first: number, end: number): void {
    const { width } = this;
    this.starts.set(from.starts.subarray(first * width, end * width), this.count * width);
    this.values.set(from.values.subarray(first, end), this.count);
    this.count += end - first;
  }

  /** Once, at the end. Gives back memory that is not needed, where that is worth a copy. */
  finish(): Ranges {
    const { width, count, starts, values } = this;
    if (count * 2 > values.length)
      return { width, count, starts: starts.subarray(0, count * width), values: values.subarray(0, count) };
    return { width, count, starts: starts.slice(0, count * width), values: values.slice(0, count) };
  }
}

/** The order of two addresses: below 0, 0, above 0. Each begins at its index times `width`. */
export function compare(a: Uint32Array, at: number, b: Uint32Array, bt: number, width: Width): number {
  for (let word = 0; word < width; word++) {
    const [one, other] = [a[at * width + word], b[bt * width + word]];
    if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
}

/**
 * Prefixes as ranges: of an address that lies in several of them the lowest value holds.
 *
 * @param firsts the first addresses of the prefixes. @param lasts the last ones; two prefixes do not overlap, or one
 * holds the other.
 * @cost sorts them.
 */
export function rangesOfPrefixes(width: Width, firsts: Uint32Array, lasts: Uint32Array, values: Uint32Array): Ranges {
  const order = new Uint32Array(values.length).map((_, index) => index);
  order.sort((a, b) => compare(firsts, a, firsts, b, width) || compare(lasts, b, lasts, a, width));
  const nest = new Nest(width, firsts, lasts, values);
  for (const prefix of order) nest.enter(prefix);
  return nest.finish();
}

/** Goes through prefixes in their order, from the widest on: knows at each place which of them hold it. */
class Nest {
  private readonly width: Width;
  private readonly firsts: Uint32Array;
  private readonly lasts: Uint32Array;
  private readonly values: Uint32Array;
  private readonly builder: RangesBuilder;
  /** The prefixes we are in, each within the one before; behind them, what holds there. */
  private readonly open: Uint32Array;
  private readonly within: Uint32Array;
  private depth = 0;
  private readonly next: Uint32Array;

  constructor(width: Width, firsts: Uint32Array, lasts: Uint32Array, values: Uint32Array) {
    this.width = width;
    this.firsts = firsts;
    this.lasts = lasts;
    this.values = values;
    this.builder = new RangesBuilder(width, values.length * 2 + 1);
    this.next = new Uint32Array(width);
    this.builder.append(this.next, 0, NO_VALUE);
    // Two of one length never hold one another, so no more are open than there are lengths.
    this.open = new Uint32Array(width * 32 + 1);
    this.within = new Uint32Array(this.open.length + 1).fill(NO_VALUE);
  }

  enter(prefix: number): void {
    const { firsts, lasts, width, open, within } = this;
    while (this.depth > 0 && compare(lasts, open[this.depth - 1], firsts, prefix, width) < 0) this.leave();
    const value = Math.min(within[this.depth], this.values[prefix]);
    this.builder.append(firsts, prefix, value);
    const isSame = this.depth > 0 && compare(lasts, open[this.depth - 1], lasts, prefix, width) === 0;
    if (!isSame) open[this.depth++] = prefix;
    within[this.depth] = value;
  }

  private leave(): void {
    this.depth--;
    if (!follow(this.lasts, this.open[this.depth], this.next, this.width)) return;
    this.builder.append(this.next, 0, this.within[this.depth]);
  }

  finish(): Ranges {
    while (this.depth > 0) this.leave();
    return this.builder.finish();
  }
}

/** The address behind another one. @returns false when that is the last there is. */
function follow(words: Uint32Array, at: number, next: Uint32Array, width: Width): boolean {
  for (let word = width - 1; word >= 0; word--) next[word] = words[at * width + word];
  for (let word = width - 1; word >= 0; word--) {
    if (next[word] !== WORD_MAX) {
      next[word]++;
      return true;
    }
    next[word] = 0;
  }
  return false;
}

/**
 * Two as one: of each address the lower of its two values holds.
 *
 * @cost where `added` has no value, `ranges` are copied in one go: adding a few costs little more than a copy.
 */
export function lowest(ranges: Ranges, added: Ranges): Ranges {
  if (added.count === 1 && added.values[0] === NO_VALUE) return ranges;
  if (ranges.count === 1 && ranges.values[0] === NO_VALUE) return added;
  const { width, count, starts, values } = ranges;
  const builder = new RangesBuilder(width, count + added.count);
  // The range in which the added one begins.
  let at = 0;
  for (let index = 0; index < added.count; index++) {
    const value = added.values[index];
    at = lastNotAbove(ranges, at, added.starts, index);
    const end = index + 1 === added.count ? count : firstFrom(ranges, at, added.starts, index + 1);
    builder.append(added.starts, index, Math.min(value, values[at]));
    if (value === NO_VALUE) {
      builder.copy(ranges, at + 1, end);
    } else {
      for (let inner = at + 1; inner < end; inner++) builder.append(starts, inner, Math.min(value, values[inner]));
    }
    at = Math.max(at, end - 1);
  }
  return builder.finish();
}

/** The last range, from `first` on, that begins at or below an address. The first one does. */
function lastNotAbove({ starts, count, width }: Ranges, first: number, words: Uint32Array, at: number): number {
  let [low, high] = [first, count];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (compare(starts, middle, words, at, width) <= 0) low = middle;
    else high = middle;
  }
  return low;
}

/** The first range, behind `after`, that does not begin below an address. */
function firstFrom(ranges: Ranges, after: number, words: Uint32Array, at: number): number {
  const last = lastNotAbove(ranges, after, words, at);
  return last > after && compare(ranges.starts, last, words, at, ranges.width) === 0 ? last : last + 1;
}

/** Ranges with other values, in the same places. */
export function mapRanges({ width, count, starts, values }: Ranges, valueOf: (value: number) => number): Ranges {
  const builder = new RangesBuilder(width, count);
  for (let index = 0; index < count; index++) builder.append(starts, index, valueOf(values[index]));
  return builder.finish();
}
