/** Command lines of the small programs: options of one letter, as getopt(3) reads them, and words. */
import { fill } from '../config/fill.ts';
import { ConfigError } from '../config/model.ts';

/** An option, and what it does. */
export interface Letter {
  readonly letter: string;
  /** What its argument is called; without one the option takes none. */
  readonly argument?: string;
  /** With words in backticks, as manual pages show them. */
  readonly help: string;
}

/** What a program is called with; its usage, its manual page and the reading are made from it. */
export interface Tool {
  readonly name: string;
  /** What stands behind the name: options and words. */
  readonly synopsis: string;
  readonly letters: readonly Letter[];
}

/** What a command line says. */
export interface Given {
  /** The value of the option that stands last; undefined when there is none. */
  readonly last: (letter: string) => string | undefined;
  /** All values of an option, in their order; empty ones for an option without argument. */
  readonly all: (letter: string) => readonly string[];
  readonly words: readonly string[];
  /** What is wanted instead of running. */
  readonly instead: 'help' | 'version' | undefined;
}

const USAGE_WIDTH = 80;
const HELP_COLUMN = 14;

/** @errors ConfigError that names the option. */
export function readLetters(tool: Tool, args: readonly string[]): Given {
  const given: [letter: string, value: string][] = [];
  const words: string[] = [];
  const rest = [...args];
  let instead: Given['instead'];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') words.push(...rest.splice(0));
    else if (arg === '--help') instead ??= 'help';
    else if (arg === '--version') instead ??= 'version';
    else if (arg.startsWith('--')) throw unknown(tool, arg);
    else if (arg.startsWith('-') && arg !== '-') given.push(...bundle(tool, arg.slice(1), rest));
    else words.push(arg);
  }
  const all = (letter: string): string[] => given.filter(([name]) => name === letter).map(([, value]) => value);
  return { all, last: (letter) => all(letter).at(-1), words, instead };
}

/** Letters behind one hyphen; an argument follows its letter at once, or is the next word. */
function bundle(tool: Tool, letters: string, rest: string[]): [string, string][] {
  const given: [string, string][] = [];
  for (let at = 0; at < letters.length; at++) {
    const letter = letters.charAt(at);
    const known = tool.letters.find((each) => each.letter === letter);
    if (!known) throw unknown(tool, `-${letter}`);
    if (known.argument === undefined) {
      given.push([letter, '']);
      continue;
    }
    const value = letters.slice(at + 1) || rest.shift();
    if (value === undefined) {
      throw new ConfigError(`-${letter}`, `needs ${known.argument} behind it; ${tool.name} --help tells what it means`);
    }
    return [...given, [letter, value]];
  }
  return given;
}

export function usageOf({ name, synopsis, letters }: Tool): string {
  const lines = letters.flatMap(({ letter, argument, help }) => {
    const head = `  -${letter}${argument === undefined ? '' : ` ${argument}`}`.padEnd(HELP_COLUMN);
    const [first = '', ...others] = fill(help.replaceAll('`', ''), USAGE_WIDTH - HELP_COLUMN);
    return [`${head}${first}`, ...others.map((line) => `${' '.repeat(HELP_COLUMN)}${line}`)];
  });
  const options = lines.length === 0 ? '' : `\n${lines.join('\n')}\n`;
  return `usage: ${name} ${synopsis}\n${options}`;
}

function unknown({ name }: Tool, option: string): ConfigError {
  return new ConfigError(option, `no such option; ${name} --help lists them`);
}
