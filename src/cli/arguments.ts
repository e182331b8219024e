/**
 * The command line, read into plain data. Options are short for commands of the control language, so that each
 * setting is described, checked and applied in one place.
 */
import { NOT_YET } from '../config/commands/later.ts';
import { ConfigError } from '../config/model.ts';
import { quoted } from '../config/words.ts';
import { OPTIONS, type Option } from './options.ts';

/** A line of the command language, and the option it comes from. */
export interface WrittenCommand {
  readonly line: string;
  readonly where: string;
  /** Written as a command, so that its answer is wanted. */
  readonly isAsked: boolean;
}

/** The file of commands. */
export interface NamedFile {
  readonly path: string;
  /** The option that names it. */
  readonly where: string;
  /** Where it and what it includes must be. **Default** anywhere. */
  readonly folder?: string | undefined;
}

/** What the command line says; addresses as they are written. */
export interface CommandLine {
  /** In the order in which they stand, so that the last word counts whichever way it was said. */
  readonly commands: readonly WrittenCommand[];
  /** The first positional. */
  readonly listen: string | undefined;
  readonly servers: readonly string[];
  readonly emergency: string | undefined;
  readonly abuse: string | undefined;
  readonly control: string | undefined;
  readonly isExitEnabled: boolean;
  readonly isForeground: boolean;
  readonly pidFile: string | undefined;
  readonly user: string | undefined;
  readonly file: NamedFile | undefined;
  readonly jail: string | undefined;
  /** What to tell about options that have no effect. */
  readonly notices: readonly string[];
}

export type Request =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  /** Only tell what is wrong with a file, which is that of `line`. */
  | { readonly kind: 'check'; readonly line: CommandLine }
  | { readonly kind: 'run'; readonly line: CommandLine };

const BY_LETTER: ReadonlyMap<string, Option> = new Map(OPTIONS.map((option) => [option.letter, option]));

/** An option as it stands on the command line. */
interface Given {
  readonly option: Option;
  readonly value: string;
}

/**
 * Reads the command line.
 *
 * @param args without node and script.
 * @errors ConfigError that names the option, what was wrong and what would be right.
 */
export function readCommandLine(args: readonly string[]): Request {
  const { given, positionals, words, checked } = scan(args);
  if (words.has('--version')) return { kind: 'version' };
  if (words.has('--help') || args.length === 0) return { kind: 'help' };
  const later = given.find(({ option }) => option.isLater);
  if (later) throw notYet(later.option.letter);
  const line = readGiven(given, positionals);
  return checked === undefined
    ? { kind: 'run', line }
    : { kind: 'check', line: { ...line, file: { path: checked, where: '--check' } } };
}

function readGiven(given: readonly Given[], positionals: readonly string[]): CommandLine {
  const last = (letter: string): string | undefined => given.findLast(({ option }) => option.letter === letter)?.value;
  const has = (letter: string): boolean => given.some(({ option }) => option.letter === letter);
  const [listen, ...servers] = positionals;
  return {
    commands: commandsOf(given),
    listen,
    servers,
    emergency: last('e'),
    abuse: last('B'),
    control: last('C'),
    isExitEnabled: has('X'),
    isForeground: has('f'),
    pidFile: pidFileOf(last('p')),
    user: last('u'),
    file: has('F') ? { path: last('F') ?? '', where: '-F' } : undefined,
    jail: last('j'),
    notices: given
      .filter(({ option }) => option.isObsolete)
      .map(({ option }) => `-${option.letter} is obsolete and has no effect`),
  };
}

/** A script whose variable is empty must not run without the file that it will look for. */
function pidFileOf(path: string | undefined): string | undefined {
  if (path === '') throw new ConfigError('-p', 'needs the path of a file, not an empty word');
  return path;
}

function commandsOf(given: readonly Given[]): WrittenCommand[] {
  const commands: WrittenCommand[] = [];
  let debug = 0;
  for (const { option, value } of given) {
    const { letter, command, argument } = option;
    const word = argument === undefined ? '' : ` ${quoted(value)}`;
    if (command !== undefined) commands.push(short(letter, `${command}${word}`));
    else if (letter === 'O' || letter === 'o') commands.push({ ...short(letter, value), isAsked: true });
    else if (letter === 'd') commands.push(short(letter, `debug ${++debug}`));
  }
  return commands;
}

function short(letter: string, line: string): WrittenCommand {
  return { line, where: `-${letter}`, isAsked: false };
}

function notYet(letter: string): ConfigError {
  return new ConfigError(`-${letter}`, NOT_YET);
}

interface Scanned {
  readonly given: readonly Given[];
  readonly positionals: readonly string[];
  /** Options with a whole word for a name. */
  readonly words: ReadonlySet<string>;
  /** The file behind `--check`. */
  readonly checked: string | undefined;
}

/**
 * Takes the command line apart as getopt(3) does, which the original uses: letters may be bundled (-rs), an argument
 * may follow its letter at once (-x500), options may stand behind positionals, and `--` ends them.
 */
function scan(args: readonly string[]): Scanned {
  const given: Given[] = [];
  const positionals: string[] = [];
  const words = new Set<string>();
  const rest = [...args];
  let checked: string | undefined;
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') {
      positionals.push(...rest.splice(0));
    } else if (arg === '--help' || arg === '--version') {
      words.add(arg);
    } else if (arg === '--check' || arg.startsWith('--check=')) {
      checked = arg === '--check' ? rest.shift() : arg.slice('--check='.length);
      if (checked === undefined || checked === '')
        throw new ConfigError('--check', 'needs the name of a file behind it');
    } else if (arg.startsWith('--')) {
      throw unknown(arg);
    } else if (arg.startsWith('-') && arg !== '-') {
      scanLetters(arg.slice(1), rest, given);
    } else {
      positionals.push(arg);
    }
  }
  return { given, positionals, words, checked };
}

function scanLetters(letters: string, rest: string[], given: Given[]): void {
  for (let at = 0; at < letters.length; at++) {
    const letter = letters.charAt(at);
    const option = BY_LETTER.get(letter);
    if (!option) throw unknown(`-${letter}`);
    if (option.argument === undefined) {
      given.push({ option, value: '' });
      continue;
    }
    const value = letters.slice(at + 1) || rest.shift();
    if (value === undefined && !option.isLater) {
      throw new ConfigError(`-${letter}`, `needs ${option.argument} behind it; pen --help tells what it means`);
    }
    given.push({ option, value: value ?? '' });
    return;
  }
}

function unknown(option: string): ConfigError {
  return new ConfigError(option, 'no such option; pen --help lists them');
}
