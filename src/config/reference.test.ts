import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { COMMANDS } from './commands.ts';
import { referencePage } from './reference.ts';

test('the page in docs is the one that the registry gives', () => {
  const page = readFileSync(new URL('../../docs/reference.md', import.meta.url), 'utf8');
  expect(page, 'docs/reference.md is stale; npm run reference writes it').toBe(referencePage());
});

test('every command has its heading', () => {
  const page = referencePage();
  for (const { name, no } of COMMANDS) {
    expect(page).toMatch(new RegExp(`^### \`${name}[ \`]`, 'm'));
    if (no) expect(page).toContain(`\`no ${name}`);
  }
});
