/** Access lists: order, what holds when nothing matches, masks of every length, and whom the source limit spares. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { beginPublish, commitPublish, configAt, currentVersion } from '../table/publish.ts';
import { ACL_DENY, ACL_NONE, ACL_PERMIT } from '../table/schema.ts';
import { createTables, openTables, type ConfigBank } from '../table/tables.ts';
import { isTrusted, permits } from './access.ts';
import { peer } from './farm.suite.ts';

const tables = openTables(createTables());

interface Entry {
  readonly deny?: boolean;
  /** 16 bytes, or 4 of an IPv4 address. */
  readonly ip: readonly number[];
  /** Bits, of the 128. */
  readonly bits: number;
}

/** The bytes of an address, ::ffff:a.b.c.d for IPv4. */
function bytesOf(ip: readonly number[]): readonly number[] {
  return ip.length === 4 ? [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...ip] : ip;
}

function wordOf(bytes: readonly number[], word: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(word * 4, word * 4 + 4);
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

/** The mask's bytes for so many leading bits. */
function maskOf(bits: number): number[] {
  return Array.from({ length: 16 }, (_, byte) => (0xff00 >>> Math.min(8, Math.max(0, bits - byte * 8))) & 255);
}

/** Publishes lists 0, 1, ...; what holds for nobody else is the opposite of the last entry. */
function build(lists: readonly (readonly Entry[])[], trusted = ACL_NONE): ConfigBank {
  const entries = lists.flat();
  const draft = beginPublish(tables, { acls: lists.length, aclEntries: entries.length, settings: 1 })!;
  draft.settings.trustedAcl[0] = trusted;
  let first = 0;
  lists.forEach((list, acl) => {
    draft.acls.first[acl] = first;
    draft.acls.count[acl] = list.length;
    const last = list.at(-1);
    draft.acls.otherwise[acl] = last === undefined || last.deny === true ? ACL_PERMIT : ACL_DENY;
    first += list.length;
  });
  entries.forEach(({ deny, ip, bits }, entry) => {
    draft.aclEntries.action[entry] = deny === true ? ACL_DENY : ACL_PERMIT;
    const mask = maskOf(bits);
    const bytes = bytesOf(ip).map((byte, index) => byte & mask[index]!);
    for (const word of [0, 1, 2, 3] as const) {
      draft.aclEntries[`address${word}`][entry] = wordOf(bytes, word);
      draft.aclEntries[`mask${word}`][entry] = wordOf(mask, word);
    }
  });
  commitPublish(tables);
  return configAt(tables, currentVersion(tables));
}

const UNIX = new Uint8Array(24);
UNIX[0] = 1;
const c1 = [127, 0, 0, 1];
const c9 = [127, 0, 0, 9];

describe('an access list', () => {
  test('that is empty permits, and so does none', () => {
    const config = build([[]]);
    expect(permits(config, 0, peer(c1), 0)).toBe(true);
    expect(permits(config, ACL_NONE, peer(c1), 0)).toBe(true);
  });

  test('says for whom nothing matches the opposite of its last entry', () => {
    const stages = [
      [{ deny: true, ip: c9, bits: 128 }],
      [
        { deny: true, ip: c9, bits: 128 },
        { ip: c9, bits: 128 },
      ],
      [
        { deny: true, ip: c9, bits: 128 },
        { ip: c9, bits: 128 },
        { deny: true, ip: [10, 0, 0, 0], bits: 104 },
      ],
    ];
    const verdicts = stages.map((list) => {
      const config = build([list]);
      return [permits(config, 0, peer(c1), 0), permits(config, 0, peer(c9), 0)];
    });
    expect(verdicts).toEqual([
      [true, false],
      [false, false],
      [true, false],
    ]);
  });

  test('of IPv6 alone has a last entry for IPv4 clients, too', () => {
    const config = build([[{ ip: [0x20, 1, ...new Array<number>(14).fill(0)], bits: 16 }]]);
    expect(permits(config, 0, peer(c1), 0)).toBe(false);
    expect(permits(config, 0, peer([0x20, 1, ...new Array<number>(14).fill(9)]), 0)).toBe(true);
  });

  test('always permits unix clients', () => {
    expect(permits(build([[{ deny: true, ip: new Array<number>(16).fill(0), bits: 0 }]]), 0, UNIX, 0)).toBe(true);
  });

  test('is one of several that do not touch', () => {
    const config = build([[{ deny: true, ip: c1, bits: 128 }], [], [{ ip: c1, bits: 128 }]]);
    expect([0, 1, 2].map((acl) => permits(config, acl, peer(c1), 0))).toEqual([false, true, true]);
    expect([0, 1, 2].map((acl) => permits(config, acl, peer(c9), 0))).toEqual([true, true, false]);
  });

  test('reads the address at its place among many', () => {
    const config = build([[{ ip: c9, bits: 128 }]]);
    const peers = new Uint8Array([...peer(c1), ...peer(c9)]);
    expect([0, 24].map((at) => permits(config, 0, peers, at))).toEqual([false, true]);
  });

  test('decides as a list of texts would, by the first entry whose bits are equal', () => {
    const bits = (ip: readonly number[], count: number): string =>
      bytesOf(ip)
        .map((byte) => byte.toString(2).padStart(8, '0'))
        .join('')
        .slice(0, count);
    const near = fc.array(fc.constantFrom(0, 1, 0x80, 255), { minLength: 16, maxLength: 16 });
    const entry = fc.record({ deny: fc.boolean(), ip: near, bits: fc.nat(128) });
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 6 }),
        fc.array(near, { minLength: 1, maxLength: 5 }),
        (list, clients) => {
          const config = build([list]);
          for (const ip of clients) {
            const match = list.find((one) => bits(one.ip, one.bits) === bits(ip, one.bits));
            const expected = match === undefined ? (list.at(-1)?.deny ?? true) : !match.deny;
            expect(permits(config, 0, peer(ip), 0)).toBe(expected);
          }
        },
      ),
    );
  });
});

describe('trusted sources', () => {
  test('are those the list permits; without a list, or with an empty one, nobody is', () => {
    const list = [{ ip: [10, 0, 0, 0], bits: 104 }];
    const sources = [peer([10, 1, 2, 3]), peer(c1)];
    expect(sources.map((source) => isTrusted(build([[], list], 1), source, 0))).toEqual([true, false]);
    expect(sources.map((source) => isTrusted(build([[], list]), source, 0))).toEqual([false, false]);
    expect(sources.map((source) => isTrusted(build([[], list], 0), source, 0))).toEqual([false, false]);
  });

  test('and who comes by a unix socket', () => {
    expect(isTrusted(build([[]]), UNIX, 0)).toBe(true);
  });
});
