/** Many lines, as those of a file, that are applied as one: all of them or none. */
import type { Endpoint } from '../base/endpoint.ts';
import { textOf, wholeOf } from './answer.ts';
import type { Action } from './command.ts';
import { applyLine, hostsOf, type Context, type Line } from './commands.ts';
import { ConfigError, type Configuration } from './model.ts';
import { Parts } from './parts.ts';

/** After so many lines somebody else may have a turn. */
const LINES = 1000;

/** A line that was read, and where it stands. */
export interface ScriptLine {
  /** What it says, or why it cannot be read. */
  readonly line: Line | ConfigError;
  readonly where: string;
  /** Its answer is wanted. */
  readonly isAsked: boolean;
}

export interface Script {
  readonly lines: readonly ScriptLine[];
  /** Addresses of the names in them, port 0. */
  readonly hosts: ReadonlyMap<string, Endpoint>;
  /** Names that have none, and why. */
  readonly unknown: ReadonlyMap<string, ConfigError>;
  /** What was passed over. */
  readonly notices: readonly string[];
}

export const EMPTY_SCRIPT: Script = { lines: [], hosts: new Map(), unknown: new Map(), notices: [] };

/** What came of all lines together. */
export interface Ran {
  readonly state: Configuration;
  readonly replies: string;
  readonly actions: readonly Action[];
  /** What the lines say something about. */
  readonly said: Parts;
  /** One for each line that cannot be, in their order; with any, the rest is worth nothing. */
  readonly errors: readonly ConfigError[];
}

/**
 * Applies all lines to a state, which is not changed. Gives way now and then.
 *
 * The listener comes first: who has no port of its own has the listener's, wherever that is said.
 */
export function* runScript(
  before: Configuration,
  script: Script,
  context: Omit<Context, 'hosts' | 'growing'>,
): Generator<void, Ran, void> {
  const { lines } = script;
  const [errors, replies, actions, said] = [
    new Map<number, ConfigError>(),
    [] as string[],
    [] as Action[],
    new Parts(),
  ];
  const all = { ...context, hosts: script.hosts, growing: new Set<readonly unknown[]>() };
  let state = before;
  let count = 0;
  for (const [index, scriptLine] of listenFirst(lines)) {
    try {
      const { line, where, isAsked } = rightLine(scriptLine, script);
      const outcome = applyLine(state, line, where, all);
      state = outcome.state;
      actions.push(...outcome.actions);
      if (isAsked) replies[index] = wholeOf(textOf(outcome.reply));
      for (const part of partsOf(line)) said.add(part, where);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      errors.set(index, error);
    }
    if (++count % LINES === 0) yield;
  }
  const inOrder = [...errors].sort(([one], [other]) => one - other).map(([, error]) => error);
  return { state, replies: replies.join(''), actions, said, errors: inOrder };
}

function* listenFirst(lines: readonly ScriptLine[]): Generator<readonly [index: number, line: ScriptLine]> {
  for (const entry of lines.entries()) if (isListen(entry[1])) yield entry;
  for (const entry of lines.entries()) if (!isListen(entry[1])) yield entry;
}

/** @errors ConfigError when the line cannot be read, or a name in it has no address. */
function rightLine({ line, where, isAsked }: ScriptLine, { unknown }: Script): ScriptLine & { readonly line: Line } {
  if (line instanceof ConfigError) throw line;
  const name = unknown.size === 0 ? undefined : hostsIn(line, where).find((host) => unknown.has(host));
  if (name === undefined) return { line, where, isAsked };
  throw new ConfigError(where, unknown.get(name)?.reason ?? '');
}

function partsOf(line: Line): ReturnType<NonNullable<Extract<Line, { kind: 'command' }>['command']['sets']>> {
  return line.kind === 'command' ? (line.command.sets?.(line.words) ?? []) : [];
}

/** Names that the lines mention, each with the place of the first line that does. */
export function namesIn(lines: readonly ScriptLine[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const { line, where } of lines) {
    if (line instanceof ConfigError) continue;
    for (const name of hostsIn(line, where)) if (!names.has(name)) names.set(name, where);
  }
  return names;
}

/** An address that cannot be is told when its line is applied. */
function hostsIn(line: Line, where: string): readonly string[] {
  try {
    return hostsOf(line, where);
  } catch {
    return [];
  }
}

function isListen({ line }: ScriptLine): boolean {
  return (
    !(line instanceof ConfigError) && line.kind === 'command' && line.command.name === 'listen' && line.words.length > 0
  );
}

/** The address that the last of the lines has Pen listen at, as it is written. */
export function lastListen(lines: readonly ScriptLine[]): string | undefined {
  const last = lines.findLast(isListen);
  return last && 'words' in last.line ? last.line.words[0] : undefined;
}
