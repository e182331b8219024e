import { expect, test } from 'vitest';
import { isNode, isPropertyName, readJson, readSources, rooms, Source, type Node } from './source.ts';

/** What a pure room may not name, and what it does instead. */
const impure: Record<string, string> = {
  Date: 'take nowUs or nowMs as an argument',
  performance: 'take nowUs as an argument',
  process: 'take the setting as an argument; src/bin reads the process',
  setTimeout: 'put a deadline into the timer wheel',
  setInterval: 'put a deadline into the timer wheel',
  setImmediate: 'do it in this turn, or in the next by a deadline',
  queueMicrotask: 'do it in this turn',
  Promise: 'submit to the loop and act on its completion',
  WeakRef: 'free the slot by name; collection has no order',
  FinalizationRegistry: 'free the slot by name; collection has no order',
  console: 'raise a counter or write a record into the ring; the main thread prints',
  globalThis: 'take what you need as an argument',
};

/**
 * Clock law, first half: base, table, balance, health, stream, loop and engine are functions of their arguments.
 *
 * Time, chance and the platform are what a seed cannot replay: one Date.now() in a decision and the simulator's
 * failing run cannot be repeated.
 */
function purityLaw(sources: readonly Source[]): string[] {
  return sources.filter((source) => !source.isTest && rooms[source.room ?? '']?.pure === true).flatMap(checkPurity);
}

function checkPurity(source: Source): string[] {
  const complaints: string[] = [];
  const complain = (node: Node, what: string, instead: string): void => {
    complaints.push(`${source.at(node.start)}: ${source.room} is pure and knows no ${what}; ${instead}`);
  };
  source.walk((node, parent, key) => {
    const name = node['name'];
    if (node.type === 'Identifier' && typeof name === 'string' && !isPropertyName(parent, key)) {
      const instead = Object.hasOwn(impure, name) ? impure[name] : undefined;
      if (instead !== undefined) complain(node, name, instead);
    }
    if (isMember(node, 'Math', 'random')) complain(node, 'Math.random', 'take the seeded generator as an argument');
    if (isMember(node, 'Atomics', 'waitAsync')) complain(node, 'Atomics.waitAsync', 'act on a wake-up of the loop');
    if (node['async'] === true || node.type === 'AwaitExpression' || node['await'] === true) {
      complain(node, 'async and await', 'submit to the loop and act on its completion');
    }
  });
  return complaints;
}

/** Clock law, second half: files elsewhere that read the real clock, each with the reason it must. */
const clocks = readJson('test/laws/clocks.json') as Record<string, string>;

function realClockLaw(sources: readonly Source[], allowed: Record<string, string>): string[] {
  const complaints: string[] = [];
  for (const source of sources) {
    if (source.isTest) continue;
    const reads = clockReads(source);
    if (Object.hasOwn(allowed, source.path)) {
      if (reads.length === 0) complaints.push(`${source.path}: reads no clock any more; remove it from clocks.json`);
    } else {
      for (const at of reads) {
        complaints.push(
          `${at}: reads the real clock; take the time as an argument, or list the file in clocks.json and say why`,
        );
      }
    }
  }
  const known = new Set(sources.map((source) => source.path));
  for (const path of Object.keys(allowed)) {
    if (!known.has(path)) complaints.push(`${path}: listed in clocks.json, but there is no such file; remove it`);
  }
  return complaints;
}

function clockReads(source: Source): string[] {
  const reads: string[] = [];
  source.walk((node, parent, key) => {
    const name = node.type === 'Identifier' && !isPropertyName(parent, key) ? node['name'] : undefined;
    const isRead = (name === 'Date' && !isCalendar(parent)) || name === 'performance';
    if (isRead || isMember(node, 'process', 'hrtime')) reads.push(source.at(node.start));
  });
  return reads;
}

/** `new Date(ms)`, `Date.UTC`, `Date.parse` and the type: they convert a time that somebody else has read. */
function isCalendar(parent: Node | undefined): boolean {
  if (parent === undefined) return false;
  if (parent.type === 'NewExpression') return Array.isArray(parent['arguments']) && parent['arguments'].length > 0;
  return parent.type === 'TSTypeReference' || isMember(parent, 'Date', 'UTC') || isMember(parent, 'Date', 'parse');
}

function isMember(node: Node, object: string, property: string): boolean {
  if (node.type !== 'MemberExpression') return false;
  const left = node['object'];
  const right = node['property'];
  if (!isNode(left) || !isNode(right) || left['name'] !== object) return false;
  return right['name'] === property || right['value'] === property;
}

test('pure rooms know no clock, no chance, no platform', () => {
  expect(purityLaw(readSources('src'))).toEqual([]);
});

test('the real clock is read only where it is listed', () => {
  expect(realClockLaw(readSources('src'), clocks)).toEqual([]);
});

test.each([
  ['const t = Date.now();', 'no Date'],
  ['const t = performance.now();', 'no performance'],
  ['const x = Math.random();', 'no Math.random'],
  ["const x = Math['random']();", 'no Math.random'],
  ['setTimeout(f, 1);', 'no setTimeout'],
  ['async function f() {}', 'no async'],
  ['export const f = async () => 1;', 'no async'],
  ['type X = Promise<void>;', 'no Promise'],
  ['console.log(1);', 'no console'],
  ['globalThis.process;', 'no globalThis'],
  ['export const x = { process };', 'no process'],
])('engine with %s is refused', (text, why) => {
  const complaints = purityLaw([new Source('src/engine/a.ts', text)]);
  expect(complaints[0]).toContain(why);
});

test('properties and other rooms may use the same words', () => {
  const text = 'export const x = { Date: 1, process() {} }; x.Date;';
  expect(purityLaw([new Source('src/engine/a.ts', text)])).toEqual([]);
  expect(purityLaw([new Source('src/control/a.ts', 'await Promise.resolve(Math.random());')])).toEqual([]);
  expect(purityLaw([new Source('src/engine/a.test.ts', 'await Promise.resolve(Date.now());')])).toEqual([]);
});

test('an unlisted, a quiet and a missing clock file are each refused', () => {
  const reader = new Source(
    'src/control/a.ts',
    'export const t = Date.now() + performance.now();\nprocess.hrtime.bigint();',
  );
  const quiet = new Source('src/control/b.ts', 'export const t = 1;');
  expect(realClockLaw([reader], {})).toHaveLength(3);
  expect(realClockLaw([reader], { 'src/control/a.ts': 'why' })).toEqual([]);
  const calendar = new Source('src/logs/a.ts', 'export const f = (t: number): Date => new Date(t + Date.UTC(2026));');
  expect(realClockLaw([calendar], {})).toEqual([]);
  expect(realClockLaw([new Source('src/logs/a.ts', 'new Date();')], {})).toHaveLength(1);
  expect(realClockLaw([quiet], { 'src/control/b.ts': 'why' })).toEqual([expect.stringContaining('no clock any more')]);
  expect(realClockLaw([], { 'src/control/c.ts': 'why' })).toEqual([expect.stringContaining('no such file')]);
});
