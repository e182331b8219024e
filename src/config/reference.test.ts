import { expect, test } from 'vitest';
import { COMMANDS } from './commands.ts';
import { referencePage } from './reference.ts';

test('every command has its heading', () => {
  const page = referencePage();
  for (const { name, no } of COMMANDS) {
    expect(page).toMatch(new RegExp(`^### \`${name}[ \`]`, 'm'));
    if (no) expect(page).toContain(`\`no ${name}`);
  }
});
