/** The page about all commands, written from the registry. */
import type { Fields, Told } from './answer.ts';
import { noSyntaxOf, SUBJECTS, syntaxOf, type Command, type Parameter } from './command.ts';
import { COMMANDS } from './commands.ts';
import { fill } from './fill.ts';
import { isOff, LATER_WORDS } from './commands/later.ts';

const PAGE_WIDTH = 118;

const INTRODUCTION = `# Commands

The commands that Pen understands: at the start by \`-O\` and in [files](files.md) (\`-F\`), and while it runs by the control
socket (\`penctl 127.0.0.1:8888 servers\`). This page is written from the registry of commands; \`npm run reference\` writes
it again.

A line is one command. Words are separated by spaces or tabs; a word with blanks in it stands in double quotes, with
\`\\"\` for a quote and \`\\\\\` for a backslash in it. Words beyond those that a command takes are ignored. A line that is empty, or
begins with \`#\`, says nothing. Numbers are decimal.

What is wrong changes nothing. In options and files it is told with its place, and nothing of them is obeyed. At the control
socket a command that answers with a value then answers with the one in force; others answer with a line that says what
was wrong, most of them beginning with the name of the command.

With \`--json\` in front (\`penctl --json 127.0.0.1:8888 servers\`) a command answers with one JSON document: an object
with the fields that this page lists, then its lists, each row of them on a line of its own. A field keeps its name and
its meaning; new ones may come, so programs pass over those that they do not know. A mistake is answered with the field
\`error\`, a text that has no fields with \`text\`, and a command that only obeys with none. Texts and numbers of a long
list are those of the moment in which their part of the answer was made.
`;

export function referencePage(): string {
  const chapters = Object.entries(SUBJECTS).map(([subject, title]) => {
    const commands = COMMANDS.filter((command) => command.subject === subject);
    return `## ${title}\n\n${commands.map(describe).join('\n')}`;
  });
  const later = [...LATER_WORDS].filter((word) => !isOff(word)).sort();
  const known = `## Known, but not in this version\n\n${later.map((word) => `\`${word}\``).join(', ')}.\n`;
  return [INTRODUCTION, ...chapters, known].join('\n');
}

function describe(command: Command): string {
  const forms = [syntaxOf(command), noSyntaxOf(command)].filter((form) => form !== undefined);
  const heading = forms.map((form) => `\`${form}\``).join(', ');
  const words = command.parameters.map(explain);
  const more = command.more === undefined ? '' : ` ${command.more.replaceAll('\n', ' ')}`;
  const about = fill(`${command.help}.${more}`, PAGE_WIDTH).join('\n');
  return `### ${heading}\n\n${about}\n${words.length === 0 ? '' : `\n${words.join('')}`}${dataOf(command)}`;
}

/** What the answer is in JSON. A list that another command has, too, is told there. */
function dataOf({ name, told }: Command): string {
  if (!told) return '';
  const lists = Object.entries(told.lists).map(([list, fields]) => {
    const other = COMMANDS.find((command) => command.told?.lists[list] === fields)?.name ?? name;
    if (other !== name) return `\nJSON: list \`${list}\`, as that of \`${other}\`.\n`;
    return `\nJSON: list \`${list}\`, each row with\n\n${tableOf(fields)}`;
  });
  return [...fieldsOf(told), ...lists].join('');
}

function fieldsOf({ fields }: Told): string[] {
  return Object.keys(fields).length === 0 ? [] : [`\nJSON:\n\n${tableOf(fields)}`];
}

function tableOf(fields: Fields): string {
  const rows = Object.entries(fields).map(([name, { unit, help }]) => `| \`${name}\` | ${unit} | ${help} |\n`);
  return `| field | unit | what it is |\n|---|---|---|\n${rows.join('')}`;
}

function explain({ label, help }: Parameter): string {
  return `- \`${label}\`: ${help}\n`;
}
