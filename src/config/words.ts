/** Words of a line: between blanks, or in double quotes where a word has blanks in it. */
import { ConfigError, visible } from './model.ts';
import { shorten } from './numbers.ts';

/** Longest line, bytes, its end not counted: in files and options, and from peers. */
export const LINE_MAX = 65_536;
/** Longest path, bytes: what Linux takes, its closing NUL not counted. */
const PATH_MAX = 4095;

/** What bytes become that are no text, and what would become other bytes: half a pair of UTF-16. */
export const NO_TEXT = /[\uFFFD\p{Cs}]/u;

/** A quoted word must end where a word ends; one that does not is taken as it stands, quote and all. */
const WORD = /"(?:[^"\\]|\\.)*"(?=[ \t]|$)|[^ \t]+/g;

/** @param line without a line end. */
export function wordsOf(line: string): string[] {
  return (line.match(WORD) ?? []).map((word) => (word.startsWith('"') ? unquoted(word) : word));
}

/** The first word that begins with a quote and is none in quotes, so that it is taken as it stands; undefined: no word is. */
export function openQuoteIn(line: string): string | undefined {
  if (!line.includes('"')) return undefined;
  return line.match(WORD)?.find((word) => word.startsWith('"') && unquoted(word) === word);
}

/** The word as a line can hold it. */
export function quoted(word: string): string {
  return /^[^"\s\p{Cc}][^\s\p{Cc}]*$/u.test(word) ? word : JSON.stringify(word);
}

/**
 * A path or an address that can be told as it is, in answers of lines and in logs.
 *
 * @errors ConfigError when it has line ends or other control characters, was no UTF-8, or is longer than any.
 */
export function printable(text: string, where: string): string {
  if (visible(text) !== text) {
    throw new ConfigError(where, `'${shorten(text)}' has control characters in it, which no path or address may have`);
  }
  if (NO_TEXT.test(text)) {
    throw new ConfigError(
      where,
      `'${shorten(text)}' has bytes in it that are no UTF-8, so nobody knows which they were`,
    );
  }
  const length = Buffer.byteLength(text);
  if (length <= PATH_MAX) return text;
  throw new ConfigError(where, `'${shorten(text)}' has ${length} bytes; a path or an address has at most ${PATH_MAX}`);
}

/** Quoted as in JSON; what is not is a word like any other. */
function unquoted(word: string): string {
  try {
    return String(JSON.parse(word));
  } catch {
    return word;
  }
}
