/** Who may give commands: the access list `control_acl`, by the same rules as for clients. */
import { ENDPOINT_KIND, ENDPOINT_SIZE, KIND_UNIX, writeEndpoint } from '../base/endpoint.ts';
import { permits } from '../balance/access.ts';
import { literalEndpoint } from '../config/address.ts';
import { configAt, currentVersion } from '../table/publish.ts';
import { ACL_NONE } from '../table/schema.ts';
import type { Tables } from '../table/tables.ts';

/**
 * @param address as the system tells it, an IPv6 one perhaps with a zone; undefined for a unix socket.
 */
export function mayControl(tables: Tables, address: string | undefined): boolean {
  const record = new Uint8Array(ENDPOINT_SIZE);
  if (address === undefined) {
    record[ENDPOINT_KIND] = KIND_UNIX;
  } else {
    const endpoint = literalEndpoint(address.split('%', 1)[0] ?? '', 0, 'control');
    if (!endpoint) return false;
    writeEndpoint(endpoint, record, 0);
  }
  const config = configAt(tables, currentVersion(tables));
  return permits(config, config.settings.controlAcl[0] ?? ACL_NONE, record, 0);
}
