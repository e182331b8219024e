/**
 * The lines of a script, kept as they stand in their files: some bytes each, however many there are. Whoever goes through
 * them has each of them read then.
 *
 * @owner main thread.
 */
import { blockBehind, inBlock } from '../config/blocks.ts';
import { readLine, type Line } from '../config/commands.ts';
import { OBSOLETE_WORDS } from '../config/commands/later.ts';
import { ConfigError } from '../config/model.ts';
import { shorten } from '../config/numbers.ts';
import type { ScriptLine } from '../config/script.ts';
import { LINE_MAX, NO_TEXT, openQuoteIn } from '../config/words.ts';
import type { OpenedFile } from './config-file.ts';

const LF = 10;
const CR = 13;
/** What some editors write in front of a file, and `cat` leaves in the middle of another. */
const MARK = '\uFEFF';
const NOTHING: Line = { kind: 'empty' };

/** Lines that stand one behind the other in a file. */
export interface Passage {
  readonly file: OpenedFile;
  /** Where the first of them begins, which line that is, and where the last of them ends. */
  readonly start: number;
  readonly number: number;
  readonly end: number;
  /** The farm of the block that the first of them stands in. */
  readonly farm: string;
}

/** A line of a file. */
export interface FileLine {
  readonly line: Line | ConfigError;
  readonly where: string;
  /** The passage behind it. */
  readonly rest: Passage;
}

export class Passages implements Iterable<ScriptLine> {
  private readonly parts: (Passage | ScriptLine)[] = [];

  /** @param part lines of a file, or a line that stands in none. */
  add(part: Passage | ScriptLine): void {
    this.parts.push(part);
  }

  *[Symbol.iterator](): Generator<ScriptLine> {
    for (const part of this.parts) {
      if ('line' in part) yield part;
      else for (const { line, where } of linesOf(part)) yield { line: obeyed(line), where, isAsked: true };
    }
  }
}

/** @param farm that of the block that the whole file stands in. */
export function passageOf(file: OpenedFile, farm: string): Passage {
  return { file, start: 0, number: 1, end: file.bytes.length, farm };
}

export function* linesOf(passage: Passage): Generator<FileLine> {
  for (let rest = passage; rest.start < rest.end;) {
    const { file, start, number, farm } = rest;
    const found = file.bytes.indexOf(LF, start);
    const end = found < 0 ? rest.end : found;
    const where = `${file.path}:${number}`;
    const line = inBlock(lineAt(file.bytes, start, end, where), farm);
    rest = { file, start: end + 1, number: number + 1, end: rest.end, farm: blockBehind(line, farm) };
    yield { line, where, rest };
  }
}

function lineAt(bytes: Buffer, start: number, end: number, where: string): Line | ConfigError {
  const last = end > start && bytes[end - 1] === CR ? end - 1 : end;
  const size = last - start;
  if (size === 0) return NOTHING;
  return size > LINE_MAX ? tooLong(size, where) : understood(bytes.toString('utf8', start, last), where);
}

/** A line without its line end, or why it cannot be what somebody meant. */
export function understood(text: string, where: string): Line | ConfigError {
  const size = Buffer.byteLength(text);
  if (size > LINE_MAX) return tooLong(size, where);
  const line = readLine(text);
  const fault = faultIn(text, line.kind === 'empty');
  return fault === undefined ? line : new ConfigError(where, fault);
}

/** Told before anybody has looked at what is in it. */
function tooLong(size: number, where: string): ConfigError {
  return new ConfigError(where, `the line has ${size} bytes, of ${LINE_MAX} possible`);
}

/** What is wrong with a line, whatever its words mean. */
function faultIn(text: string, isComment: boolean): string | undefined {
  // These would end its words before it ends, so that something would be dropped unseen.
  if (/[\r\0]/.test(text)) {
    return 'the line has a carriage return or a NUL in it; lines end with a line feed, or with both';
  }
  if (isComment) return undefined;
  if (text.includes(MARK)) return 'the line has a byte order mark in it; only a file may begin with one, no other line';
  if (NO_TEXT.test(text)) return 'the line has bytes in it that are no UTF-8; all but comments is written in UTF-8';
  const word = openQuoteIn(text);
  if (word === undefined) return undefined;
  const right =
    'write "two words", with a blank or nothing behind it, and in it \\" for a quote and \\\\ for a backslash';
  return `the quote in front of '${shorten(word.slice(1))}' is not closed; ${right}`;
}

/** The file that a line includes; undefined for every other line. */
export function includedBy(line: Line): string | undefined {
  if (line.kind !== 'command' || line.command.name !== 'include') return undefined;
  return line.words[0] ?? '';
}

/** A word that has long stopped to mean anything. */
export function isObsolete(line: Line): line is Extract<Line, { kind: 'unknown' }> {
  return line.kind === 'unknown' && OBSOLETE_WORDS.has(line.word);
}

/** Other lines stand in the place of one that includes them. */
function obeyed(line: Line | ConfigError): Line | ConfigError {
  if (line instanceof ConfigError) return line;
  return isObsolete(line) || includedBy(line) !== undefined ? NOTHING : line;
}
