/**
 * The command language: all commands, and how one line is read and applied.
 *
 * Options, `-O`, configuration files and the control socket all come here.
 */
import { CLIENT_COMMANDS } from './commands/clients.ts';
import { CONNECTION_COMMANDS } from './commands/connections.ts';
import { FILE_COMMANDS } from './commands/files.ts';
import { isOff, LATER_WORDS, NOT_YET } from './commands/later.ts';
import { MORE } from './commands/more.ts';
import { LISTENER_COMMANDS } from './commands/listener.ts';
import { PROCESS_COMMANDS } from './commands/process.ts';
import { SERVER_COMMANDS } from './commands/servers.ts';
import { SPECIAL_SERVER_COMMANDS } from './commands/special-servers.ts';
import { LOG_COMMANDS } from './commands/log.ts';
import { STATUS_COMMANDS } from './commands/status.ts';
import { helpCommand } from './commands/help.ts';
import type { Call, Command, Outcome } from './command.ts';
import { ConfigError, type Configuration } from './model.ts';
import { shorten } from './numbers.ts';
import { shared } from './parts.ts';
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
  ...FILE_COMMANDS,
].map(withMore);
/** Every command there is, in the order of help. */
export const COMMANDS: readonly Command[] = [...OTHERS, helpCommand(OTHERS)];

function withMore(command: Command): Command {
  const more = MORE[command.name];
  return more === undefined ? command : { ...command, more };
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
    };

/** Reads a line up to its first line end: words between blanks or in quotes, `#` begins a comment where a command would begin. */
export function readLine(text: string): Line {
  const [first, ...rest] = wordsOf(firstLine(text));
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

/** A text up to its first line end. */
export function firstLine(text: string): string {
  const end = text.search(/[\r\n]/);
  return end < 0 ? text : text.slice(0, end);
}

/** What a line is applied with. */
export type Context = Pick<Call, 'facts' | 'hosts' | 'servicePort' | 'listenPort' | 'isPeer' | 'pathOf' | 'growing'>;

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
  if (line.kind === 'later' && isOff(line.word)) return { state, reply: '', actions: [] };
  if (line.kind === 'later') throw new ConfigError(whereOf(where, line.word), NOT_YET);
  if (line.kind === 'unknown') {
    const word = shorten(line.isNo ? `no ${line.word}`.trim() : line.word);
    throw new ConfigError(whereOf(where, word), `there is no such command; 'help' lists them`);
  }
  const { command, isNo, words } = line;
  const name = isNo ? `no ${command.name}` : command.name;
  // The context stands last, because V8 takes 6 us to add properties to a copy, and 60 ns to copy some to an object.
  const call: Call = { state, isNo, words, where: whereOf(where, name), ...context };
  return context.isPeer && (command.isForFiles || command.isForStart) ? runForPeer(command, call) : command.run(call);
}

/**
 * A peer may ask, and say what is so anyway, as a file does that `write` has made: so no answer shows what is not in
 * force. @errors ConfigError for a change.
 */
function runForPeer(command: Command, call: Call): Outcome {
  const { state } = call;
  const outcome = command.run({ ...call, pathOf: (path) => path });
  if (shared(state, outcome.state) === state) return { ...outcome, state };
  throw new ConfigError(
    call.where,
    command.isForFiles
      ? 'options and files may say it, the control socket must not'
      : 'is settled at the start; options and the file of -F can say it for the next one',
  );
}

/** Reads and applies one line: for options and files. @errors as `applyLine`. */
export function applyCommand(state: Configuration, text: string, where: string, context: Context): Outcome {
  return applyLine(state, readLine(text), where, context);
}

function whereOf(where: string, word: string): string {
  return where === '' ? word : `${where} '${word}'`;
}
