/**
 * Lines of web servers: `CLIENT ... [TIME] ... "REQUEST" ...`. All text is bytes, one for each character (latin1).
 */
import type { LogTime, TimeReader } from './log-time.ts';

const BACKSLASH = 92;
/** No time is longer, with its brackets: so a line of brackets costs no more than its length. */
const TIME_LENGTH = 40;
/** What web servers write for bytes that would end a line or a quote. */
const ESCAPE = /\\(x[0-9A-Fa-f]{2}|["\\bnrtv])/g;
const LETTERS: Readonly<Record<string, string>> = { b: '\b', n: '\n', r: '\r', t: '\t', v: '\v' };
/** What Pen writes a dot for. */
const NOT_PRINTABLE = /[^ -~]/g;
const STRANGE = /[^ -~]/;

/** A line whose parts are known. */
export interface WebLine {
  readonly time: LogTime;
  /** As it is written. */
  readonly request: string;
  /** The line with another client, and its time in UTC. */
  readonly with: (client: string) => string;
}

/**
 * Takes a line apart.
 *
 * A user name may hold whatever its owner likes, except a quote that is not escaped; so the time is the last one in front
 * of the request.
 * @returns undefined when the line has another shape.
 */
export function readWebLine(line: string, times: TimeReader): WebLine | undefined {
  const blank = line.indexOf(' ');
  const open = quoteIn(line, 0);
  const close = open < 0 ? -1 : quoteIn(line, open + 1);
  if (blank < 1 || blank > open || close <= open + 1 || close === line.length - 1) return undefined;
  for (let from = open; from > blank; from--) {
    from = line.lastIndexOf('[', from);
    if (from <= blank) return undefined;
    const near = line.slice(from + 1, Math.min(open, from + TIME_LENGTH));
    const length = near.indexOf(']');
    const time = length < 0 ? undefined : times.read(near.slice(0, length));
    if (!time) continue;
    const to = from + 1 + length;
    return {
      time,
      request: line.slice(open + 1, close),
      with: (client) => `${client}${line.slice(blank, from + 1)}${time.utc}${line.slice(to)}`,
    };
  }
  return undefined;
}

/** What stands between the first two quotes. @returns undefined where there are no two. */
export function requestOf(line: string): string | undefined {
  const open = quoteIn(line, 0);
  const close = open < 0 ? -1 : quoteIn(line, open + 1);
  return close < 0 ? undefined : line.slice(open + 1, close);
}

/** The line with another client; as it is when its first word cannot be one. */
export function withClient(line: string, client: string): string {
  const blank = line.indexOf(' ');
  return blank < 1 || line.startsWith('"') ? line : `${client}${line.slice(blank)}`;
}

/**
 * How Pen may have written a request that a web server wrote so: as it stands, and with the server's escapes undone.
 */
export function spellings(request: string): readonly string[] {
  const written = asPen(request);
  if (!request.includes('\\')) return [written];
  const undone = asPen(request.replace(ESCAPE, unescape));
  return undone === written ? [written] : [written, undone];
}

/** Text as Pen writes it: up to the end of its line, with dots for what is not printable. */
export function asPen(text: string): string {
  if (!STRANGE.test(text)) return text;
  const end = text.search(/[\r\n]/);
  return (end < 0 ? text : text.slice(0, end)).replace(NOT_PRINTABLE, '.');
}

function unescape(_: string, code: string): string {
  return code.length === 3 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : (LETTERS[code] ?? code);
}

/** The next quote that is not escaped, or -1. */
function quoteIn(line: string, from: number): number {
  for (let at = line.indexOf('"', from); at >= 0; at = line.indexOf('"', at + 1)) {
    let before = at;
    while (before > from && line.charCodeAt(before - 1) === BACKSLASH) before--;
    if ((at - before) % 2 === 0) return at;
  }
  return -1;
}
