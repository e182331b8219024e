/** The data of a MaxMind file: values that say what they are and how long, in maps, and pointers to others. */

/** Why a file cannot be read, as the rest of a sentence about it. */
export class DamagedFile extends Error {
  override readonly name = 'DamagedFile';
}

const POINTER = 1;
const STRING = 2;
const MAP = 7;
const ARRAY = 11;
const BOOLEAN = 14;
/** Types of unsigned numbers. */
const NUMBERS = [5, 6, 9];
/** What lies within one another. */
const DEPTH_MAX = 32;
/** Longest text of ours. */
const TEXT_MAX = 64;
/** Sizes from here on are told by 1, 2, 3 further bytes; they begin where those with fewer end. */
const SIZES_LONG = 29;
const SIZE_BASES = [29, 285, 65_821] as const;
const POINTER_BASES = [0, 2048, 526_336, 0] as const;

interface Value {
  readonly type: number;
  /** Bytes, or entries of a map or an array. */
  readonly size: number;
  /** Where its contents begin. */
  readonly at: number;
  /** Of a pointer: where it points to. */
  readonly target: number;
}

/** One section of data, in which places are counted from its beginning. */
export class MaxMindData {
  private readonly bytes: Uint8Array;
  private readonly first: number;
  /** Values that may still be read: a file may be small and its maps many. */
  private budget: number;

  constructor(bytes: Uint8Array, first: number) {
    this.bytes = bytes;
    this.first = first;
    this.budget = bytes.length * 4 + 1000;
  }

  /** A number of the map with which the section begins. */
  numberAt(key: string): number {
    const value = this.find(this.resolve(this.first), key);
    if (!value || !NUMBERS.includes(value.type) || value.size > 6) throw new DamagedFile(`it does not tell its ${key}`);
    return this.numberOf(value.at, value.size);
  }

  /**
   * The letters of the country that the map at a place tells: `country: { iso_code }`, `country` or `country_code`,
   * depending on who made the file. Empty when it tells none.
   */
  countryAt(place: number): string {
    const about = this.resolve(this.first + place);
    const country = this.find(about, 'country');
    if (country?.type === STRING) return this.textOf(country);
    const code = country ? this.find(country, 'iso_code') : this.find(about, 'country_code');
    return code?.type === STRING ? this.textOf(code) : '';
  }

  /** A value of a map; undefined when there is none, or it is no map. */
  private find(map: Value, key: string): Value | undefined {
    if (map.type !== MAP) return undefined;
    let { at } = map;
    for (let entry = 0; entry < map.size; entry++) {
      const name = this.resolve(at);
      const value = this.skip(at, 0);
      if (name.type === STRING && name.size === key.length && this.textOf(name) === key) return this.resolve(value);
      at = this.skip(value, 0);
    }
    return undefined;
  }

  /** The value at a place, or the one that a pointer there points to. */
  private resolve(at: number): Value {
    const value = this.read(at);
    if (value.type !== POINTER) return value;
    const other = this.read(this.first + value.target);
    if (other.type === POINTER) throw new DamagedFile('a pointer points to another one');
    return other;
  }

  /** Where the next value begins. */
  private skip(at: number, depth: number): number {
    const value = this.read(at);
    if (value.type === POINTER || value.type === BOOLEAN) return value.at;
    if (value.type !== MAP && value.type !== ARRAY) return value.at + value.size;
    if (depth === DEPTH_MAX) throw new DamagedFile('its data lies too deep');
    let next = value.at;
    const values = value.type === MAP ? value.size * 2 : value.size;
    for (let i = 0; i < values; i++) next = this.skip(next, depth + 1);
    return next;
  }

  private read(at: number): Value {
    if (this.budget-- === 0) throw new DamagedFile('its data has no end');
    const control = this.byte(at);
    const short = control >> 5;
    if (short === POINTER) return this.readReference(at, control);
    const begin = short === 0 ? at + 2 : at + 1;
    const type = short === 0 ? this.byte(at + 1) + 7 : short;
    const size = control & 31;
    if (size < SIZES_LONG) return { type, size, at: begin, target: 0 };
    const further = size - SIZES_LONG + 1;
    const base = SIZE_BASES[size - SIZES_LONG] ?? 0;
    return { type, size: base + this.numberOf(begin, further), at: begin + further, target: 0 };
  }

  private readReference(at: number, control: number): Value {
    const kind = (control >> 3) & 3;
    const further = kind + 1;
    const high = kind === 3 ? 0 : (control & 7) * 2 ** (8 * further);
    const target = high + this.numberOf(at + 1, further) + (POINTER_BASES[kind] ?? 0);
    return { type: POINTER, size: 0, at: at + 1 + further, target };
  }

  private textOf({ at, size }: Value): string {
    if (size > TEXT_MAX) return '';
    return Array.from({ length: size }, (_, index) => String.fromCharCode(this.byte(at + index))).join('');
  }

  private numberOf(at: number, length: number): number {
    let number = 0;
    for (let i = 0; i < length; i++) number = number * 256 + this.byte(at + i);
    return number;
  }

  private byte(at: number): number {
    const byte = this.bytes[at];
    if (byte === undefined) throw new DamagedFile('it ends too early');
    return byte;
  }
}
