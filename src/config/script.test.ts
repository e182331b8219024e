import { expect, test } from 'vitest';
import { idleFacts } from './command.ts';
import { applyCommand } from './commands.ts';
import { EMPTY_CONFIGURATION, type Configuration } from './model.ts';

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
