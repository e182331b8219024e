import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { root } from './source.ts';

/** Graph law: the drawing of the rooms in the architecture page is the one the source makes. */

const page = join(root, 'docs', 'architecture.md');
const folder = mkdtempSync(join(tmpdir(), 'pen-graph-'));
afterAll(() => rmSync(folder, { recursive: true }));

function graph(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(root, 'scripts', 'graph.mjs'), ...args], { encoding: 'utf8' });
}

test('the drawing in docs/architecture.md is fresh, if there is one', () => {
  if (existsSync(page)) expect(graph('--check').stderr).toBe('');
});

test('the table of rooms has those that there are, and the text below it those that are to come', () => {
  const law = JSON.parse(readFileSync(join(root, 'test', 'laws', 'rooms.json'), 'utf8')) as Record<
    string,
    { pure?: true }
  >;
  const [, section = ''] = /^## Rooms\n([^]*?)^Which rooms import which/m.exec(readFileSync(page, 'utf8')) ?? [];
  const rows = [...section.matchAll(/^\| `(\w+)` \|.*\|.*\| ?(yes|) ?\|$/gm)];
  const there = readdirSync(join(root, 'src'));
  expect(new Map(rows.map(([, room, pure]) => [room, pure === 'yes']))).toEqual(
    new Map(there.map((room) => [room, law[room]?.pure === true])),
  );
  const [, later = ''] = /^The law names more rooms[^(]*\(([^)]*)\)/m.exec(section) ?? [];
  const toCome = Object.keys(law).filter((room) => !there.includes(room));
  expect(new Set([...later.matchAll(/\w+/g)].map(String))).toEqual(new Set(toCome));
});

test('a stale drawing is refused, a written one is fresh', () => {
  const copy = join(folder, 'page.md');
  writeFileSync(copy, 'before\n<!-- graph:begin -->\nold\n<!-- graph:end -->\nafter\n');
  expect(graph('--check', '--file', copy)).toMatchObject({ status: 1, stderr: expect.stringContaining('out of date') });
  expect(graph('--write', '--file', copy)).toMatchObject({ status: 0, stderr: '' });
  expect(graph('--check', '--file', copy)).toMatchObject({ status: 0, stderr: '' });
  expect(readFileSync(copy, 'utf8')).toMatch(
    /^before\n<!-- graph:begin -->\n```mermaid\ngraph TD\n[^]*```\n<!-- graph:end -->\nafter\n$/,
  );
});

test('a page without markers is refused', () => {
  const copy = join(folder, 'bare.md');
  writeFileSync(copy, 'nothing\n');
  expect(graph('--write', '--file', copy)).toMatchObject({ status: 1, stderr: expect.stringContaining('no block') });
});
