/**
 * What a command is: one entry that says how it is written, what it changes, what it answers, and how it is written
 * back. The command line, files, the control socket, help, completion and documentation all read these entries.
 */
import type { Endpoint } from '../base/endpoint.ts';
import type { Configuration } from './model.ts';

/** What commands are about: the chapters of help and documentation. */
export const SUBJECTS = {
  servers: 'Servers and their choice',
  clients: 'Clients and access lists',
  connections: 'Connections',
  listener: 'Listener and sockets',
  process: 'The process',
} as const;
export type Subject = keyof typeof SUBJECTS;

/** One word after a command. */
export interface Parameter {
  /** As the syntax shows it: `SECONDS`, `up|down|both|off`. */
  readonly label: string;
  readonly isOptional: boolean;
  /** The words that are right, where they can be listed: for completion. */
  readonly words: readonly string[];
  /** In a sentence: what would be right. */
  readonly help: string;
}

export interface Command {
  readonly name: string;
  readonly subject: Subject;
  readonly parameters: readonly Parameter[];
  /** `no NAME` is a command too, followed by these words; undefined when there is no such form. */
  readonly no: readonly Parameter[] | undefined;
  /** One line, without a full stop, that says what the command does. */
  readonly help: string;
  /** Names in the words that must be looked up before the command can run; literal addresses are none. */
  readonly hosts?: (words: readonly string[], where: string) => readonly string[];
  /** What the command answers when it has nothing to set, and after a mistake; undefined when it only obeys. */
  readonly tell?: (view: View) => string;
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
}

/** What a command asks the running process to do, beyond having another state. */
export type Action =
  /** Passes the server over for so many seconds; 0 lets it be tried at once. */
  | { readonly kind: 'blacklist'; readonly server: number; readonly seconds: number }
  | { readonly kind: 'close'; readonly connection: number }
  | { readonly kind: 'exit' };

/** An answer in pieces of whole lines, some kilobytes each. A piece tells what holds when it is asked for. */
export type Pieces = Generator<string, void>;

/** What is answered. Where it may be long it comes in pieces, so that nobody has to hold or to wait for all of it. */
export type Reply = string | Pieces;

export interface Outcome {
  readonly state: Configuration;
  readonly reply: Reply;
  readonly actions: readonly Action[];
}

/* ---- what only a running balancer knows ---- */

export interface ServerFacts {
  /** Connections now. */
  readonly inFlight: number;
  /** Bytes sent to it and received from it, those of connections that still run included. */
  readonly sent: number;
  readonly received: number;
}

export interface ClientFacts extends Pick<ServerFacts, 'sent' | 'received'> {
  readonly address: string;
  readonly connects: number;
}

export interface ConnectionFacts {
  /** As the original sums it: 0 unused, 1 connecting, 2 connected, + 4 server's end seen, + 8 client's end seen. */
  readonly state: number;
  /** -1 none. */
  readonly downFd: number;
  readonly upFd: number;
  readonly client: number;
  /** Index; -1 emergency server, -2 abuse server, -3 none. */
  readonly server: number;
}

export interface Facts {
  readonly pid: number;
  /** Bytes of running connections are summed once per call. */
  servers(): (index: number) => ServerFacts;
  /**
   * Those whose last connection started within so many seconds, in the order of their rows: page by page, because
   * there may be millions. A page may be empty; each is read when it is asked for.
   */
  clients(withinSeconds: number): Iterable<readonly ClientFacts[]>;
  /** Undefined when there is no connection of that number, nor could be. */
  connection(number: number): ConnectionFacts | undefined;
  /** Numbers of all connections there are, in order: with several workers there are gaps between them. */
  connections(): readonly number[];
  /** Number of the connection a descriptor belongs to; -1 none. */
  connectionOf(fd: number): number;
}

const NO_FACTS: ServerFacts = { inFlight: 0, sent: 0, received: 0 };

/** Before anything runs: for commands that options and files give. */
export function idleFacts(pid: number): Facts {
  return {
    pid,
    servers: () => () => NO_FACTS,
    clients: () => [],
    connection: () => undefined,
    connections: () => [],
    connectionOf: () => -1,
  };
}

/* ---- outcomes ---- */

export function answer(call: Call, reply: Reply): Outcome {
  return { state: call.state, reply, actions: [] };
}

/** All of an answer at once: where it is known to be short, or has no reader who could be slow. */
export function wholeOf(reply: Reply): string {
  return typeof reply === 'string' ? reply : [...reply].join('');
}

/** `NAME PARAMETERS` as help shows it. */
export function syntaxOf(command: Command): string {
  return [command.name, ...command.parameters.map(labelOf)].join(' ');
}

/** The same for the `no` form; undefined when there is none. */
export function noSyntaxOf({ name, no }: Command): string | undefined {
  return no && ['no', name, ...no.map(labelOf)].join(' ');
}

function labelOf({ label, isOptional }: Parameter): string {
  return isOptional ? `[${label}]` : label;
}
