/** Access lists: what holds when nothing matches, and whom the source limit spares. `compiled-list.test.ts` has the rest. */
import { describe, expect, test } from 'vitest';
import { writeWords } from '../control/access-lists.suite.ts';
import { beginPublish, commitPublish, configAt, currentVersion } from '../table/publish.ts';
import { ACL_NONE } from '../table/schema.ts';
import { createTables, openTables, type ConfigBank } from '../table/tables.ts';
import { isTrusted, permits } from './access.ts';
import { peer } from './farm.suite.ts';

const tables = openTables(createTables());
const ROWS = 100;

/** Publishes lists 0, 1, ..., in the words of commands. */
function build(lists: readonly (readonly string[])[], trusted = ACL_NONE): ConfigBank {
  const rows = { aclRanges4: ROWS, aclRanges6: ROWS, aclMasks: ROWS };
  const draft = beginPublish(tables, { acls: lists.length, ...rows, settings: 1 })!;
  draft.settings.trustedAcl[0] = trusted;
  writeWords(draft, lists);
  commitPublish(tables);
  return configAt(tables, currentVersion(tables));
}

const UNIX = new Uint8Array(24);
UNIX[0] = 1;
const c1 = [127, 0, 0, 1];
const c9 = [127, 0, 0, 9];

const far6 = [0x20, 1, ...new Array<number>(14).fill(9)];

describe('an access list', () => {
  test('that is empty permits, and so does none', () => {
    const config = build([[]]);
    expect(permits(config, 0, peer(c1), 0)).toBe(true);
    expect(permits(config, ACL_NONE, peer(c1), 0)).toBe(true);
  });

  test('says for whom nothing matches the opposite of its last entry', () => {
    const list = ['deny 127.0.0.9', 'permit 127.0.0.9', 'deny 10.0.0.0/8'];
    const verdicts = [1, 2, 3].map((length) => {
      const config = build([list.slice(0, length)]);
      return [permits(config, 0, peer(c1), 0), permits(config, 0, peer(c9), 0)];
    });
    expect(verdicts).toEqual([
      [true, false],
      [false, false],
      [true, false],
    ]);
  });

  test('of IPv6 alone has a last entry for IPv4 clients, too', () => {
    const config = build([['permit 2001::/16']]);
    expect(permits(config, 0, peer(c1), 0)).toBe(false);
    expect(permits(config, 0, peer(far6), 0)).toBe(true);
  });

  test.each([
    [['deny 0.0.0.0/0', 'deny ::/0'], true],
    [['permit unix'], true],
    [['deny unix'], false],
    [['permit unix', 'deny unix'], true],
    [['deny unix', 'permit 127.0.0.9'], false],
  ])('%j for a unix client: %s', (list, wanted) => {
    expect(permits(build([list]), 0, UNIX, 0)).toBe(wanted);
  });

  test('of unix clients alone has a last entry for others, too', () => {
    const config = build([['deny unix'], ['permit unix']]);
    expect([0, 1].map((acl) => permits(config, acl, peer(c1), 0))).toEqual([true, false]);
  });

  test('is one of several that do not touch', () => {
    const config = build([['deny 127.0.0.1'], [], ['permit 127.0.0.1']]);
    expect([0, 1, 2].map((acl) => permits(config, acl, peer(c1), 0))).toEqual([false, true, true]);
    expect([0, 1, 2].map((acl) => permits(config, acl, peer(c9), 0))).toEqual([true, true, false]);
  });

  test('reads the address at its place among many', () => {
    const config = build([['deny 127.0.0.9']]);
    const peers = new Uint8Array([...peer(c1), ...peer(c9)]);
    expect([0, 24].map((at) => permits(config, 0, peers, at))).toEqual([true, false]);
  });
});

describe('trusted sources', () => {
  test('are those the list permits; without a list, or with an empty one, nobody is', () => {
    const list = ['permit 10.0.0.0/8'];
    const sources = [peer([10, 1, 2, 3]), peer(c1)];
    expect(sources.map((source) => isTrusted(build([[], list], 1), source, 0))).toEqual([true, false]);
    expect(sources.map((source) => isTrusted(build([[], list]), source, 0))).toEqual([false, false]);
    expect(sources.map((source) => isTrusted(build([[], list], 0), source, 0))).toEqual([false, false]);
  });

  test('and who comes by a unix socket', () => {
    expect(isTrusted(build([[]]), UNIX, 0)).toBe(true);
  });
});
