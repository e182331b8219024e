/**
 * What a command is: one entry that says how it is written, what it changes, what it answers, and how it is written
 * back. The command line, files, the control socket, help, completion and documentation all read these entries.
 */
import type { Endpoint } from '../base/endpoint.ts';
import type { Reply, Told } from './answer.ts';
import { UNNAMED, viewOfFarm } from './farms.ts';
import type { Configuration, EffectiveLimits } from './model.ts';
import type { Part } from './parts.ts';
import type { ProcessRow } from './process-row.ts';
import { NO_SERVER_FACTS, type ClientRow, type ConnectionRow, type ServerFacts } from './rows.ts';

/** What commands are about: the chapters of help and documentation. */
export const SUBJECTS = {
  servers: 'Servers and their choice',
  clients: 'Clients and access lists',
  connections: 'Connections',
  listener: 'Listener and sockets',
  process: 'The process',
  farms: 'Farms with names',
  files: 'Files of commands',
} as const;
export type Subject = keyof typeof SUBJECTS;

/** What a command is about: one farm, the whole process, or what the lines that it stands for are about. */
export type Scope = 'farm' | 'process' | 'either';

/** One word after a command. */
export interface Parameter {
  /** As the syntax shows it: `SECONDS`, `up|down|both|off`. */
  readonly label: string;
  readonly isOptional: boolean;
  /** Any number of them. **Default** one. */
  readonly isRepeated?: boolean;
  /** The words that are right, where they can be listed: for completion. */
  readonly words: readonly string[];
  /** In a sentence: what would be right. */
  readonly help: string;
}

export interface Command {
  readonly name: string;
  readonly subject: Subject;
  /** Whether it is about one farm, so that `farm NAME` may stand in front. **Default** it is about the whole process. */
  readonly scope?: Scope;
  readonly parameters: readonly Parameter[];
  /** `no NAME` is a command too, followed by these words; undefined when there is no such form. */
  readonly no: readonly Parameter[] | undefined;
  /** One line, without a full stop, that says what the command does. */
  readonly help: string;
  /** What else people should know: whole sentences, with words of the language in backticks. */
  readonly more?: string;
  /** Names in the words that must be looked up before the command can run; literal addresses are none. */
  readonly hosts?: (words: readonly string[], where: string) => readonly string[];
  /** What words that were obeyed say something about, also when it is what was so before; without it, nothing. */
  readonly sets?: (words: readonly string[]) => readonly Part[];
  /** What may be a slip in words that are obeyed all the same: told to who wrote an option or a file. */
  readonly doubts?: (words: readonly string[]) => readonly string[];
  /** Only at the start: a change is refused while Pen runs; that of a file that is read again counts at the next start. */
  readonly isForStart?: true;
  /** Only options and files may change it: whoever reaches the control socket must not. */
  readonly isForFiles?: true;
  /** It takes files and time, so that the running program does it instead of `run`, which then only refuses. */
  readonly isErrand?: true;
  /** What the command answers when it has nothing to set, and after a mistake; undefined when it only obeys. */
  readonly tell?: (view: View) => Reply;
  /** What the control socket answers to words that cannot be. **Default** `tell`, else what was wrong. */
  readonly refusal?: (words: readonly string[]) => string;
  /** What the answer tells, as data; undefined when it is only a text. */
  readonly told?: Told;
  /**
   * What it does: a function of the state and the words, without effects of its own.
   *
   * @errors ConfigError for words that cannot be; then nothing has changed.
   */
  readonly run: (call: Call) => Outcome;
  /** Lines, without line ends, that say what this command can set, so that they make the same state again. */
  readonly write?: (state: Configuration) => readonly string[];
}

/** What a command sees. */
export interface View {
  readonly state: Configuration;
  readonly facts: Facts;
}

export interface Call extends View {
  readonly isNo: boolean;
  /** The words after the command; those beyond its parameters are ignored, as they always were. */
  readonly words: readonly string[];
  /** What to name in an error. */
  readonly where: string;
  /** Addresses of the names that `hosts` asked for, port 0. */
  readonly hosts: ReadonlyMap<string, Endpoint>;
  /** Port numbers of services such as `http`; undefined for names nobody knows. */
  readonly servicePort: (name: string) => number | undefined;
  /**
   * The port of servers that are said to have an address and no port, as it is written; undefined: the listener has no
   * fixed one. **Default** nobody has the listener's. @errors ConfigError for an address of the listener that cannot be.
   */
  readonly listenPort?: () => string | undefined;
  /** The words come from the control socket. **Default** no: from options or files. */
  readonly isPeer?: boolean;
  /** The path of a file that it names. **Default** as it is. @errors ConfigError where such files may not be. */
  readonly pathOf?: (name: string, where: string) => string;
  /** Lists that belong to this run of many lines alone, so that they may change in place. */
  readonly growing?: Set<readonly unknown[]>;
}

/** What a command asks the running process to do, beyond having another state. */
export type Action =
  /** Passes the server over for so many seconds; 0 lets it be tried at once. Its farm: **default** that without a name. */
  | {
      readonly kind: 'blacklist';
      readonly server: number;
      readonly seconds: number;
      readonly farm?: string | undefined;
    }
  | { readonly kind: 'close'; readonly connection: number }
  /** Writes the status page to its file, which other commands do not wait for. */
  | { readonly kind: 'statistics' }
  | { readonly kind: 'exit' };

export interface Outcome {
  readonly state: Configuration;
  readonly reply: Reply;
  readonly actions: readonly Action[];
}

/* ---- what only a running balancer knows ---- */

/** The process as a whole. */
export interface ProcessFacts {
  /** Local time, `YYYY-MM-DD HH:MM:SS`. */
  readonly localTime: string;
  readonly row: ProcessRow;
}

export interface Facts {
  readonly pid: number;
  /**
   * The same about the servers, clients and connections of a farm with a name. Of that without one are the servers and
   * clients, but the connections are all there are.
   */
  farm(name: string): Facts;
  /** Undefined before anything runs. */
  process(): ProcessFacts | undefined;
  /** Of the servers with these numbers, or EMERGENCY to ABUSE. Bytes of running connections are summed once per call. */
  servers(first: number, last: number): (server: number) => ServerFacts;
  /**
   * Those whose last connection started within so many seconds, in the order of their rows: page by page, because
   * there may be millions. A page may be empty; each is read when it is asked for.
   */
  clients(withinSeconds: number): Iterable<readonly ClientRow[]>;
  /** Undefined when there is no connection of that number, nor could be. */
  connection(number: number): ConnectionRow | undefined;
  /** Numbers of connections in use, the first `count` from `from` on, in order: with several workers there are gaps between them. */
  connections(from: number, count: number): readonly number[];
  /** How many connections the farm has; also of the one without a name those alone that are its own. */
  connectionCount(): number;
  /** Number of the connection a descriptor belongs to; -1 none. */
  connectionOf(fd: number): number;
  /** Connections to servers that no client has. */
  idlers(): number;
  /** Numbers in force, also those that nobody has said; undefined before anything runs. */
  limits(): EffectiveLimits | undefined;
}

/** What is known about a farm, and about all other things. */
export function factsOf(facts: Facts, farm: string): Facts {
  return farm === UNNAMED ? facts : facts.farm(farm);
}

/** What a command sees that is said of a farm. */
export function viewInFarm({ state, facts }: View, farm: string): View {
  return { state: viewOfFarm(state, farm), facts: factsOf(facts, farm) };
}

/** Before anything runs: for commands that options and files give. */
export function idleFacts(pid: number): Facts {
  const facts: Facts = {
    pid,
    farm: () => facts,
    process: () => undefined,
    servers: () => () => NO_SERVER_FACTS,
    clients: () => [],
    connection: () => undefined,
    connections: () => [],
    connectionCount: () => 0,
    connectionOf: () => -1,
    idlers: () => 0,
    limits: () => undefined,
  };
  return facts;
}

/* ---- outcomes ---- */

export function answer(call: Call, reply: Reply): Outcome {
  return { state: call.state, reply, actions: [] };
}

/**
 * A list with one more item.
 *
 * @cost the length of the list, or nothing to speak of while many lines are applied as one.
 */
export function appended<T>(call: Call, list: readonly T[], item: T): readonly T[] {
  const longer = owned(call, list);
  longer.push(item);
  return longer;
}

/** A list with another item at an index, filled up with `undefined` in front of it. @cost as `appended`. */
export function replaced<T>(
  call: Call,
  list: readonly (T | undefined)[],
  index: number,
  item: T | undefined,
): readonly (T | undefined)[] {
  const other = owned(call, list);
  while (other.length < index) other.push(undefined);
  other[index] = item;
  return other;
}

/** The list itself if nobody but this run of many lines has seen it, else a copy. */
function owned<T>({ growing }: Call, list: readonly T[]): T[] {
  if (growing?.has(list)) return list as T[];
  const copy = list.slice();
  growing?.add(copy);
  return copy;
}

/** `NAME PARAMETERS` as help shows it. */
export function syntaxOf(command: Command): string {
  return [command.name, ...command.parameters.map(labelOf)].join(' ');
}

/** The same for the `no` form; undefined when there is none. */
export function noSyntaxOf({ name, no }: Command): string | undefined {
  return no && ['no', name, ...no.map(labelOf)].join(' ');
}

function labelOf({ label, isOptional, isRepeated }: Parameter): string {
  const text = isRepeated === true ? `${label}...` : label;
  return isOptional ? `[${text}]` : text;
}
