/** The manual pages, by the program that is strictest about them. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { MERGELOGS } from '../../src/cli/mergelogs.ts';
import { OPTIONS } from '../../src/cli/options.ts';
import { PENLOG } from '../../src/cli/penlog.ts';
import { PENLOGD } from '../../src/cli/penlogd.ts';
import { COMMANDS } from '../../src/config/commands.ts';
import { needs } from '../support/skip.ts';

needs({ packages: ['mandoc'] }, 'the manual page', () => {
  const mandoc = (page: string, ...args: readonly string[]) => {
    const path = fileURLToPath(new URL(`../../packaging/man/${page}.1`, import.meta.url));
    return spawnSync('mandoc', [...args, path], { encoding: 'utf8' });
  };
  /** As it is read, without bold and underlined letters. */
  const textOf = (page: string): string => {
    const parts = mandoc(page, '-T', 'utf8').stdout.split('\b');
    return parts.map((part, at) => (at === parts.length - 1 ? part : part.slice(0, -1))).join('');
  };

  test.each(['pen', 'penctl', 'webstats', 'mergelogs', 'penlog', 'penlogd'])('of %s is without fault', (page) => {
    const { status, stdout, stderr } = mandoc(page, '-T', 'lint', '-W', 'style');
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  test('of pen tells about each option', () => {
    const text = textOf('pen');
    for (const { letter } of OPTIONS) expect(text).toMatch(new RegExp(`\\s-${letter}\\b`));
  });

  test.each([MERGELOGS, PENLOG, PENLOGD])('of $name tells about each option', ({ name, letters }) => {
    const text = textOf(name);
    for (const { letter, argument } of letters) expect(text).toMatch(new RegExp(`\\s-${letter} ?${argument ?? ''}\\b`));
  });

  test('of webstats tells about each variable that it looks at', () => {
    const text = textOf('webstats');
    for (const name of ['PEN_CONTROL', 'REQUEST_METHOD', 'QUERY_STRING']) expect(text).toContain(name);
  });

  test('of penctl tells about each command, as it is written', () => {
    const text = textOf('penctl').replaceAll(/\s+/g, ' ');
    for (const { name, help, no } of COMMANDS) {
      expect(text).toContain(` ${name} `);
      expect(text).toContain(help);
      if (no) expect(text).toContain(`no ${name}`);
    }
  });
});
