/** Who may give commands: the access list `control_acl`, by the same rules as for clients. */
import { ENDPOINT_SIZE, writeEndpoint } from '../base/endpoint.ts';
import { permits } from '../balance/access.ts';
import { literalEndpoint } from '../config/address.ts';
import { configAt, currentVersion } from '../table/publish.ts';
import type { Tables } from '../table/tables.ts';

/**
 * @param acl number of the list.
 * @param address as the system tells it, an IPv6 one perhaps with a zone; undefined for a unix socket, which is always
 * permitted.
 */
export function mayControl(tables: Tables, acl: number, address: string | undefined): boolean {
  if (address === undefined) return true;
  const endpoint = literalEndpoint(address.split('%', 1)[0] ?? '', 0, 'control');
  if (!endpoint) return false;
  const record = new Uint8Array(ENDPOINT_SIZE);
  writeEndpoint(endpoint, record, 0);
  return permits(configAt(tables, currentVersion(tables)), acl, record, 0);
}
