/** Many lines, as those of a file, that are applied as one: all of them or none. */
import type { Endpoint } from '../base/endpoint.ts';
import { textOf, wholeOf } from './answer.ts';
import type { Action } from './command.ts';
import { Applying, partsOf } from './apply.ts';
import { hostsOf, type Context, type Line } from './commands.ts';
import { ConfigError, MISTAKES_MAX, NoRoom, type Configuration } from './model.ts';
import { Parts } from './parts.ts';

/** After so many lines somebody else may have a turn. */
const LINES = 1000;
/** Answers of all lines together, characters: they are kept until the last line was obeyed. */
const REPLIES_MAX = 1024 * 1024;

/** A line that was read, and where it stands. */
export interface ScriptLine {
  /** What it says, or why it cannot be read. */
  readonly line: Line | ConfigError;
  readonly where: string;
  /** Its answer is wanted. */
  readonly isAsked: boolean;
}

export interface Script {
  /** In their order. There may be millions, so each is read when it is its turn, every time they are gone through. */
  readonly lines: Iterable<ScriptLine>;
  /** By farm the addresses that the last of them has it listen at, as they are written. */
  readonly listen: ReadonlyMap<string, readonly string[]>;
  /** Addresses of the names in them, port 0. */
  readonly hosts: ReadonlyMap<string, Endpoint>;
  /** Names that have none, and why. */
  readonly unknown: ReadonlyMap<string, ConfigError>;
  /** What was passed over. */
  readonly notices: readonly string[];
}

export const EMPTY_SCRIPT: Script = { lines: [], listen: new Map(), hosts: new Map(), unknown: new Map(), notices: [] };

/** What came of all lines together. */
export interface Ran {
  readonly state: Configuration;
  readonly replies: string;
  readonly actions: readonly Action[];
  /** What the lines say something about. */
  readonly said: Parts;
  /** One for each line that cannot be, in their order, MISTAKES_MAX at most; with any, the rest is worth nothing. */
  readonly errors: readonly ConfigError[];
}

/** What a script is applied with. */
export interface ScriptContext extends Omit<Context, 'hosts' | 'growing'> {
  /** Nobody reads the answers. **Default** somebody does. */
  readonly isUnheard?: boolean;
}

/** Applies all lines to a state, which is not changed. Gives way now and then. */
export function* runScript(
  before: Configuration,
  script: Script,
  { isUnheard = false, ...context }: ScriptContext,
): Generator<void, Ran, void> {
  const [errors, actions, said] = [[] as ConfigError[], [] as Action[], new Parts()];
  const all = { ...context, hosts: script.hosts, growing: new Set<readonly unknown[]>() };
  const applying = new Applying(before, all);
  let [replies, count] = ['', 0];
  for (const scriptLine of script.lines) {
    try {
      const { line, where, isAsked } = rightLine(scriptLine, script);
      const outcome = applying.apply(line, where);
      actions.push(...outcome.actions);
      if (isAsked && !isUnheard) replies += wholeOf(textOf(outcome.reply));
      if (replies.length > REPLIES_MAX)
        throw new NoRoom(where, 'the answers of all lines together have more than 1 MB');
      for (const part of partsOf(line)) said.add(part, where);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      errors.push(error);
      if (error instanceof NoRoom || errors.length === MISTAKES_MAX) break;
    }
    if (++count % LINES === 0) yield;
  }
  return { state: applying.finish(), replies, actions, said, errors };
}

/** @errors ConfigError when the line cannot be read, or a name in it has no address. */
function rightLine({ line, where, isAsked }: ScriptLine, { unknown }: Script): ScriptLine & { readonly line: Line } {
  if (line instanceof ConfigError) throw line;
  const name = unknown.size === 0 ? undefined : hostsIn(line, where).find((host) => unknown.has(host));
  if (name === undefined) return { line, where, isAsked };
  throw new ConfigError(where, unknown.get(name)?.reason ?? '');
}

/** Names in a line. An address that cannot be is told when its line is applied. */
export function hostsIn(line: Line, where: string): readonly string[] {
  try {
    return hostsOf(line, where);
  } catch {
    return [];
  }
}

/** The addresses that a line has its farm listen at; undefined for every other line. */
export function listenIn(line: Line): readonly string[] | undefined {
  if (line.kind !== 'command' || line.command.name !== 'listen' || line.words.length === 0) return undefined;
  return line.words;
}
