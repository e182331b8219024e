/**
 * Servers as the choice sees them: which rows there are, and which of them clients may be given now.
 *
 * Servers have an index within their farm (0..n-1, what people see) and a row of the servers table (what code uses);
 * row 0 means "none". Which row an index stands for says `members`. The emergency and the abuse server of a farm have
 * rows, but no index.
 */
import { ENDPOINT_KIND, ENDPOINT_SIZE, KIND_NONE, KIND_UNIX, portOf } from '../base/endpoint.ts';
import type { ConfigBank, Tables } from '../table/tables.ts';
import { blacklistedUntil } from '../table/shared.ts';

/** Row of "no server". */
export const NO_SERVER = 0;

/** Deciseconds of the monotonic clock, as blacklist times are kept. */
export function deciseconds(nowMs: number): number {
  return Math.floor(nowMs / 100);
}

/** False for a row whose address was never set or was cleared. */
export function isServerSet(config: ConfigBank, server: number): boolean {
  return config.servers.endpoint[server * ENDPOINT_SIZE + ENDPOINT_KIND] !== KIND_NONE;
}

/** Whether a server that is set is reached at the port of the listener that its client came by. */
export function hasListenerPort(config: ConfigBank, server: number): boolean {
  const { endpoint } = config.servers;
  const at = server * ENDPOINT_SIZE;
  return portOf(endpoint, at) === 0 && endpoint[at + ENDPOINT_KIND] !== KIND_UNIX;
}

/** True when the server exists and is not passed over because of a failure. Limits are not looked at here. */
export function isAvailable(tables: Tables, config: ConfigBank, server: number, nowDs: number): boolean {
  return isServerSet(config, server) && blacklistedUntil(tables, server) <= nowDs;
}

/** Whether a row stands for the same address, or for none, in both. */
export function hasSameAddress({ servers: now }: ConfigBank, { servers: before }: ConfigBank, server: number): boolean {
  const from = server * ENDPOINT_SIZE;
  for (let at = from; at < from + ENDPOINT_SIZE; at++) if (now.endpoint[at] !== before.endpoint[at]) return false;
  return true;
}
