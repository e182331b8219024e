/** Countries of addresses. */
import type { Ranges } from './ranges.ts';

const LETTERS = 26;
const FIRST_LETTER = 65;
/** Two letters make so many codes. */
export const COUNTRY_CODES = LETTERS * LETTERS;

/** What a file says about all addresses. Values are `countryNumber`s; addresses that it does not know have none. */
export interface Countries {
  /** The file, as a person may know it. */
  readonly path: string;
  /** Differs when the file does. */
  readonly stamp: string;
  readonly ipv4: Ranges;
  /** The IPv6 addresses that do not stand for IPv4 ones. */
  readonly ipv6: Ranges;
}

/** The number of a country of two letters, in capitals or not; undefined for other texts. */
export function countryNumber(code: string): number | undefined {
  if (!/^[A-Za-z]{2}$/.test(code)) return undefined;
  const capitals = code.toUpperCase();
  return (capitals.charCodeAt(0) - FIRST_LETTER) * LETTERS + capitals.charCodeAt(1) - FIRST_LETTER;
}
