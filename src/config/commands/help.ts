/** `help` and `help COMMAND`: the registry, for people. */
import { answer, noSyntaxOf, SUBJECTS, syntaxOf, type Command, type Subject } from '../command.ts';
import { fill } from '../fill.ts';
import { ConfigError } from '../model.ts';
import { shorten } from '../numbers.ts';
import { LATER_WORDS, NOT_YET } from './later.ts';

const WIDTH = 78;

/** The command that tells about the others, and about itself. */
export function helpCommand(others: readonly Command[]): Command {
  const help: Command = {
    name: 'help',
    subject: 'process',
    help: 'Tell which commands there are, or about one of them',
    parameters: [{ label: 'COMMAND', isOptional: true, words: others.map(({ name }) => name), help: 'a command' }],
    no: undefined,
    run: (call) => {
      const [word] = call.words;
      const commands = [...others, help];
      if (word === undefined) return answer(call, overview(commands));
      const command = commands.find(({ name }) => name === word);
      if (command) return answer(call, explain(command));
      if (LATER_WORDS.has(word)) throw new ConfigError(call.where, `'${word}' is ${NOT_YET}`);
      throw new ConfigError(call.where, `there is no command '${shorten(word)}'; 'help' lists them`);
    },
  };
  return help;
}

function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length)) + 2;
  const chapters = Object.entries(SUBJECTS).map(([subject, title]) => {
    const mine = commands.filter((command) => command.subject === (subject as Subject));
    return `${title}:\n${mine.map(({ name, help }) => `  ${name.padEnd(width)}${help}\n`).join('')}`;
  });
  return `${chapters.join('\n')}\n'help COMMAND' tells how a command is written.\n`;
}

/** How the command is written, what it does, what its words mean. */
export function explain(command: Command): string {
  const forms = [syntaxOf(command), noSyntaxOf(command)].filter((form) => form !== undefined);
  const { help, more, parameters, scope } = command;
  const texts = [
    help,
    ...(more === undefined ? [] : [more]),
    ...(scope === 'farm' ? ['With `farm NAME` in front it is about that farm.'] : []),
    ...parameters.map(({ label, help }) => `${label}: ${help}`),
  ];
  const lines = texts.flatMap((text) => fill(text, WIDTH)).map((line) => `  ${line.replaceAll('`', '')}`);
  return [...forms, ...lines, ''].join('\n');
}
