/**
 * The command language: all commands, and how one line is read and applied.
 *
 * Options, `-O`, configuration files and the control socket all come here.
 */
import { CLIENT_COMMANDS } from './commands/clients.ts';
import { CONNECTION_COMMANDS } from './commands/connections.ts';
import { FARM_COMMANDS } from './commands/farms.ts';
import { FILE_COMMANDS } from './commands/files.ts';
import { LATER_WORDS } from './commands/later.ts';
import { MORE } from './commands/more.ts';
import { LISTENER_COMMANDS } from './commands/listener.ts';
import { PROCESS_COMMANDS } from './commands/process.ts';
import { scopeOf } from './commands/scope.ts';
import { SERVER_COMMANDS } from './commands/servers.ts';
import { SPECIAL_SERVER_COMMANDS } from './commands/special-servers.ts';
import { LOG_COMMANDS } from './commands/log.ts';
import { STATUS_COMMANDS } from './commands/status.ts';
import { helpCommand } from './commands/help.ts';
import { applyLine, whereOf, type Context } from './apply.ts';
import type { Command, Outcome } from './command.ts';
import { UNNAMED } from './farms.ts';
import type { Configuration } from './model.ts';
import { wordsOf } from './words.ts';

const OTHERS: readonly Command[] = [
  ...SERVER_COMMANDS,
  ...SPECIAL_SERVER_COMMANDS,
  ...CLIENT_COMMANDS,
  ...CONNECTION_COMMANDS,
  ...LISTENER_COMMANDS,
  ...STATUS_COMMANDS,
  ...LOG_COMMANDS,
  ...PROCESS_COMMANDS,
  ...FARM_COMMANDS,
  ...FILE_COMMANDS,
].map(completed);
export { applyLine, type Context };

/** Every command there is, in the order of help. */
export const COMMANDS: readonly Command[] = [...OTHERS, helpCommand(OTHERS)];

function completed(command: Command): Command {
  const { name } = command;
  const more = MORE[name] ?? command.more;
  return { ...command, scope: scopeOf(name), ...(more !== undefined && { more }) };
}

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
      /** The farm that it is said of, as it is written. */
      readonly farm: string;
    };

/**
 * Reads a line up to its first line end: words between blanks or in quotes, `#` begins a comment where a command would
 * begin. Behind `farm NAME` a command may follow, which is said of that farm.
 */
export function readLine(text: string): Line {
  const all = wordsOf(firstLine(text));
  const [first, farm] = all;
  // No farm can be called nothing: that is told by the command itself.
  if (first !== 'farm' || farm === undefined || farm === UNNAMED) return lineOf(all, UNNAMED);
  const line = lineOf(all.slice(2), farm);
  return line.kind === 'empty' ? lineOf(all, UNNAMED) : line;
}

function lineOf(all: readonly string[], farm: string): Line {
  const [first, ...rest] = all;
  if (first === undefined || first.startsWith('#')) return { kind: 'empty' };
  const isNo = first === 'no';
  const name = isNo ? (rest[0] ?? '') : first;
  const command = BY_NAME.get(name);
  if (command && (!isNo || command.no)) {
    return { kind: 'command', command, isNo, words: isNo ? rest.slice(1) : rest, farm };
  }
  const word = isNo ? `no ${name}` : name;
  return LATER_WORDS.has(word) ? { kind: 'later', word } : { kind: 'unknown', word: name, isNo };
}

/** A text up to its first line end. */
export function firstLine(text: string): string {
  const end = text.search(/[\r\n]/);
  return end < 0 ? text : text.slice(0, end);
}

/**
 * Names in the line that must be looked up before it is applied, with `Context.hosts`.
 *
 * @errors ConfigError for an address that cannot be.
 */
export function hostsOf(line: Line, where: string): readonly string[] {
  if (line.kind !== 'command') return [];
  return line.command.hosts?.(line.words, whereOf(where, line.command.name)) ?? [];
}

/** Reads and applies one line: for options and files. @errors as `applyLine`. */
export function applyCommand(state: Configuration, text: string, where: string, context: Context): Outcome {
  return applyLine(state, readLine(text), where, context);
}
