import { expect, test } from 'vitest';
import { idleFacts } from './command.ts';
import { applyCommand, readLine } from './commands.ts';
import { ConfigErrors, EMPTY_CONFIGURATION, failWith, type Configuration } from './model.ts';
import { EMPTY_SCRIPT, runScript, type Ran, type ScriptContext } from './script.ts';

/** The states between lines that are applied as one. */
function statesOf(...lines: readonly string[]): readonly Configuration[] {
  const context = { facts: idleFacts(1), servicePort: () => undefined, hosts: new Map(), growing: new Set<never[]>() };
  let state = EMPTY_CONFIGURATION;
  return lines.map((line, index) => ({ state } = applyCommand(state, line, `f:${index + 1}`, context)).state);
}

test.each([
  ['servers', 'server 0 address 10.0.0.1 port 80', 'server 2 max 5', 'server 0 max 7'],
  ['acls', 'acl 3 permit 10.0.0.1', 'acl 3 deny 10.0.0.2', 'acl 3 permit 10.0.0.3'],
] as const)('many lines about %s copy them once, and change none that was there before', (key, ...lines) => {
  const before = structuredClone(EMPTY_CONFIGURATION);
  const [first, ...others] = statesOf(...lines);
  expect(first?.[key]).not.toBe(EMPTY_CONFIGURATION[key]);
  for (const other of others) expect(other[key]).toBe(first?.[key]);
  expect(EMPTY_CONFIGURATION).toEqual(before);
});

function* repeated(count: number, textOf: (index: number) => string): Generator<ReturnType<typeof lineOf>> {
  for (let i = 0; i < count; i++) yield lineOf(textOf(i), i);
}

function lineOf(text: string, index: number) {
  return { line: readLine(text), where: `f:${index + 1}`, isAsked: true };
}

function run(lines: ReturnType<typeof repeated>, rights: Partial<ScriptContext> = {}): Ran {
  const context = { facts: idleFacts(1), servicePort: () => undefined, ...rights };
  const running = runScript(EMPTY_CONFIGURATION, { ...EMPTY_SCRIPT, lines }, context);
  for (;;) {
    const step = running.next();
    if (step.done === true) return step.value;
  }
}

test.each([
  ['entries in all lists together', 524_288, (i: number) => `acl ${i % 3} permit 10.0.0.${i % 256}`],
  ['access lists with names', 240, (i: number) => `acl list${i} permit unix`],
])('one line too many, of %s, is told by its place, once', (what, room, textOf) => {
  const message = `f:${room + 1} 'acl': there is room for ${room} ${what}, not for ${room + 1}`;
  expect(run(repeated(room + 3, textOf)).errors.map((error) => error.message)).toEqual([message]);
});

test('after a thousand mistakes nobody looks for more', () => {
  const { errors } = run(repeated(2000, () => 'fly'));
  expect(errors).toHaveLength(1000);
  expect(() => failWith(errors)).toThrow(ConfigErrors);
  expect(() => failWith(errors)).toThrow(/\nand at least 980 more mistakes$/);
  expect(() => failWith(errors.slice(1))).toThrow(/\nand 979 more mistakes$/);
});

test('answers that fill a megabyte are refused, unless nobody reads them', () => {
  const lines = (): ReturnType<typeof repeated> => repeated(2000, () => 'help');
  const [error, ...others] = run(lines()).errors;
  expect(error?.message).toMatch(/^f:\d+: the answers of all lines together have more than 1 MB$/);
  expect(others).toEqual([]);
  expect(run(lines(), { isUnheard: true })).toMatchObject({ errors: [], replies: '' });
});
