/**
 * From written addresses to endpoints. Literals never touch a resolver; names are looked up once, at start.
 *
 * @owner main thread.
 */
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import type { Endpoint } from '../base/endpoint.ts';
import { literalEndpoint, portNumber, unixEndpoint, type WrittenAddress } from '../config/address.ts';
import { ConfigError } from '../config/model.ts';

const SERVICES_FILE = '/etc/services';

/**
 * The endpoint an address means; of several addresses of a name, the first.
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
  const found = literalEndpoint(await lookUp(address.host, where), port, where);
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
    throw new ConfigError(where, `host '${host}' cannot be resolved (${reason})`);
  } finally {
    running--;
  }
}

/** The TCP port of a service. @source services(5) */
export function servicePort(name: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(SERVICES_FILE, 'utf8');
  } catch {
    return undefined; // a machine without the file knows no services
  }
  for (const line of text.split('\n')) {
    const [service, entry, ...aliases] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/);
    if (service !== name && !aliases.includes(name)) continue;
    const match = /^([0-9]+)\/tcp$/.exec(entry ?? '');
    if (match) return Number(match[1]);
  }
  return undefined;
}
