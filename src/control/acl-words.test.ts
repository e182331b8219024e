import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { permits } from '../balance/access.ts';
import { ENDPOINT_SIZE, KIND_IPV4, KIND_IPV6, writeEndpoint, type Endpoint } from '../base/endpoint.ts';
import { parseAclEntry } from '../config/access-list.ts';
import { literalEndpoint } from '../config/address.ts';
import { ConfigError, type AclEntry } from '../config/model.ts';
import { ACL_ENTRIES_MAX } from '../table/limits.ts';
import { createTables, openTables, type ConfigBank } from '../table/tables.ts';
import { countAclRows, writeAcls } from './acl-words.ts';

const { config } = openTables(createTables());
const [bank] = config;

function entries(...lines: string[]): AclEntry[] {
  return lines.map((line) => parseAclEntry(line.split(' '), ''));
}

function record(endpoint: Endpoint): Uint8Array {
  const bytes = new Uint8Array(ENDPOINT_SIZE);
  writeEndpoint(endpoint, bytes, 0);
  return bytes;
}

function isPermitted(list: readonly AclEntry[], address: string): boolean {
  writeAcls(bank, [list]);
  return permits(bank, 0, record(literalEndpoint(address, 0, '')!), 0);
}

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
    [['permit 10.1.2.3 255.0.0.0'], '10.9.9.9', true],
    [['permit 2001::/16'], '127.0.0.1', false],
    [['permit 2001::/16'], '2001:db8::1', true],
    [['permit 2001::/16'], '2002:db8::1', false],
    [['permit ::/0'], '2001:db8::1', true],
    [['permit ::/0'], '::1', true],
    [['permit ::/0'], '::ffff:0:1', false],
    [['permit ::/0'], '127.0.0.1', false],
    [['deny ::/0', 'deny 10.0.0.1'], '10.0.0.2', true],
    [['permit ::ffff:10.0.0.0/104'], '10.1.1.1', true],
  ] as const)('%j for %s: %s', (lines, address, wanted) => {
    expect(isPermitted(entries(...lines), address)).toBe(wanted);
  });

  test('is what the words say, entry by entry', () => {
    const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
    const ipv6 = fc.oneof(
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.constant(new Uint8Array(16)),
      fc
        .uint8Array({ minLength: 6, maxLength: 6 })
        .map((tail) => Uint8Array.of(...new Array<number>(10).fill(0), ...tail)),
    );
    const entry = fc.oneof(
      fc.record({
        permits: fc.boolean(),
        kind: fc.constant(4 as const),
        ip: ipv4,
        bits: fc.integer({ min: 0, max: 32 }),
      }),
      fc.record({
        permits: fc.boolean(),
        kind: fc.constant(6 as const),
        ip: ipv6,
        bits: fc.integer({ min: 0, max: 128 }),
      }),
    );
    const peer = fc.oneof(
      ipv4.map((ip) => ({ kind: KIND_IPV4, ip, port: 1 }) as const),
      ipv6.map((ip) => ({ kind: KIND_IPV6, ip, port: 1, scope: 0 }) as const),
    );
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 3 }), peer, fc.integer({ min: -1, max: 2 }), (list, who, near) => {
        // Random addresses rarely match: often the peer is one of the entries, but for its last bits.
        const model = list[near];
        if (model && who.kind === model.kind) for (let i = 0; i < model.bits >> 3; i++) who.ip[i] = model.ip[i]!;
        // What the system calls an IPv4 peer.
        fc.pre(who.kind !== KIND_IPV6 || !isMapped(who.ip));
        fc.pre(list.every(({ kind, ip }) => kind !== 6 || !isMapped(ip)));
        const words = list.map(({ permits, kind, ip, bits }) =>
          parseAclEntry([permits ? 'permit' : 'deny', `${textOf(kind, ip)}/${bits}`], ''),
        );
        writeAcls(bank, [[], words]);
        expect(permits(bank, 1, record(who), 0)).toBe(decide(list, who));
      }),
      { numRuns: 3000 },
    );
  });
});

interface Model {
  readonly permits: boolean;
  readonly kind: 4 | 6;
  readonly ip: Uint8Array;
  readonly bits: number;
}

/** The rule of access lists, bit by bit. */
function decide(list: readonly Model[], { kind, ip }: { kind: number; ip: Uint8Array }): boolean {
  const bit = (bytes: Uint8Array, at: number): number => (bytes[at >> 3]! >> (7 - (at & 7))) & 1;
  for (const entry of list) {
    if (entry.kind !== kind) continue;
    let at = 0;
    while (at < entry.bits && bit(ip, at) === bit(entry.ip, at)) at++;
    if (at === entry.bits) return entry.permits;
  }
  const last = list.at(-1);
  return last === undefined ? true : !last.permits;
}

function isMapped(ip: Uint8Array): boolean {
  return ip.subarray(0, 10).every((byte) => byte === 0) && ip[10] === 255 && ip[11] === 255;
}

function textOf(kind: 4 | 6, ip: Uint8Array): string {
  if (kind === 4) return ip.join('.');
  return Array.from({ length: 8 }, (_, i) => ((ip[i * 2]! << 8) | ip[i * 2 + 1]!).toString(16)).join(':');
}

test('several lists lie one behind the other', () => {
  writeAcls(bank, [entries('permit 10.0.0.1'), [], entries('deny 10.0.0.2', 'deny 10.0.0.3')]);
  expect([...bank.acls.first.subarray(0, 3)]).toEqual([0, 1, 1]);
  expect([...bank.acls.count.subarray(0, 3)]).toEqual([1, 0, 2]);
});

test('more entries than there is room for are refused', () => {
  const [entry] = entries('permit 10.0.0.1');
  expect(countAclRows([new Array<AclEntry>(ACL_ENTRIES_MAX).fill(entry!)])).toBe(ACL_ENTRIES_MAX);
  expect(() => countAclRows([new Array<AclEntry>(ACL_ENTRIES_MAX + 1).fill(entry!)])).toThrow(ConfigError);
});

describe('lists that change', () => {
  const words = (from: ConfigBank, lists: number, rows: number): number[][] =>
    [from.acls.first, from.acls.count, from.acls.otherwise]
      .map((column) => [...column.subarray(0, lists)])
      .concat(Object.values(from.aclEntries).map((column) => [...column.subarray(0, rows)]));

  test('cost what was changed: an entry at the end is one row, however many there are', () => {
    const many = entries(...Array.from({ length: 5000 }, (_, i) => `permit 10.0.${i >> 8}.${i & 255}`));
    const before = [many, [], entries('deny 10.9.0.1')];
    expect(writeAcls(bank, before)).toBe(5001);
    expect(writeAcls(bank, before, before)).toBe(0);
    const after = before.with(2, [...before[2]!, ...entries('deny 10.9.0.2')]);
    expect(writeAcls(bank, after, before)).toBe(1);
    const more = after.with(0, [...many, ...entries('permit 2001:db8::/32')]);
    expect(writeAcls(bank, more, after), 'itself, and the list behind, which has moved').toBe(3);
    expect(writeAcls(bank, more.with(0, []), more)).toBe(2);
  });

  test('are the same in the tables as if they were written anew', () => {
    const line = fc.constantFrom('permit 10.0.0.1', 'deny 10.0.0.0/8', 'permit ::/0', 'deny ::/93', 'permit 2001::/16');
    const change = fc.record({
      list: fc.nat(2),
      keep: fc.oneof(fc.constant(Infinity), fc.nat(4)),
      add: fc.array(line, { maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        const [kept, fresh] = config;
        let lists: readonly (readonly AclEntry[])[] = [[], [], []];
        writeAcls(kept, lists);
        for (const { list, keep, add } of changes) {
          const next = lists.with(list, [...lists[list]!.slice(0, keep), ...entries(...add)]);
          const rows = countAclRows(next);
          expect(writeAcls(kept, next, lists)).toBeLessThanOrEqual(rows);
          expect(writeAcls(fresh, next)).toBe(rows);
          expect(words(kept, 3, rows)).toEqual(words(fresh, 3, rows));
          lists = next;
        }
      }),
    );
  });
});
