/** Large access lists, and a file of countries as large as real ones: for rows about what they cost. */
import { permits } from '../src/balance/access.ts';
import { ENDPOINT_IP, ENDPOINT_KIND, KIND_IPV4, KIND_IPV6, PEER_SIZE } from '../src/base/endpoint.ts';
import type { Countries } from '../src/base/countries.ts';
import { Prng } from '../src/base/prng.ts';
import { EMPTY_CONFIGURATION, withAcl, type AclEntry, type Configuration } from '../src/config/model.ts';
import { publish } from '../src/control/publisher.ts';
import { mmdb, type Network } from '../src/geo/mmdb.suite.ts';
import { configAt, currentVersion } from '../src/table/publish.ts';
import { createTables, openTables, type ConfigBank, type Tables } from '../src/table/tables.ts';

/** Networks that a file of countries tells apart. */
const CODES = ['US', 'DE', 'SE', 'CN', 'BR', 'IN', 'ZA', 'JP'] as const;
/** Of these, those that lists ask for. */
const ASKED = CODES.slice(1, 6);
/** The client of a benchmark. */
const LOOPBACK = 127;

/** Entries for single addresses and networks of all sizes from /12 on, IPv4 or IPv6, none of them loopback. */
export function manyEntries(kind: 4 | 6, count: number): AclEntry[] {
  const prng = new Prng(kind);
  return Array.from({ length: count }, (): AclEntry => {
    const permitted = prng.chance(1, 3);
    const bits = prng.chance(1, 2) ? 32 : prng.between(20, 31);
    const mask = (-1 << (32 - bits)) >>> 0;
    const first = 1 + prng.below(LOOPBACK - 1);
    const address = (((first << 24) | prng.below(2 ** 24)) & mask) >>> 0;
    if (kind === 4) return { permits: permitted, kind, address, mask };
    const parts = [0x2001, address >>> 16, address & 0xffff, 0, 0, 0, 0, 0];
    return { permits: permitted, kind, address: parts, prefix: bits + 16 };
  });
}

export function countryEntries(): AclEntry[] {
  return ASKED.map((code) => ({ permits: false, kind: 'country', code }));
}

/** A file that says something else of each of so many networks of IPv4 and of IPv6. */
export function largeCountryFile(networks: number): Uint8Array {
  const prng = new Prng(1);
  const data = CODES.map((code) => ({ country: { iso_code: code } }));
  const bits = Math.ceil(Math.log2(networks));
  const all = Array.from({ length: networks }, (_, index): Network[] => {
    const address = (index << (32 - bits)) >>> 0;
    const bytes = [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255];
    const said = (): Network['data'] => data[prng.below(data.length)] ?? '';
    if (bytes[0] === LOOPBACK) return [];
    return [
      { ip: bytes, bits, data: said() },
      { ip: [0x20, 1, ...bytes, ...new Array<number>(10).fill(0)], bits: bits + 16, data: said() },
    ];
  });
  return mmdb(all.flat());
}

/** One list in the tables of its own, and clients who come. */
export class ListStage {
  readonly tables: Tables = openTables(createTables(1));
  private readonly countries: Countries | undefined;
  private configuration: Configuration = EMPTY_CONFIGURATION;
  private readonly peer = new Uint8Array(PEER_SIZE);

  constructor(entries: readonly AclEntry[], countries?: Countries) {
    this.countries = countries;
    this.change(entries);
  }

  private change(entries: readonly AclEntry[]): void {
    const next = withAcl(this.configuration, 0, entries);
    const limits = { descriptorMax: 1000, countries: this.countries };
    if (!publish(this.tables, next, [], limits, this.configuration)) throw new Error('nobody holds up a publish here');
    this.configuration = next;
  }

  /** Milliseconds for one further entry. */
  add(entry: AclEntry): number {
    const started = performance.now();
    this.change((this.configuration.acls[0] ?? []).concat(entry));
    return performance.now() - started;
  }

  /** Nanoseconds for one of `count` clients at random addresses. */
  perClient(kind: 4 | 6, count: number): number {
    const { peer } = this;
    const config: ConfigBank = configAt(this.tables, currentVersion(this.tables));
    const prng = new Prng(3);
    peer.fill(0);
    peer[ENDPOINT_KIND] = kind === 4 ? KIND_IPV4 : KIND_IPV6;
    if (kind === 4) peer.fill(255, ENDPOINT_IP + 10, ENDPOINT_IP + 12);
    else peer.set([0x20, 1], ENDPOINT_IP);
    const at = ENDPOINT_IP + (kind === 4 ? 12 : 2);
    const started = performance.now();
    let permitted = 0;
    for (let i = 0; i < count; i++) {
      const address = prng.below(2 ** 31);
      peer[at] = address >>> 24;
      peer[at + 1] = address >>> 16;
      peer[at + 2] = address >>> 8;
      peer[at + 3] = address;
      if (permits(config, 0, peer, 0)) permitted++;
    }
    const cost = ((performance.now() - started) * 1e6) / count;
    if (permitted === 0) throw new Error('a list permits nobody');
    return cost;
  }
}
