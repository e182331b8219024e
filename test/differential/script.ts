/**
 * The language of the differential scripts: how a pen is started, what happens to it, and what is seen from outside.
 *
 * A script is data. What stands in it as a step's result is what Debian's pen 0.34.1 does, verified on every run; where
 * Pen does something else on purpose, the step says so with `unlike`, which names an entry of `differences.ts`.
 *
 * Words of the scripts: `c1` is a client with the address 127.0.0.1 (`c1@21001` from that port, `127.1.0.1` in full);
 * `0`, `1`, ... are the servers in order, `E` and `A` the emergency and the abuse server. `R` is a client whose
 * connection was closed without service, `-` one that is still waiting when its patience ends.
 *
 * Texts may name things of the stage: `{host}` (everybody listens on it), `{listen}`, `{control}`, `{s0}` ..., `{sE}`,
 * `{sA}`, `{dir}` (a folder of the script's own), `{pid}`.
 */
import type { DifferenceId } from './differences.ts';

/** What Pen gives instead, and by which deliberate difference. */
export interface Unlike {
  readonly id: DifferenceId;
  readonly ours: string;
}

interface Judged {
  /** What Debian's pen gives. */
  readonly gives: string;
  readonly unlike?: Unlike | undefined;
  /** What of the result depends on the day and is taken out before it is judged. */
  readonly hide?: RegExp | undefined;
}

export interface Request extends Judged {
  readonly do: 'request';
  readonly clients: string;
  /** Whether the connections stay open. */
  readonly isHeld: boolean;
  readonly patienceMs: number;
}

/** One line to the control listener; the result is the reply. */
export interface Say extends Judged {
  readonly do: 'say';
  /** As it goes on the wire. */
  readonly bytes: string;
}

/** The program's own penctl; the result is its exit code and what it printed. */
export interface Penctl extends Judged {
  readonly do: 'penctl';
  readonly args: readonly string[];
}

/** A start that the script writes out itself; the result is whether it serves, or how it ended, and whether it complained. */
export interface Start extends Judged {
  readonly do: 'start';
  readonly args: readonly string[];
}

/** Whether the program lives, or how it died; waits for a death a little. */
export interface Fate extends Judged {
  readonly do: 'fate';
  readonly signal?: NodeJS.Signals;
}

/** What the connections that waited have been given by now. */
export interface Answered extends Judged {
  readonly do: 'answered';
}

/** All that the program has printed on stdout. */
export interface Printed extends Judged {
  readonly do: 'printed';
}

/** The text of a file of the script's folder, `none` if there is no such file. */
export interface Content extends Judged {
  readonly do: 'content';
  readonly name: string;
}

export interface Happening {
  readonly do: 'down' | 'up' | 'release' | 'wait' | 'write';
  /** Servers (`s1`), held connections by number, milliseconds or `second`, or a file's name. */
  readonly what: string;
  readonly text?: string;
}

export type Step = Request | Say | Penctl | Start | Fate | Answered | Printed | Content | Happening;
export type JudgedStep = Exclude<Step, Happening>;

export interface Script {
  readonly id: string;
  readonly says: string;
  /** Options in front of the listen address; a text is cut at its spaces. */
  readonly options?: string | readonly string[];
  /** What follows each server's port (`:max:hard:weight:prio`), or how many there are. */
  readonly servers?: number | readonly string[];
  /** The emergency server exists, with these limits behind its port. */
  readonly emergency?: string;
  readonly abuse?: string;
  /** Servers where nobody listens: `s1 E`. */
  readonly dead?: string;
  /** Servers that take no connection, and say so to nobody. */
  readonly holes?: string;
  /** It only talks, and leaves everything as it was: it shares a program with others. */
  readonly shares?: true;
  /** The script starts the program itself. */
  readonly startsItself?: boolean;
  readonly steps: readonly Step[];
}

export function unlike(id: DifferenceId, ours: string): Unlike {
  return { id, ours };
}

const PATIENCE_MS = 6000;

/** Clients that make one request each, one after the other, and go. */
export function request(clients: string, gives: string, unlike?: Unlike): Step {
  return { do: 'request', clients, gives, unlike, isHeld: false, patienceMs: PATIENCE_MS };
}

/** Clients that make one request each, one after the other, and stay connected. */
export function hold(clients: string, gives: string, unlike?: Unlike, patienceMs = PATIENCE_MS): Step {
  return { do: 'request', clients, gives, unlike, isHeld: true, patienceMs };
}

export function say(command: string, gives = '', unlike?: Unlike, hide?: RegExp): Step {
  return { do: 'say', bytes: `${command}\n`, gives, unlike, hide };
}

/** Bytes to the control listener as they are, without a line end of ours. */
export function raw(bytes: string, gives: string, unlike?: Unlike): Step {
  return { do: 'say', bytes, gives, unlike };
}

export function penctl(args: readonly string[], gives: string, unlike?: Unlike): Step {
  return { do: 'penctl', args, gives, unlike };
}

export function start(args: string | readonly string[], gives: string, unlike?: Unlike): Step {
  return { do: 'start', args: words(args), gives, unlike };
}

export function fate(gives: string, unlike?: Unlike): Step {
  return { do: 'fate', gives, unlike };
}

/** Sends a signal first. */
export function signal(signal: NodeJS.Signals, gives: string, unlike?: Unlike): Step {
  return { do: 'fate', signal, gives, unlike };
}

export function answered(gives: string, unlike?: Unlike): Step {
  return { do: 'answered', gives, unlike };
}

export function printed(gives: string, unlike?: Unlike): Step {
  return { do: 'printed', gives, unlike };
}

export function content(name: string, gives: string, unlike?: Unlike, hide?: RegExp): Step {
  return { do: 'content', name, gives, unlike, hide };
}

export function down(servers: string): Step {
  return { do: 'down', what: servers };
}

export function up(servers: string): Step {
  return { do: 'up', what: servers };
}

/** Closes held connections, by their number among all that were held. */
export function release(numbers: string): Step {
  return { do: 'release', what: numbers };
}

export function wait(ms: number): Step {
  return { do: 'wait', what: String(ms) };
}

/** Waits until a second of the clock has just begun, for a program that counts in those. */
export function waitForSecond(): Step {
  return { do: 'wait', what: 'second' };
}

export function write(name: string, text: string): Step {
  return { do: 'write', what: name, text };
}

export function isJudged(step: Step): step is JudgedStep {
  return 'gives' in step;
}

export function words(text: string | readonly string[]): string[] {
  return typeof text === 'string' ? text.split(' ').filter((word) => word !== '') : [...text];
}
