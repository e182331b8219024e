/**
 * The command language: all commands, and how one line is read and applied.
 *
 * Options, `-O`, configuration files and the control socket all come here.
 */
import { CLIENT_COMMANDS } from './commands/clients.ts';
import { CONNECTION_COMMANDS } from './commands/connections.ts';
import { LATER_WORDS, NOT_YET } from './commands/later.ts';
import { LISTENER_COMMANDS } from './commands/listener.ts';
import { PROCESS_COMMANDS } from './commands/process.ts';
import { SERVER_COMMANDS } from './commands/servers.ts';
import { helpCommand } from './commands/help.ts';
import type { Call, Command, Outcome } from './command.ts';
import { ConfigError, type Configuration } from './model.ts';
import { shorten } from './numbers.ts';

const OTHERS: readonly Command[] = [
  ...SERVER_COMMANDS,
  ...CLIENT_COMMANDS,
  ...CONNECTION_COMMANDS,
  ...LISTENER_COMMANDS,
  ...PROCESS_COMMANDS,
];
/** Every command there is, in the order of help. */
export const COMMANDS: readonly Command[] = [...OTHERS, helpCommand(OTHERS)];

const BY_NAME: ReadonlyMap<string, Command> = new Map(COMMANDS.map((command) => [command.name, command]));

/** A line as it was understood. */
export type Line =
  /** Nothing, or a comment. */
  | { readonly kind: 'empty' }
  /** Not a command: `word` is what it begins with, `no` left out. */
  | { readonly kind: 'unknown'; readonly word: string; readonly isNo: boolean }
  /** A command of a later version; `word` includes `no`. */
  | { readonly kind: 'later'; readonly word: string }
  | {
      readonly kind: 'command';
      readonly command: Command;
      readonly isNo: boolean;
      readonly words: readonly string[];
    };

/** Reads a line up to its first line end: words between blanks, `#` begins a comment where a command would begin. */
export function readLine(text: string): Line {
  const [line = ''] = text.split(/[\r\n]/, 1);
  const [first, ...rest] = line.split(/[ \t]+/).filter((word) => word !== '');
  if (first === undefined || first.startsWith('#')) return { kind: 'empty' };
  const isNo = first === 'no';
  const name = isNo ? (rest[0] ?? '') : first;
  const command = BY_NAME.get(name);
  if (command && (!isNo || command.no)) {
    return { kind: 'command', command, isNo, words: isNo ? rest.slice(1) : rest };
  }
  const word = isNo ? `no ${name}` : name;
  return LATER_WORDS.has(word) ? { kind: 'later', word } : { kind: 'unknown', word: name, isNo };
}

/** What a line is applied with. */
export type Context = Pick<Call, 'facts' | 'hosts' | 'servicePort'>;

/**
 * Names in the line that must be looked up before it is applied, with `Context.hosts`.
 *
 * @errors ConfigError for an address that cannot be.
 */
export function hostsOf(line: Line, where: string): readonly string[] {
  if (line.kind !== 'command') return [];
  return line.command.hosts?.(line.words, whereOf(where, line.command.name)) ?? [];
}

/**
 * Applies a line that was read to a state; neither is changed.
 *
 * @param where in front of the word in errors: an option or file:line; empty for the control socket.
 * @errors ConfigError that names where, the word, and what would be right.
 */
export function applyLine(state: Configuration, line: Line, where: string, context: Context): Outcome {
  if (line.kind === 'empty') return { state, reply: '', actions: [] };
  if (line.kind === 'later') throw new ConfigError(whereOf(where, line.word), NOT_YET);
  if (line.kind === 'unknown') {
    const word = shorten(line.isNo ? `no ${line.word}`.trim() : line.word);
    throw new ConfigError(whereOf(where, word), `there is no such command; 'help' lists them`);
  }
  const { command, isNo, words } = line;
  const name = isNo ? `no ${command.name}` : command.name;
  return command.run({ ...context, state, isNo, words, where: whereOf(where, name) });
}

/** Reads and applies one line: for options and files. @errors as `applyLine`. */
export function applyCommand(state: Configuration, text: string, where: string, context: Context): Outcome {
  return applyLine(state, readLine(text), where, context);
}

function whereOf(where: string, word: string): string {
  return where === '' ? word : `${where} '${word}'`;
}
