/** Access lists for tests, in the words of commands. */
import type { Countries } from '../base/countries.ts';
import { parseAclEntry } from '../config/access-list.ts';
import type { AclEntry } from '../config/model.ts';
import type { ConfigBank } from '../table/tables.ts';
import { compileLists, writeLists } from './access-lists.ts';

/** `permit 10.0.0.1`, `deny ::/0`, ... */
export function entries(...lines: readonly string[]): AclEntry[] {
  return lines.map((line) => parseAclEntry(line.split(' '), ''));
}

/** Writes lists 0, 1, ... into a draft that has rows enough. */
export function writeWords(draft: ConfigBank, lists: readonly (readonly string[])[], countries?: Countries): void {
  const acls = lists.map((lines) => entries(...lines));
  writeLists(draft, compileLists({ acls, namedAcls: new Map() }, countries));
}
