import { expect, test } from 'vitest';
import { isTestPath, readSources, resolveImport, roomOf, rooms, Source } from './source.ts';

/**
 * Import law: a room imports only from the rooms its row in `rooms.json` names.
 *
 * Direction is what keeps one engine testable in a simulator and the data plane free of promises; a single import
 * the wrong way undoes it, and nobody sees it in review.
 */
function importLaw(sources: readonly Source[]): string[] {
  return sources.filter((source) => !source.isTest).flatMap(checkFile);
}

function checkFile(source: Source): string[] {
  const { room } = source;
  if (room === undefined) return [`${source.path}: every file of src/ lives in a room; move it into one`];
  const rule = rooms[room];
  if (rule === undefined) {
    return [`${source.path}: src/${room} is no room; use an existing one, or argue for a new row in rooms.json`];
  }
  const complaints: string[] = [];
  for (const { from, typeOnly, start } of source.imports) {
    const complaint = judge(source, room, from, typeOnly);
    if (complaint !== undefined) complaints.push(`${source.at(start)}: ${complaint}`);
  }
  return complaints;
}

function judge(source: Source, room: string, from: string | undefined, typeOnly: boolean): string | undefined {
  const rule = rooms[room];
  if (from === undefined) return 'a computed import cannot be judged; import a literal path';
  if (from.startsWith('node:')) {
    return rule.pure === true ? `${room} is pure and knows no ${from}; take what it gives as an argument` : undefined;
  }
  if (!from.startsWith('.')) {
    if (rule.packages?.includes(from) === true) return undefined;
    return `${room} may not import the package ${from}; ask the room that owns it, or add it to rooms.json with a reason`;
  }
  const target = resolveImport(source, from);
  if (isTestPath(target))
    return `${from} is a test; production does not lean on tests, move what is shared into a room`;
  const other = roomOf(target);
  if (other === undefined) return `${from} lies outside the rooms of src/; move it into a room`;
  if (other === room || rule.may.includes(other)) return undefined;
  if (rule.mayTypes?.includes(other) === true) {
    return typeOnly
      ? undefined
      : `${room} may import types of ${other} only; write "import type", the code is injected`;
  }
  if (other === 'sim') return 'production never imports sim; invert it: let the simulator inject what it fakes';
  const allowed = rule.may.length === 0 ? 'nothing' : rule.may.join(', ');
  return `${room} may import ${allowed}, not ${other}; declare the contract here or below, and let src/bin inject it`;
}

test('rooms import only what their row allows', () => {
  expect(importLaw(readSources('src'))).toEqual([]);
});

test('the rooms themselves form no circle', () => {
  const reaches = (from: string, goal: string): boolean =>
    rooms[from].may.some((next) => next === goal || reaches(next, goal));
  expect(Object.keys(rooms).filter((room) => reaches(room, room))).toEqual([]);
});

test.each([
  ['src/engine/a.ts', "import { x } from '../linux/b.ts';", 'engine may import base'],
  ['src/engine/a.ts', "export * from '../control/b.ts';", 'engine may import base'],
  ['src/engine/a.ts', "type X = import('../control/b.ts').X;", 'engine may import base'],
  ['src/control/a.ts', "const x = await import('../sim/b.ts');", 'never imports sim'],
  ['src/control/a.ts', "import { x } from '../loop/loop.ts';", 'types of loop only'],
  ['src/control/a.ts', 'const x = await import(name);', 'computed import'],
  ['src/base/a.ts', "import { x } from 'node:fs';", 'knows no node:fs'],
  ['src/base/a.ts', "import { x } from './b.test.ts';", 'is a test'],
  ['src/base/a.ts', "import { x } from '../../scripts/b.mjs';", 'outside the rooms'],
  ['src/config/a.ts', "import yaml from 'yaml';", 'may not import the package yaml'],
  ['src/attic/a.ts', 'export {};', 'is no room'],
  ['src/a.ts', 'export {};', 'lives in a room'],
])('%s with %s is refused', (path, text, why) => {
  expect(importLaw([new Source(path, text)])).toEqual([expect.stringContaining(why)]);
});

test.each([
  ['src/engine/a.ts', "import { x } from '../table/b.ts'; import { y } from './c.ts';"],
  ['src/control/a.ts', "import type { L } from '../loop/loop.ts'; import { readFile } from 'node:fs/promises';"],
  ['src/engine/a.test.ts', "import { x } from '../sim/b.ts';"],
  ['src/bin/pen.ts', "import { x } from '../engine/b.ts'; import { y } from '../linux/c.ts';"],
])('%s with %s is fine', (path, text) => {
  expect(importLaw([new Source(path, text)])).toEqual([]);
});
