/** What may be written where: the registry of commands and the options, as completion needs them. */
import { type Command, type Parameter } from '../../config/command.ts';
import { COMMANDS } from '../../config/commands.ts';
import { FARM_WORDS } from '../../config/commands/scope.ts';
import { OPTIONS, type Option } from '../options.ts';

/** A word with its meaning. */
export interface Word {
  readonly word: string;
  readonly help: string;
}

/** What can follow a command. */
export interface Position {
  /** The command, `no` included, and behind it how many words stand between: `acl 1`, `no acl 0`. */
  readonly keys: readonly string[];
  /** Empty where a name of a file is wanted. */
  readonly words: readonly string[];
}

/** Pairs such as those of `server` may be so many. */
const REPEATS = 8;

/** All commands, `no` among them. */
export const COMMAND_WORDS: readonly Word[] = [
  ...COMMANDS.map(({ name, help }) => ({ word: name, help })),
  { word: 'no', help: 'Turn off, or empty, what is named' },
];

/** What may follow `no`. */
export const NO_WORDS: readonly Word[] = COMMANDS.filter(({ no }) => no).map(({ name, help }) => ({
  word: name,
  help,
}));

/** The same behind the name of a farm. */
export const FARM_NO_WORDS: readonly Word[] = NO_WORDS.filter(({ word }) => FARM_WORDS.includes(word));

/** Where words or files may be proposed; elsewhere there are numbers, addresses and the like. */
export const POSITIONS: readonly Position[] = COMMANDS.flatMap((command) => [
  ...positionsOf(command.name, command.parameters),
  ...positionsOf(`no ${command.name}`, command.no ?? []),
]);

function positionsOf(command: Command['name'], parameters: readonly Parameter[]): Position[] {
  return parameters.flatMap(({ label, words }, at) => {
    if (words.length === 0 && !isFile(label)) return [];
    const period = label.endsWith('...') ? label.split(' ').length : 0;
    const count = period === 0 ? 1 : REPEATS;
    return [{ keys: Array.from({ length: count }, (_, n) => `${command} ${at + n * period}`), words }];
  });
}

/** What an option wants behind it. */
export type Wanted = 'command' | 'file' | 'folder' | 'user' | 'host' | 'text';

export function wantedBy({ argument }: Pick<Option, 'argument'>): Wanted | undefined {
  switch (argument) {
    case undefined:
      return undefined;
    case 'COMMAND':
      return 'command';
    case 'DIR':
      return 'folder';
    case 'USER':
      return 'user';
    case 'SERVER':
      return 'host';
    default:
      return isFile(argument) || argument === 'ADDRESS' ? 'file' : 'text';
  }
}

function isFile(label: string): boolean {
  return /FILE|PATH|DIR/.test(label);
}

/** Those that are worth to be proposed. */
export const PROPOSED_OPTIONS: readonly Option[] = OPTIONS.filter(({ help }) => help !== undefined);

export const GENERATED = 'Written from the options and commands of Pen: npm run reference writes it again.';
