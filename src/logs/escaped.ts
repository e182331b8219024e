/** Text that strangers have a word in, as one line of a log. Text is bytes (latin1). */
import { isUtf8 } from 'node:buffer';

/** What needs a closer look. */
const STRANGE = /[^\t -~]/;
/** What ends a line, rewrites it, or is a command to a terminal; a tab is none of these. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/g;
/** Bytes that are no letters. */
const HIGH = /[\x80-\xff]/g;
/** The same commands as letters of UTF-8: two bytes each. */
const CONTROL_LETTER = /\xc2[\x80-\x9f]/g;
const CODES = Array.from({ length: 256 }, (_, byte) => `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`);

/**
 * The text with control characters written as web servers write them: `\x1B`. Letters of UTF-8 stay; where the bytes are
 * no such text, all that are not ASCII are written so.
 */
export function escaped(text: string): string {
  if (!STRANGE.test(text)) return text;
  const safe = text.replace(CONTROL, code);
  return isUtf8(Buffer.from(safe, 'latin1'))
    ? safe.replace(CONTROL_LETTER, (two) => two.replace(HIGH, code))
    : safe.replace(HIGH, code);
}

function code(byte: string): string {
  return CODES[byte.charCodeAt(0)] ?? byte;
}
