/** Addresses as text that is equal when they are, whoever wrote them. */
import { isIP, SocketAddress } from 'node:net';

const MAPPED = '::ffff:';
/** There are few servers; what comes from strangers must not fill the memory. */
const KNOWN_MAX = 1000;
const known = new Map<string, string | undefined>();

/**
 * The address in its shortest form: IPv6 as RFC 5952 has it and without a zone, IPv4 within IPv6 as IPv4.
 *
 * @returns undefined for what is no address.
 */
export function plainAddress(text: string): string | undefined {
  if (known.has(text)) return known.get(text);
  if (known.size >= KNOWN_MAX) known.clear();
  const plain = parse(text);
  known.set(text, plain);
  return plain;
}

function parse(text: string): string | undefined {
  if (isIP(text) === 4) return text;
  if (isIP(text) !== 6) return undefined;
  const address = text.split('%', 1)[0] ?? '';
  const plain = new SocketAddress({ address, family: 'ipv6' }).address;
  const inside = plain.startsWith(MAPPED) ? plain.slice(MAPPED.length) : '';
  return isIP(inside) === 4 ? inside : plain;
}
