/** Entries of access lists: from words to data and back. */
import ipaddr from 'ipaddr.js';
import { countryNumber } from '../base/countries.ts';
import { ACL_ENTRIES_MAX, ACLS_MAX } from '../table/limits.ts';
import { ACL_LISTS, ConfigError, NoRoom, type AclEntry, type AclId, type Configuration } from './model.ts';
import { parseWhole, shorten } from './numbers.ts';

const IPV4_BITS = 32;
const IPV6_BITS = 128;
/** `::ffff:0:0/96` holds the IPv4 addresses. */
const MAPPED_BITS = 96;

/** Half of the time of `ipaddr.js`, where there are hundreds of thousands. */
const FOUR_PARTS = /^(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})$/;

const NAME_MAX = 32;
const NAME = /^[A-Za-z][A-Za-z0-9_.-]*$/;
/** Lists that can have names. */
export const NAMES_MAX = ACLS_MAX - ACL_LISTS;
/** Words that mean something else where a list is named. */
const NO_NAMES: readonly string[] = ['none', 'auto'];

/** Which list is meant: its number, or its name. @errors ConfigError. */
export function parseAclId(word: string, where: string): AclId {
  if (/^[-+]?[0-9]/.test(word)) return parseWhole(word, where, 0, ACL_LISTS - 1);
  if (NAME.test(word) && word.length <= NAME_MAX && !NO_NAMES.includes(word)) return word;
  throw new ConfigError(
    where,
    `'${shorten(word)}' is no access list; write a number from 0 to ${ACL_LISTS - 1}, or a name such as office`,
  );
}

/**
 * `permit|deny ADDRESS [MASK]`, `ADDRESS/LENGTH`, `country CC` or `unix`. Bits of the address outside the mask are
 * cleared.
 *
 * @errors ConfigError.
 */
export function parseAclEntry([action, address, mask]: readonly string[], where: string): AclEntry {
  if (action !== 'permit' && action !== 'deny') {
    throw new ConfigError(
      where,
      `write permit or deny after the number or name of the list, not '${shorten(action ?? '')}'`,
    );
  }
  if (address === undefined) {
    throw new ConfigError(where, `${action} what? write an address, country and its two letters, or unix`);
  }
  const permits = action === 'permit';
  if (address === 'unix') return { permits, kind: 'unix' };
  if (address === 'country') return { permits, kind: 'country', code: parseCountry(mask, `${where}: country`) };
  const [text = '', length, ...rest] = address.split('/');
  if (rest.length > 0) throw notAnAddress(address, where);
  if (text.includes(':')) return ipv6Entry(permits, text, length, where);
  const ipv4 = ipv4Number(text);
  if (ipv4 === undefined) throw notAnAddress(text, where);
  if (length === undefined) return ipv4Entry(permits, ipv4, parseMask(mask, where));
  return ipv4Entry(permits, ipv4, maskOf(parseWhole(length, where, 0, IPV4_BITS)));
}

function parseCountry(code: string | undefined, where: string): string {
  if (code !== undefined && countryNumber(code) !== undefined) return code.toUpperCase();
  throw new ConfigError(where, `'${shorten(code ?? '')}' is not a country of two letters such as SE`);
}

/**
 * One more entry in a list is not more than the tables have room for: told at once, and not when all have been read, so
 * that it is told where it stands.
 *
 * @errors NoRoom.
 */
export function checkRoom({ acls, namedAcls }: Configuration, id: AclId, where: string): void {
  let count = 1;
  for (const entries of acls) count += entries.length;
  for (const entries of namedAcls.values()) count += entries.length;
  if (count > ACL_ENTRIES_MAX) throw noRoom(where, ACL_ENTRIES_MAX, 'entries in all lists together', count);
  const names = namedAcls.size + Number(typeof id === 'string' && !namedAcls.has(id));
  if (names > NAMES_MAX) throw noRoom(where, NAMES_MAX, 'access lists with names', names);
}

export function noRoom(where: string, room: number, what: string, wanted: number): ConfigError {
  return new NoRoom(where, `there is room for ${room} ${what}, not for ${wanted}`);
}

/** The words that make the entry again. */
export function aclEntryText(entry: AclEntry): string {
  const action = entry.permits ? 'permit' : 'deny';
  if (entry.kind === 'unix') return `${action} unix`;
  if (entry.kind === 'country') return `${action} country ${entry.code}`;
  if (entry.kind === 4) return `${action} ${ipv4Text(entry.address)} ${ipv4Text(entry.mask)}`;
  return `${action} ${new ipaddr.IPv6([...entry.address]).toRFC5952String()}/${entry.prefix}`;
}

function ipv4Entry(permits: boolean, address: number, mask: number): AclEntry {
  return { permits, kind: 4, address: (address & mask) >>> 0, mask };
}

function ipv6Entry(permits: boolean, text: string, length: string | undefined, where: string): AclEntry {
  if (!ipaddr.IPv6.isValid(text) || text.includes('%')) throw notAnAddress(text, where);
  const prefix = length === undefined ? IPV6_BITS : parseWhole(length, where, 0, IPV6_BITS);
  const ipv6 = ipaddr.IPv6.parse(text);
  if (ipv6.isIPv4MappedAddress() && prefix >= MAPPED_BITS) {
    const [high = 0, low = 0] = ipv6.parts.slice(-2);
    return ipv4Entry(permits, high * 0x1_0000 + low, maskOf(prefix - MAPPED_BITS));
  }
  const address = ipv6.parts.map((part, index) => part & (0xffff << Math.max(0, 16 - clamp(prefix - index * 16))));
  return { permits, kind: 6, address: address.map((part) => part & 0xffff), prefix };
}

/** Bits of a 16-bit part that a prefix covers. */
function clamp(bits: number): number {
  return Math.max(0, Math.min(16, bits));
}

function parseMask(text: string | undefined, where: string): number {
  if (text === undefined) return 0xffff_ffff;
  const mask = ipv4Number(text);
  if (mask !== undefined) return mask;
  throw new ConfigError(where, `'${shorten(text)}' is not a mask such as 255.255.255.0`);
}

function notAnAddress(text: string, where: string): ConfigError {
  return new ConfigError(
    where,
    `'${shorten(text)}' is not an IPv4 address, an IPv6 address, or one of them with /LENGTH`,
  );
}

/** Of four decimal numbers without leading zeros, which some take for octal; undefined: it is none. */
function ipv4Number(text: string): number | undefined {
  const [, ...parts] = FOUR_PARTS.exec(text) ?? [];
  const bytes = parts.map(Number);
  if (bytes.length === 0 || bytes.some((byte) => byte > 255)) return undefined;
  return bytes.reduce((number, byte) => number * 256 + byte);
}

function ipv4Text(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
}

/** The mask whose first `bits` bits are set. */
function maskOf(bits: number): number {
  return bits === 0 ? 0 : (0xffff_ffff << (IPV4_BITS - bits)) >>> 0;
}
