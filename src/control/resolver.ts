/**
 * From written addresses to endpoints. Literals never touch a resolver; names are looked up once, at start.
 *
 * @owner main thread.
 */
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { Endpoint } from '../base/endpoint.ts';
import { literalEndpoint, portNumber, unixEndpoint, type WrittenAddress } from '../config/address.ts';
import { ConfigError } from '../config/model.ts';

const SERVICES_FILE = '/etc/services';
/** Known by every machine, without asking another one. */
const OWN_NAME = 'localhost';

/** What a jail has no file for: services as they were before. */
let services: string | undefined;
/** The jail we are in. */
let jail: string | undefined;

/**
 * To be called before the root directory becomes another one: services are kept; how names are looked up and what time
 * it is here is learnt from files once and then known. Name servers and hosts are those that the jail says from then on.
 */
export async function keepForJail(path: string): Promise<void> {
  services = readServices();
  new Date(0).getTimezoneOffset();
  await lookup(OWN_NAME).catch(() => undefined);
  jail = path;
}

/**
 * The endpoint an address means; of several addresses of a name, the first; of an interface, its number now.
 *
 * @param where what to name in an error: an option or a line.
 * @param portMin 0 where the system may choose a free port, else 1.
 * @errors ConfigError when the host or the service is unknown.
 */
export async function resolveAddress(address: WrittenAddress, where: string, portMin: 0 | 1): Promise<Endpoint> {
  if ('path' in address) return unixEndpoint(address.path);
  const port = portNumber(address.port, where, portMin, servicePort);
  const literal = literalEndpoint(address.host, port, where);
  if (literal) return literal;
  const found = literalEndpoint(zoneNumbered(address.host, where) ?? (await lookUp(address.host, where)), port, where);
  if (!found) throw new ConfigError(where, `the address of host '${address.host}' cannot be read`);
  return found;
}

let running = 0;

/** Whether a name is being looked up at this moment. Node cannot take that back, and waits for it before it ends. */
export function isLookingUp(): boolean {
  return running > 0;
}

async function lookUp(host: string, where: string): Promise<string> {
  running++;
  try {
    return (await lookup(host, { verbatim: true })).address;
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new ConfigError(where, `host '${host}' cannot be resolved (${reason})${hint()}`);
  } finally {
    running--;
  }
}

/** An address with the number of the interface that its zone names; undefined for what has no zone. */
function zoneNumbered(host: string, where: string): string | undefined {
  const [address, zone] = host.split('%', 2);
  if (zone === undefined) return undefined;
  // Only addresses that mean nothing without their interface tell its number.
  const number = networkInterfaces()[zone]?.find(({ scopeid }) => scopeid !== undefined && scopeid !== 0)?.scopeid;
  if (number !== undefined) return `${address}%${number}`;
  throw new ConfigError(where, `there is no interface '${zone}' with an IPv6 address of its link (fe80::...)`);
}

function hint(): string {
  if (jail === undefined) return '';
  return `; in the jail ${jail} names need an etc/hosts or etc/resolv.conf there, addresses do not`;
}

/** The TCP port of a service. @source services(5) */
export function servicePort(name: string): number | undefined {
  for (const line of (services ?? readServices()).split('\n')) {
    const [service, entry, ...aliases] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/);
    if (service !== name && !aliases.includes(name)) continue;
    const match = /^([0-9]+)\/tcp$/.exec(entry ?? '');
    if (match) return Number(match[1]);
  }
  return undefined;
}

function readServices(): string {
  try {
    return readFileSync(SERVICES_FILE, 'utf8');
  } catch {
    return ''; // a machine without the file knows no services
  }
}
