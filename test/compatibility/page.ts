/** The page `docs/compatibility.md`. */
import { COMMANDS } from '../../src/config/commands.ts';
import { OPTIONS } from '../../src/cli/options.ts';
import { noSyntaxOf, syntaxOf } from '../../src/config/command.ts';
import { COMMAND_ENTRIES } from './commands.ts';
import type { Entry } from './entry.ts';
import { OPTION_ENTRIES } from './options.ts';
import { ORIGINAL_COMMANDS, ORIGINAL_OPTIONS } from './original.ts';
import { OTHER_ENTRIES } from './others.ts';

const INTRODUCTION = `# Compatibility

Every option and every command of Debian's \`pen\` 0.34.1, and what has become of it here. This page is written by a
test from a table in \`test/compatibility\`, which is held to the program: what it calls refused is refused, and each line
names tests that exist. \`PEN_WRITE=1 npm test -- test/compatibility\` writes it again.

- **same**: whoever uses it sees no difference.
- **better**: a difference on purpose. Why, and how to have it the old way where that is possible, stands in
  [differences](differences.md).
- **later**: this version refuses it by name. The capability that it belongs to stands behind it.

*Strict numbers*: a word that is no whole number, or out of bounds, changes nothing: on the command line it is an error,
and a control command answers with the value in force. The original takes what looks like a number at the beginning,
else 0.

Tests: a short name (\`E30\`, \`X-acl\`) is a script of \`test/differential\`, which runs against both programs; a path is
a test of its own.
`;

export function compatibilityPage(): string {
  const states = [...Object.values(OPTION_ENTRIES), ...Object.values(COMMAND_ENTRIES)];
  const count = (state: Entry['state']): number => states.filter((entry) => entry.state === state).length;
  const sum = `Of ${states.length} options and commands ${count('same')} are the same, ${count('better')} better, ${count('later')} to come.`;
  const options = ORIGINAL_OPTIONS.map((letter) => [`\`-${letter}\``, OPTION_ENTRIES[letter]] as const);
  const commands = ORIGINAL_COMMANDS.map((written) => [nameOf(written), COMMAND_ENTRIES[wordOf(written)]] as const);
  return [
    INTRODUCTION,
    `${sum}\n`,
    `## Options\n\n${table('option', options)}`,
    `## Commands\n\n${table('command', commands)}`,
    `## What else scripts rely on\n\n${table('what', Object.entries(OTHER_ENTRIES))}`,
    `## Only here\n\n${news()}`,
  ].join('\n');
}

/** The command of a line of `ORIGINAL_COMMANDS`. */
export function wordOf(written: string): string {
  return written.replace(' no', '');
}

function nameOf(written: string): string {
  const word = wordOf(written);
  return word === written ? `\`${word}\`` : `\`${word}\`, \`no ${word}\``;
}

function table(what: string, rows: readonly (readonly [string, Entry | undefined])[]): string {
  const lines = rows.map(([name, entry]) => {
    if (!entry) throw new Error(`${name}: nothing is said about it in test/compatibility`);
    return row(name, `**${entry.state}**`, entry.text, entry.tests.map((test) => `\`${test}\``).join(', '));
  });
  return `${row(what, 'state', 'difference, or what it waits for', 'shown by')}${row('---', '---', '---', '---')}${lines.join('')}`;
}

function row(...cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
}

/** What the original does not have. */
function news(): string {
  const known = new Set(ORIGINAL_COMMANDS.map(wordOf));
  const commands = COMMANDS.filter(({ name }) => !known.has(name));
  const forms = commands.map((command) => {
    const written = [syntaxOf(command), noSyntaxOf(command)].filter((form) => form !== undefined);
    return row(written.map((form) => `\`${form}\``).join(', '), command.help);
  });
  const options = OPTIONS.filter(({ letter }) => !ORIGINAL_OPTIONS.includes(letter));
  const letters = options.map(({ letter, help = '' }) => row(`\`-${letter}\``, help));
  return `${row('command or option', 'meaning')}${row('---', '---')}${forms.join('')}${letters.join('')}`;
}
