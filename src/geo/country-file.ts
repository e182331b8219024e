/**
 * The file that tells countries of addresses, from where it lies.
 *
 * @owner main thread.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import type { Countries } from '../base/countries.ts';
import { readCountries } from './maxmind.ts';

/** Where the programs that fetch such files put them. */
export const CUSTOMARY_FILES = [
  '/var/lib/GeoIP/GeoLite2-Country.mmdb',
  '/usr/share/GeoIP/GeoLite2-Country.mmdb',
] as const;
/** More than any file of countries has. */
const SIZE_MAX = 2 ** 28;

/**
 * Reads the file, all at once: some hundred milliseconds for a large one.
 *
 * @param path empty: the first of `CUSTOMARY_FILES` that is there.
 * @param before what was read last; returned as it is when the file is still the same.
 * @errors Error that says what is wrong with which file.
 */
export function readCountryFile(path: string, before?: Countries): Countries {
  if (path !== '') return readFile(path, before);
  for (const customary of CUSTOMARY_FILES) {
    try {
      return readFile(customary, before);
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }
  throw new Error(
    `there is no file that tells countries: none of ${CUSTOMARY_FILES.join(', ')} exists; say geoip FILE`,
  );
}

function readFile(path: string, before: Countries | undefined): Countries {
  const fd = open(path);
  try {
    const facts = fstatSync(fd);
    if (!facts.isFile()) throw new Error(`${path} is not a file`);
    if (facts.size > SIZE_MAX) throw new Error(`${path} is larger than any file of countries`);
    const stamp = `${path} ${facts.dev} ${facts.ino} ${facts.size} ${facts.mtimeMs}`;
    if (stamp === before?.stamp) return before;
    return { path, stamp, ...countriesOf(path, readFileSync(fd)) };
  } finally {
    closeSync(fd);
  }
}

function countriesOf(path: string, bytes: Uint8Array): Pick<Countries, 'ipv4' | 'ipv6'> {
  try {
    return readCountries(bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} is not a whole MaxMind file: ${reason}`, { cause: error });
  }
}

/** @errors Error in words, with the code of the system's. */
function open(path: string): number {
  try {
    // Whatever waits for somebody, such as a pipe, is not waited for.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    const words = code === 'ENOENT' ? `there is no file ${path}` : `${path} cannot be read (${code})`;
    throw Object.assign(new Error(words, { cause: error }), { code });
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
