/**
 * Server choice and failover order: pure functions over the tables.
 *
 * Servers have an index within their farm (0..n-1, what people see) and a row of the servers table (what code
 * uses); row 0 means "none". The emergency and the abuse server of a farm have rows outside the indexed range.
 */
import { ENDPOINT_KIND, ENDPOINT_SIZE, KIND_NONE } from '../base/endpoint.ts';
import type { ConfigBank, Tables } from '../table/tables.ts';
import { FARM_F_STUBBORN } from '../table/schema.ts';
import { blacklistedUntil, moveCursor, readCursor } from '../table/shared.ts';

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

/** True when the server exists and is not passed over because of a failure. Limits are not looked at here. */
export function isAvailable(tables: Tables, config: ConfigBank, server: number, nowDs: number): boolean {
  return isServerSet(config, server) && blacklistedUntil(tables, server) <= nowDs;
}

/**
 * The next server in turn: the cursor moves on to the next available server, testing up to and including the one
 * it stands on. So the first client of a farm gets server 1 (server 0 only when it is alone).
 *
 * @returns the server's row, or NO_SERVER when none is available.
 * @cost O(servers) at worst; the cursor is one word for all workers, moved by compare-and-swap.
 */
export function chooseRoundRobin(tables: Tables, config: ConfigBank, farm: number, nowDs: number): number {
  const count = config.farms.serverCount[farm];
  const first = config.farms.serverFirst[farm];
  for (;;) {
    const cursor = readCursor(tables, farm);
    let found = -1;
    for (let step = 1; step <= count; step++) {
      const index = (cursor + step) % count;
      if (isAvailable(tables, config, first + index, nowDs)) {
        found = index;
        break;
      }
    }
    if (found < 0) return NO_SERVER;
    if (moveCursor(tables, farm, cursor, found)) return first + found;
  }
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
  const first = config.farms.serverFirst[farm];
  const index = last - first;
  const isListed = index >= 0 && index < count;
  if (isListed && count > 1 && walked < count) return first + ((index + 1) % count);
  return emergency;
}
