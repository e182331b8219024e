/** How this program speaks to the person who started it. */
import { writeSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { visible } from '../config/model.ts';
import type { WallTime } from '../control/facts.ts';
import type { Host } from '../loop/host.ts';

const STDERR = 2;
/** As much as a pipe takes at once or not at all. @source pipe(7), PIPE_BUF */
const PIECE_BYTES = 4096;
/** Lines that belong together wait so long for the next try, and are given up after so many: ten seconds. */
const AGAIN_MS = 10;
const TRIES = 1000;
const LINES_AT_ONCE = 64;

let listener: Pick<Host, 'canWrite'> | undefined;
let lost = 0;

/** From now on nothing is said while it would have to wait: a reader that stands still must not stop the program. */
export function sayWithoutWaiting(host: Pick<Host, 'canWrite'>): void {
  listener = host;
}

/** Where lines go when there is no stderr any more. */
let sink: ((text: string) => void) | undefined;

/** From now on what is said goes to `take`, without the time. */
export function sayTo(take: (text: string) => void): void {
  sink = take;
}

/**
 * One line on stderr: local time, then the text. Never fails and never waits; a line that nobody takes is lost, which is
 * told with the next one.
 */
export function say(text: string): void {
  if (!isSaid(text)) lost++;
}

/**
 * Lines that belong together, and may be more than a pipe holds: whoever reads them as fast as it can misses none. The
 * program goes on meanwhile, and may end before they are all said. When nobody takes any for ten seconds, the rest is
 * lost as with `say`.
 *
 * @param texts no longer than a line of text is; each is made when it is to be said.
 * @returns settles when all are said, or lost.
 */
export async function sayAll(texts: Iterable<string>): Promise<void> {
  let [said, isHeard] = [0, true];
  for (const text of texts) {
    // Main has other things to do, also with a listener that takes everything at once.
    if (++said % LINES_AT_ONCE === 0) await setImmediate();
    if (isHeard && !isSaid(text)) isHeard = await isSaidLater(text);
    if (!isHeard) lost++;
  }
}

async function isSaidLater(text: string): Promise<boolean> {
  for (let tries = 0; tries < TRIES; tries++) {
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS).unref());
    if (isSaid(text)) return true;
  }
  return false;
}

function isSaid(said: string): boolean {
  const text = oneLine(said);
  if (sink) {
    sink(text);
    return true;
  }
  const now = timestamp(new Date());
  if (lost > 0 && write(`${now}: lines lost, because nobody took them: ${lost}\n`)) lost = 0;
  return write(`${now}: ${text}\n`);
}

/**
 * A stamped line, and the line of bytes that belongs to it, at once or not at all.
 *
 * @param bytes no more than fits a pipe together with the line before it, and without what ends or rewrites a line.
 * @returns whether somebody took them.
 */
export function sayDump(about: string, bytes?: string): boolean {
  return write(`${stamped(about)}${bytes === undefined ? '' : `${bytes}\n`}`);
}

/** One event is one line, whoever had a word in it; where an error comes from stands behind it. */
function oneLine(text: string): string {
  return visible(text.replace(/\n +at /g, ' < at '));
}

/** Not by `process.stderr`: that waits for room in a pipe, and ends the process when its reader has gone. */
function write(text: string): boolean {
  const bytes = Buffer.from(text);
  try {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      if (listener?.canWrite(STDERR) === false) return false;
      writeSync(STDERR, bytes, at, Math.min(PIECE_BYTES, bytes.length - at));
    }
    return true;
  } catch {
    return false;
  }
}

/**
 * Prints what was asked for, on stdout unless told otherwise. Who reads it may have gone, as in `pen --help | head -1`,
 * or may have no room; an error of a stream that nobody handles would end the process.
 *
 * @returns why it could not be printed; undefined also when the reader has gone, which is nobody's mistake.
 */
export async function print(text: string, stream: NodeJS.WriteStream = process.stdout): Promise<Error | undefined> {
  if (text === '') return undefined;
  stream.once('error', () => undefined);
  const error = await new Promise<Error | null | undefined>((resolve) => stream.write(text, resolve));
  return error && !('code' in error && error.code === 'EPIPE') ? error : undefined;
}

/** What to tell about an error: its message when we made it for people, everything when it is a surprise. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isForPeople = error.name === 'ConfigError' || error.name === 'HostError';
  return isForPeople ? error.message : (error.stack ?? error.message);
}

/** What is said, as a line of stderr. */
export function stamped(text: string): string {
  return `${timestamp(new Date())}: ${text}\n`;
}

/** What time of day it is. */
export function wallTime(): WallTime {
  const now = new Date();
  return { seconds: now.getTime() / 1000, text: timestamp(now) };
}

function timestamp(now: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  return `${day} ${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
}

/** The time of day, ms since 1970. */
export function wallMs(): number {
  return Date.now();
}
