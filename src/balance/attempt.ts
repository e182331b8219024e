/** Whether a server may be tried, and who is next when it may not or has failed. */
import { memberAt } from '../table/members.ts';
import { FARM_F_STUBBORN } from '../table/schema.ts';
import { takeInFlight } from '../table/shared.ts';
import type { ConfigBank, Tables } from '../table/tables.ts';
import { permits } from './access.ts';
import { isAvailable, NO_SERVER } from './servers.ts';

/**
 * Takes a place at the server for a connection of the peer, if the server can be tried: it has an address, is not
 * blacklisted, its own access list permits the peer, and its limit leaves a place.
 *
 * The limit is `max` for clients the server does not know, and the higher of `max` and `hard` for those it does; 0 is
 * no limit, whatever `hard` says. So `hard` keeps places for clients that have begun something.
 *
 * @param isKnown the client was last sent to this very server.
 * @returns true when the place is taken; the caller gives it back, once.
 * @owner any worker.
 * @cost  one atomic operation, and the entries of the access list.
 */
export function takePlace(
  tables: Tables,
  config: ConfigBank,
  server: number,
  peers: Uint8Array,
  at: number,
  isKnown: boolean,
  nowDs: number,
): boolean {
  if (!isAvailable(tables, config, server, nowDs)) return false;
  const { acl, max, hard } = config.servers;
  if (!permits(config, acl[server], peers, at)) return false;
  const isRaised = isKnown && max[server] !== 0 && hard[server] > max[server];
  return takeInFlight(tables, server, isRaised ? hard[server] : max[server]);
}

/**
 * The server to try after `last` failed: the farm's servers by index from `last` on, once around, then the
 * emergency server. A stubborn farm tries nobody else; after the emergency or abuse server nobody is left.
 *
 * @param last row that failed, or NO_SERVER when there was no first choice.
 * @param walked servers already tried by this walk, not counting the first choice.
 * @returns a row (the caller still checks that it can be used), or NO_SERVER to give up.
 */
export function nextAfterFailure(config: ConfigBank, farm: number, last: number, walked: number): number {
  if ((config.farms.flags[farm] & FARM_F_STUBBORN) !== 0) return NO_SERVER;
  const emergency = config.farms.emergencyServer[farm];
  if (last === NO_SERVER) return emergency;
  if (last === emergency || last === config.farms.abuseServer[farm]) return NO_SERVER;
  const count = config.farms.serverCount[farm];
  // Behind the last one's index: the next one's.
  const next = config.servers.place[last];
  if (next !== 0 && count > 1 && walked < count) return memberAt(config, farm, next % count);
  return emergency;
}
