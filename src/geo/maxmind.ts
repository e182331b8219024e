/**
 * Reads a MaxMind file (MMDB, format version 2) as far as countries go: once, as a whole, into sorted ranges.
 *
 * A file may be damaged, or made to harm: whatever it holds, reading it ends, with an error or with countries. Nothing
 * is read beyond its end, no pointer is followed twice, and work is bounded by its size.
 */
import { countryNumber, type Countries } from '../base/countries.ts';
import { NO_VALUE, RangesBuilder } from '../base/ranges.ts';
import { DamagedFile, MaxMindData } from './maxmind-data.ts';

/** `\xab\xcd\xefMaxMind.com` stands before the description, which is the end of the file. */
const MARKER = [0xab, 0xcd, 0xef, ...Buffer.from('MaxMind.com')];
/** Within so many bytes of the end. */
const MARKER_WITHIN = 0x2_0000;
/** Zeros between the tree and the data. */
const SEPARATOR = 16;
/** Depth of the IPv4 addresses in a tree of IPv6 ones: they are `::/96`. */
const IPV4_DEPTH = 96;
const IPV6_DEPTH = 128;

/** @errors DamagedFile that says what is wrong. */
export function readCountries(bytes: Uint8Array): Pick<Countries, 'ipv4' | 'ipv6'> {
  return new CountryTree(bytes).read();
}

class CountryTree {
  private readonly bytes: Uint8Array;
  private readonly data: MaxMindData;
  private readonly nodeCount: number;
  private readonly recordSize: number;
  private readonly isIpv6: boolean;
  /** The node under which IPv4 addresses are; -1 when all of them are one record. */
  private readonly ipv4Root: number;
  /** Countries by the places of what is said about them. */
  private readonly known = new Map<number, number>();
  private readonly ipv4: RangesBuilder;
  private readonly ipv6: RangesBuilder;
  /** The prefix that is looked at. */
  private readonly address = new Uint32Array(4);
  /** Nodes that may still be visited. A tree has each once. */
  private visits: number;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    const about = new MaxMindData(bytes, findDescription(bytes));
    this.nodeCount = about.numberAt('node_count');
    this.recordSize = about.numberAt('record_size');
    const version = about.numberAt('ip_version');
    if (![24, 28, 32].includes(this.recordSize)) throw new DamagedFile(`its records have ${this.recordSize} bits`);
    if (version !== 4 && version !== 6) throw new DamagedFile(`it is for IP version ${version}`);
    this.isIpv6 = version === 6;
    const treeSize = (this.nodeCount * this.recordSize) / 4;
    if (this.nodeCount === 0 || treeSize + SEPARATOR > bytes.length) throw new DamagedFile('it is too short');
    this.data = new MaxMindData(bytes, treeSize + SEPARATOR);
    this.ipv4Root = this.isIpv6 ? this.findIpv4Root() : 0;
    this.visits = this.nodeCount;
    this.ipv4 = new RangesBuilder(1, this.nodeCount + 2);
    this.ipv6 = new RangesBuilder(4, this.nodeCount + 2);
  }

  read(): Pick<Countries, 'ipv4' | 'ipv6'> {
    this.ipv6.append(this.address, 0, NO_VALUE);
    this.visit(0, this.isIpv6 ? 0 : IPV4_DEPTH);
    return { ipv4: this.ipv4.finish(), ipv6: this.ipv6.finish() };
  }

  private findIpv4Root(): number {
    let node = 0;
    for (let depth = 0; depth < IPV4_DEPTH && node < this.nodeCount; depth++) node = this.child(node, 0);
    return node < this.nodeCount ? node : -1;
  }

  private visit(node: number, depth: number): void {
    if (depth === IPV6_DEPTH) throw new DamagedFile('its tree has no end');
    if (this.visits-- === 0) throw new DamagedFile('its tree is none');
    this.follow(this.child(node, 0), depth + 1);
    const [word, bit] = [depth >> 5, 1 << (31 - (depth & 31))];
    this.address[word] = (this.address[word] ?? 0) | bit;
    this.follow(this.child(node, 1), depth + 1);
    this.address[word] = (this.address[word] ?? 0) & ~bit;
  }

  /** What stands in a record: a node, nothing, or where something is said. */
  private follow(record: number, depth: number): void {
    if (record >= this.nodeCount) this.tell(depth, record === this.nodeCount ? NO_VALUE : this.countryAt(record));
    // Addresses that carry IPv4 ones (6to4, Teredo, mapped) lead there again.
    else if (record === this.ipv4Root && depth > 0 && !this.isIpv4(depth)) this.tell(depth, NO_VALUE);
    else this.visit(record, depth);
  }

  /** From the prefix on, the value holds. */
  private tell(depth: number, value: number): void {
    const isIpv4 = this.isIpv4(depth);
    if (isIpv4 || this.isZero()) this.ipv4.append(this.address, isIpv4 ? 3 : 0, value);
    if (!isIpv4) this.ipv6.append(this.address, 0, value);
  }

  private isIpv4(depth: number): boolean {
    return depth >= IPV4_DEPTH && this.isZero();
  }

  /** Whether the prefix is one of IPv4 addresses, or has them in it. */
  private isZero(): boolean {
    return this.address[0] === 0 && this.address[1] === 0 && this.address[2] === 0;
  }

  private countryAt(record: number): number {
    const place = record - this.nodeCount - SEPARATOR;
    let country = this.known.get(place);
    if (country === undefined) {
      country = countryNumber(this.data.countryAt(place)) ?? NO_VALUE;
      this.known.set(place, country);
    }
    return country;
  }

  /** The left (0) or right (1) record of a node. */
  private child(node: number, side: 0 | 1): number {
    const { bytes, recordSize } = this;
    const byte = (at: number): number => bytes[at] ?? 0;
    const three = (at: number): number => (byte(at) << 16) | (byte(at + 1) << 8) | byte(at + 2);
    const at = node * (recordSize / 4);
    if (recordSize === 24) return three(at + side * 3);
    if (recordSize === 32) return byte(at + side * 4) * 0x100_0000 + three(at + side * 4 + 1);
    // The middle byte has the highest four bits of both.
    const high = side === 0 ? byte(at + 3) >> 4 : byte(at + 3) & 15;
    return high * 0x100_0000 + three(at + side * 4);
  }
}

/** Where the description begins. */
function findDescription(bytes: Uint8Array): number {
  const first = Math.max(0, bytes.length - MARKER_WITHIN);
  for (let at = bytes.length - MARKER.length; at >= first; at--) {
    if (MARKER.every((byte, index) => bytes[at + index] === byte)) return at + MARKER.length;
  }
  throw new DamagedFile('it has no description');
}
