/** Compiled lists say what the entries say, one by one: whatever they are, and in whatever steps they came. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { permits } from '../balance/access.ts';
import { ENDPOINT_SIZE, KIND_IPV4, KIND_IPV6, writeEndpoint, type Endpoint } from '../base/endpoint.ts';
import { countryNumber, type Countries } from '../base/countries.ts';
import { NO_VALUE, rangesOfPrefixes } from '../base/ranges.ts';
import { literalEndpoint } from '../config/address.ts';
import { ConfigError, EMPTY_CONFIGURATION, type AclEntry } from '../config/model.ts';
import type { NumberArray } from '../table/columns.ts';
import { ACL_ENTRIES_MAX, ACL_MASKS_MAX, ACLS_MAX } from '../table/limits.ts';
import { createTables, openTables } from '../table/tables.ts';
import { compileLists, rowsOfLists, writeLists } from './access-lists.ts';
import { entries, writeWords } from './access-lists.suite.ts';
import { compileList } from './compiled-list.ts';

const { config } = openTables(createTables());
const [bank, other] = config;

function record(endpoint: Endpoint): Uint8Array {
  const bytes = new Uint8Array(ENDPOINT_SIZE);
  writeEndpoint(endpoint, bytes, 0);
  return bytes;
}

/** SE: 10.0.0.0/8 and 2001::/16. DE: 10.128.0.0/9 is not, 192.0.0.0/8 is. */
const COUNTRIES: Countries = {
  path: 'countries',
  stamp: '',
  ipv4: rangesOfPrefixes(
    1,
    Uint32Array.of(0x0a00_0000, 0xc000_0000),
    Uint32Array.of(0x0aff_ffff, 0xc0ff_ffff),
    Uint32Array.from(['SE', 'DE'], (code) => countryNumber(code)!),
  ),
  ipv6: rangesOfPrefixes(
    4,
    Uint32Array.of(0x2001_0000, 0, 0, 0),
    Uint32Array.of(0x2001_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff),
    Uint32Array.of(countryNumber('SE')!),
  ),
};

describe('what a list permits', () => {
  test.each([
    [[], '127.0.0.1', true],
    [['permit 127.0.0.1'], '127.0.0.1', true],
    [['permit 127.0.0.1'], '127.0.0.2', false],
    [['permit 127.0.0.1'], '::1', false],
    [['deny 127.0.0.1'], '127.0.0.1', false],
    [['deny 127.0.0.1'], '127.0.0.2', true],
    [['deny 10.0.0.9', 'permit 10.0.0.8'], '10.0.0.7', false],
    [['deny 10.0.0.9', 'permit 10.0.0.0 255.0.0.0'], '10.0.0.9', false],
    [['permit 10.0.0.0 255.0.0.0', 'deny 10.0.0.9'], '10.0.0.9', true],
    [['permit 10.1.2.3 255.0.0.0'], '10.9.9.9', true],
    [['permit 0.0.0.0/0'], '255.255.255.255', true],
    [['permit 0.0.0.0/0'], '::1', false],
    [['deny 255.255.255.255'], '255.255.255.255', false],
    [['permit 10.0.1.0 255.0.255.0'], '10.9.1.9', true],
    [['permit 10.0.1.0 255.0.255.0'], '10.9.2.9', false],
    [['permit 10.9.0.0/16', 'deny 10.0.1.0 255.0.255.0'], '10.9.1.9', true],
    [['deny 10.0.1.0 255.0.255.0', 'permit 10.9.0.0/16'], '10.9.1.9', false],
    [['permit 2001::/16'], '127.0.0.1', false],
    [['permit 2001::/16'], '2001:db8::1', true],
    [['permit 2001::/16'], '2002:db8::1', false],
    [['permit ::/0'], '2001:db8::1', true],
    [['permit ::/0'], '::1', true],
    [['permit ::/0'], '::ffff:0:1', false],
    [['permit ::/0'], '127.0.0.1', false],
    [['permit ::/0'], 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', true],
    [['deny ::/0', 'deny 10.0.0.1'], '10.0.0.2', true],
    [['permit ::ffff:10.0.0.0/104'], '10.1.1.1', true],
    [['permit country SE'], '10.1.2.3', true],
    [['permit country se'], '2001:db8::1', true],
    [['permit country SE'], '192.0.2.1', false],
    [['permit country SE'], '8.8.8.8', false],
    [['deny country SE'], '8.8.8.8', true],
    [['deny 10.2.0.0/16', 'permit country SE'], '10.2.0.1', false],
    [['permit country SE', 'deny 10.2.0.0/16'], '10.2.0.1', true],
    [['deny country SE', 'permit country DE', 'deny country DE'], '192.0.2.1', true],
    [['permit country FR'], '10.1.2.3', false],
  ] as const)('%j for %s: %s', (lines, address, wanted) => {
    writeWords(bank, [lines], COUNTRIES);
    expect(permits(bank, 0, record(literalEndpoint(address, 0, '')!), 0)).toBe(wanted);
  });
});

/** Few different bytes, so that addresses and prefixes meet. */
const byte = fc.constantFrom(0, 1, 10, 0x7f, 0x80, 192, 255);
const ipv4 = fc.array(byte, { minLength: 4, maxLength: 4 });
const ipv6 = fc.oneof(
  fc.array(byte, { minLength: 16, maxLength: 16 }),
  fc.array(byte, { minLength: 2, maxLength: 2 }).map((head) => [0x20, 1, ...head, ...new Array<number>(12).fill(0)]),
);
const text6 = (ip: readonly number[]): string =>
  Array.from({ length: 8 }, (_, i) => ((ip[i * 2]! << 8) | ip[i * 2 + 1]!).toString(16)).join(':');
const word = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(ipv4, fc.nat(32)).map(([ip, bits]) => `${ip.join('.')}/${bits}`) },
  { weight: 1, arbitrary: fc.tuple(ipv4, ipv4).map(([ip, mask]) => `${ip.join('.')} ${mask.join('.')}`) },
  { weight: 4, arbitrary: fc.tuple(ipv6, fc.nat(128)).map(([ip, bits]) => `${text6(ip)}/${bits}`) },
  { weight: 1, arbitrary: fc.constantFrom('country SE', 'country DE', 'country FR', 'unix') },
);
const line = fc.tuple(fc.constantFrom('permit', 'deny'), word).map((words) => words.join(' '));
const peers: fc.Arbitrary<Endpoint> = fc.oneof(
  ipv4.map((ip) => ({ kind: KIND_IPV4, ip: Uint8Array.from(ip), port: 1 }) as const),
  // What stands for an IPv4 address is one, whoever writes it.
  ipv6
    .filter((ip) => !text6(ip).startsWith('0:0:0:0:0:ffff'))
    .map((ip) => ({ kind: KIND_IPV6, ip: Uint8Array.from(ip), port: 1, scope: 0 }) as const),
  fc.constant({ kind: 1, path: '' } as const),
);

/** The rule of access lists, entry by entry and bit by bit. */
function decide(list: readonly AclEntry[], peer: Endpoint): boolean {
  const match = list.find((entry) => matches(entry, peer));
  if (match) return match.permits;
  if (peer.kind === 1) return true;
  return list.at(-1)?.permits !== true;
}

function matches(entry: AclEntry, peer: Endpoint): boolean {
  if (peer.kind === 1 || entry.kind === 'unix') return peer.kind === 1 && entry.kind === 'unix';
  if (entry.kind === 'country') return countryOf(peer) === entry.code;
  if (entry.kind !== peer.kind) return false;
  if (entry.kind === 4) {
    const number = peer.ip.reduce((sum, part) => sum * 256 + part, 0);
    return ((number & entry.mask) ^ entry.address) === 0;
  }
  const bits = (ip: readonly number[]): string => ip.map((part) => part.toString(2).padStart(16, '0')).join('');
  const parts = Array.from({ length: 8 }, (_, i) => (peer.ip[i * 2]! << 8) | peer.ip[i * 2 + 1]!);
  return bits(parts).slice(0, entry.prefix) === bits(entry.address).slice(0, entry.prefix);
}

function countryOf({ kind, ip }: Exclude<Endpoint, { kind: 1 }>): string {
  if (kind === KIND_IPV6) return ip[0] === 0x20 && ip[1] === 1 ? 'SE' : '';
  return ip[0] === 10 ? 'SE' : ip[0] === 192 ? 'DE' : '';
}

describe('a list of any entries', () => {
  test('is what the words say, entry by entry', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), fc.array(peers, { minLength: 1, maxLength: 8 }), (lines, who) => {
        writeWords(bank, [[], lines], COUNTRIES);
        for (const peer of who) expect(permits(bank, 1, record(peer), 0)).toBe(decide(entries(...lines), peer));
      }),
      { numRuns: 1000 },
    );
  });

  test('is the same in the tables whatever steps it came in', () => {
    const change = fc.record({
      list: fc.nat(2),
      keep: fc.oneof(fc.constant(Infinity), fc.nat(4)),
      add: fc.array(line, { maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        let state = {
          acls: [[], [], []] as readonly (readonly AclEntry[])[],
          namedAcls: EMPTY_CONFIGURATION.namedAcls,
        };
        let compiled = compileLists(state, COUNTRIES);
        writeLists(bank, compiled);
        for (const { list, keep, add } of changes) {
          const kept = state.acls[list]!.slice(0, keep);
          const next = { ...state, acls: state.acls.with(list, [...kept, ...entries(...add)]) };
          const lists = compileLists(next, COUNTRIES, state);
          writeLists(bank, lists, compiled);
          // Copies are lists that nobody has seen yet.
          writeLists(other, compileLists({ ...next, acls: next.acls.map((one) => [...one]) }, COUNTRIES));
          for (const table of ['acls', 'aclRanges4', 'aclRanges6', 'aclMasks'] as const) {
            const rows = rowsOfLists(lists)[table]!;
            const width = table === 'aclRanges6' ? 4 : 1;
            for (const [name, column] of Object.entries<NumberArray>(bank[table])) {
              const twin = (other[table] as Readonly<Record<string, NumberArray>>)[name]!;
              const length = rows * (name === 'start' ? width : 1);
              expect(column.subarray(0, length), `${table}.${name}`).toEqual(twin.subarray(0, length));
            }
          }
          [state, compiled] = [next, lists];
        }
      }),
    );
  });
});

describe('compiling', () => {
  const many = entries(...Array.from({ length: 5000 }, (_, i) => `permit 10.0.${i >> 8}.${i & 255}`));

  test('is done once for a list, and again only for other countries', () => {
    const list = compileList(many, undefined);
    expect(compileList(many, COUNTRIES)).toBe(list);
    const named = entries('permit country SE');
    const first = compileList(named, COUNTRIES);
    expect(compileList(named, COUNTRIES)).toBe(first);
    expect(
      compileList(named, {
        ...COUNTRIES,
        ipv4: rangesOfPrefixes(1, new Uint32Array(), new Uint32Array(), new Uint32Array()),
      }).ipv4.count,
    ).toBe(1);
  });

  test('leaves the other kind of addresses alone', () => {
    const before = compileList(many, undefined);
    const after = compileList([...many, ...entries('deny 10.9.0.0/16')], undefined, many);
    expect(after.ipv4.count).toBe(before.ipv4.count + 2);
    expect(after.ipv6).toBe(before.ipv6);
    expect(after.unix).toBe(NO_VALUE);
  });
});

describe('what there is no room for is told', () => {
  const refused = (acls: readonly (readonly AclEntry[])[], names = 0): string => {
    const [entry] = entries('permit 10.0.0.1');
    const namedAcls = new Map(Array.from({ length: names }, (_, i) => [`n${i}`, [entry!]]));
    try {
      rowsOfLists(
        compileLists({ acls: [...acls, ...EMPTY_CONFIGURATION.acls.slice(acls.length)], namedAcls }, undefined),
      );
      return '';
    } catch (error) {
      return error instanceof ConfigError ? error.message : String(error);
    }
  };

  test('entries, masks with holes, names', () => {
    const [entry] = entries('permit unix');
    const [mask] = entries('permit 10.0.0.1 255.0.0.255');
    expect(refused([new Array<AclEntry>(ACL_ENTRIES_MAX).fill(entry!)])).toBe('');
    expect(refused([new Array<AclEntry>(ACL_ENTRIES_MAX + 1).fill(entry!)])).toBe(
      'acl: there is room for 524288 entries in all lists together, not for 524289',
    );
    expect(refused([new Array<AclEntry>(ACL_MASKS_MAX).fill(mask!)])).toBe('');
    expect(refused([new Array<AclEntry>(ACL_MASKS_MAX + 1).fill(mask!)])).toContain('room for 512 masks with holes');
    expect(refused([], ACLS_MAX - 10)).toBe('');
    expect(refused([], ACLS_MAX - 9)).toContain('room for 240 access lists with names, not for 241');
  });
});
