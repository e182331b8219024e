import { ConfigError } from './model.ts';

/** Parses a whole decimal number within bounds; anything else is an error that says what would be right. */
export function parseWhole(text: string, where: string, min: number, max: number): number {
  // -0 is 0: two states must not differ in what nobody sees.
  const value = /^-?[0-9]{1,10}$/.test(text) ? Number(text) + 0 : NaN;
  if (value >= min && value <= max) return value;
  throw new ConfigError(where, `'${shorten(text)}' is not a whole number from ${min} to ${max}`);
}

const SHOWN_MAX = 60;

/** A word as an error may show it: not longer than a line. */
export function shorten(text: string): string {
  return text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}...`;
}
