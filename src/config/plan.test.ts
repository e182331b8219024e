import fc from 'fast-check';
import { expect, test } from 'vitest';
import { aclEntryText, parseAclEntry } from './access-list.ts';
import { EMPTY_CONFIGURATION, withAcl, type AclEntry, type Configuration } from './model.ts';
import { differenceOf } from './plan.ts';

const ENTRIES = ['permit 10.0.0.1', 'deny 10.0.0.2', 'permit unix'].map((text) => parseAclEntry(text.split(' '), ''));

function listed(...entries: readonly AclEntry[]): Configuration {
  return withAcl(withAcl(EMPTY_CONFIGURATION, 3, entries), 'office', entries);
}

function linesOf(entries: readonly AclEntry[]): string[] {
  return [3, 'office'].flatMap((id) => entries.map((entry) => `acl ${id} ${aclEntryText(entry)}`));
}

test('what goes and what comes is what is not in both', () => {
  const list = fc.array(fc.constantFrom(...ENTRIES), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(list, list, (before, after) => {
      const { removed, added } = differenceOf(listed(...before), listed(...after));
      expect([...linesOf(before), ...added].sort()).toEqual([...linesOf(after), ...removed].sort());
      if (before.length > after.length) expect(removed.length).toBeGreaterThan(added.length);
    }),
  );
});

test('entries that stay where they are, seen from either end, are not written out', () => {
  const trap: AclEntry = {
    permits: true,
    get kind(): 'unix' {
      throw new Error('somebody looks');
    },
  };
  const [one, other] = [ENTRIES[0] as AclEntry, ENTRIES[1] as AclEntry];
  expect(differenceOf(listed(trap, one, trap), listed(trap, other, one, trap))).toEqual({
    removed: [],
    added: linesOf([other]),
  });
});
