/** `help` and `help COMMAND`: the registry, for people. */
import { answer, noSyntaxOf, SUBJECTS, syntaxOf, type Command, type Subject } from '../command.ts';
import { ConfigError } from '../model.ts';
import { shorten } from '../numbers.ts';

const PARAMETER = { label: 'COMMAND', isOptional: true, words: [], help: 'a command' };

/** The command that tells about the others, and about itself. */
export function helpCommand(others: readonly Command[]): Command {
  const help: Command = {
    name: 'help',
    subject: 'process',
    help: 'Tell which commands there are, or about one of them',
    parameters: [PARAMETER],
    no: undefined,
    run: (call) => {
      const [word] = call.words;
      const commands = [...others, help];
      if (word === undefined) return answer(call, overview(commands));
      const command = commands.find(({ name }) => name === word);
      if (command) return answer(call, explain(command));
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
  const words = command.parameters.map(({ label, help }) => `  ${label}: ${help}\n`);
  return `${forms.map((form) => `${form}\n`).join('')}  ${command.help}\n${words.join('')}`;
}
