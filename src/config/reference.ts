/** The page about all commands, written from the registry. */
import { noSyntaxOf, SUBJECTS, syntaxOf, type Command, type Parameter } from './command.ts';
import { COMMANDS } from './commands.ts';
import { LATER_WORDS } from './commands/later.ts';

const INTRODUCTION = `# Commands

The commands that Pen understands: by the control socket (\`penctl 127.0.0.1:8888 servers\`) and before the start by
\`-O\`. This page is written from the registry of commands; \`npm run reference\` writes it again.

A line is one command. Words are separated by spaces or tabs; words beyond those that a command takes are ignored.
A line that is empty, or begins with \`#\`, says nothing. Numbers are decimal.

What is wrong changes nothing. A command that answers with a value then answers with the one in force; one that only
obeys answers with a line that begins with its name and says what would be right.
`;

export function referencePage(): string {
  const chapters = Object.entries(SUBJECTS).map(([subject, title]) => {
    const commands = COMMANDS.filter((command) => command.subject === subject);
    return `## ${title}\n\n${commands.map(describe).join('\n')}`;
  });
  const later = [...LATER_WORDS].sort().map((word) => `\`${word}\``);
  const known = `## Known, but not in this version\n\n${later.join(', ')}.\n`;
  return [INTRODUCTION, ...chapters, known].join('\n');
}

function describe(command: Command): string {
  const forms = [syntaxOf(command), noSyntaxOf(command)].filter((form) => form !== undefined);
  const heading = forms.map((form) => `\`${form}\``).join(', ');
  const words = command.parameters.map(explain);
  return `### ${heading}\n\n${command.help}.\n${words.length === 0 ? '' : `\n${words.join('')}`}`;
}

function explain({ label, help }: Parameter): string {
  return `- \`${label}\`: ${help}\n`;
}
