/** Addresses in the words of commands. */
import type { Endpoint } from '../../base/endpoint.ts';
import { literalEndpoint, portNumber, unixEndpoint, type WrittenAddress } from '../address.ts';
import type { Call } from '../command.ts';
import { ConfigError } from '../model.ts';

/**
 * The endpoint that an address means, its name looked up before.
 *
 * @param portMin 0 where that means something, else 1.
 * @errors ConfigError.
 */
export function resolved(call: Call, written: WrittenAddress, portMin: 0 | 1): Endpoint {
  if ('path' in written) return unixEndpoint(written.path);
  const port = portNumber(written.port, call.where, portMin, call.servicePort);
  const literal = literalEndpoint(written.host, port, call.where);
  if (literal) return literal;
  const found = call.hosts.get(written.host);
  if (!found || !('port' in found)) throw new ConfigError(call.where, `host '${written.host}' is not known`);
  return { ...found, port };
}
