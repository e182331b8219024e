/**
 * Which server a client is given first. Pure functions over the tables; where two workers decide at once, only the
 * cursor is shared, and it is moved by compare-and-swap.
 *
 * The first rule that applies decides:
 *
 * | rule | applies when | gives |
 * |---|---|---|
 * | memory | not `roundrobin`, and the client is known | the server it was last sent to, up or not |
 * | prio | flag | the lowest priority number among those available; equal: the lowest index |
 * | leastconn | flag | the fewest connections (with `weight`: for its weight) among those available; equal: in turn |
 * | weight | flag | the lowest floor(256 x connections / weight) among those available; equal: the lowest index |
 * | hash | flag | the one that the address stands for, up or not |
 * | turn | else | the next available one from the cursor on |
 *
 * Available: it has an address and is not blacklisted. Limits and access lists are looked at when the server is tried
 * (`attempt.ts`); one that cannot be used then is walked on from, as after a failure.
 */
import { FARM_F_HASH, FARM_F_LEASTCONN, FARM_F_PRIO, FARM_F_ROUND_ROBIN, FARM_F_WEIGHT } from '../table/schema.ts';
import { memberAt } from '../table/members.ts';
import { inFlightOf, moveCursor, readCursor } from '../table/shared.ts';
import type { ConfigBank, Tables } from '../table/tables.ts';
import { chooseByHash } from './hash.ts';
import { isAvailable, NO_SERVER } from './servers.ts';

/**
 * The server that a client is given first.
 *
 * @param peers records of PEER_SIZE bytes; `at` where the client's begins.
 * @param remembered index within the farm, plus one, of the server the client was last sent to; 0 none.
 * @returns the server's row, or NO_SERVER when none is available.
 * @owner any worker.
 * @cost  O(servers) at worst; allocates nothing.
 */
export function chooseServer(
  tables: Tables,
  config: ConfigBank,
  farm: number,
  peers: Uint8Array,
  at: number,
  remembered: number,
  nowDs: number,
): number {
  const { flags, serverCount } = config.farms;
  const flag = flags[farm];
  const isKnown = remembered !== 0 && remembered <= serverCount[farm];
  if (isKnown && (flag & FARM_F_ROUND_ROBIN) === 0) return memberAt(config, farm, remembered - 1);
  if ((flag & FARM_F_PRIO) !== 0) return chooseByPrio(tables, config, farm, nowDs);
  if ((flag & FARM_F_LEASTCONN) !== 0) return chooseLeastConnected(tables, config, farm, nowDs);
  if ((flag & FARM_F_WEIGHT) !== 0) return chooseByWeight(tables, config, farm, nowDs);
  if ((flag & FARM_F_HASH) !== 0) return chooseByHash(config, farm, peers, at);
  return chooseInTurn(tables, config, farm, nowDs);
}

/**
 * The cursor moves on to the next available server, testing up to and including the one it stands on. So the first
 * client of a farm gets server 1 (server 0 only when it is alone).
 */
export function chooseInTurn(tables: Tables, config: ConfigBank, farm: number, nowDs: number): number {
  const members = config.members.server;
  const count = config.farms.serverCount[farm];
  const first = config.farms.serverFirst[farm];
  for (;;) {
    const cursor = readCursor(tables, farm);
    let found = -1;
    for (let step = 1; step <= count; step++) {
      const index = (cursor + step) % count;
      if (isAvailable(tables, config, members[first + index], nowDs)) {
        found = index;
        break;
      }
    }
    if (found < 0) return NO_SERVER;
    if (moveCursor(tables, farm, cursor, found)) return members[first + found];
  }
}

function chooseByPrio(tables: Tables, config: ConfigBank, farm: number, nowDs: number): number {
  const { prio } = config.servers;
  const members = config.members.server;
  const first = config.farms.serverFirst[farm];
  const end = first + config.farms.serverCount[farm];
  let best = NO_SERVER;
  for (let position = first; position < end; position++) {
    const server = members[position];
    if (best !== NO_SERVER && prio[server] >= prio[best]) continue;
    if (isAvailable(tables, config, server, nowDs)) best = server;
  }
  return best;
}

function chooseByWeight(tables: Tables, config: ConfigBank, farm: number, nowDs: number): number {
  const { weight } = config.servers;
  const members = config.members.server;
  const first = config.farms.serverFirst[farm];
  const end = first + config.farms.serverCount[farm];
  let best = NO_SERVER;
  let lowest = Infinity;
  for (let position = first; position < end; position++) {
    const server = members[position];
    if (weight[server] === 0 || !isAvailable(tables, config, server, nowDs)) continue;
    const load = Math.floor((256 * inFlightOf(tables, server)) / weight[server]);
    if (load < lowest) {
      lowest = load;
      best = server;
    }
  }
  return best;
}

/**
 * Looks around from the cursor on, so that servers that are equally busy, such as all of an idle farm, are taken in
 * turn. With `weight`, a server of weight 3 is given three connections for one of weight 1, and one of weight 0 none;
 * without, all count alike.
 */
function chooseLeastConnected(tables: Tables, config: ConfigBank, farm: number, nowDs: number): number {
  const { weight } = config.servers;
  const members = config.members.server;
  const isWeighted = (config.farms.flags[farm] & FARM_F_WEIGHT) !== 0;
  const count = config.farms.serverCount[farm];
  const first = config.farms.serverFirst[farm];
  for (;;) {
    const cursor = readCursor(tables, farm);
    let found = -1;
    let foundLoad = 0;
    let foundWeight = 0;
    for (let step = 1; step <= count; step++) {
      const index = (cursor + step) % count;
      const server = members[first + index];
      const share = isWeighted ? weight[server] : 1;
      if (share === 0 || !isAvailable(tables, config, server, nowDs)) continue;
      const load = inFlightOf(tables, server);
      // load / share < foundLoad / foundWeight, exactly: both products are far below 2^53.
      if (found >= 0 && load * foundWeight >= foundLoad * share) continue;
      found = index;
      foundLoad = load;
      foundWeight = share;
    }
    if (found < 0) return NO_SERVER;
    if (moveCursor(tables, farm, cursor, found)) return members[first + found];
  }
}
