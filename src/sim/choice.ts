/**
 * Whether the server that a client was sent to first is the one that the farm's rules name, as far as that can be told
 * from outside: what is said of weights, priorities and memory, in the plainest words.
 */
import { FARM_F_LEASTCONN, FARM_F_PRIO, FARM_F_ROUND_ROBIN, FARM_F_WEIGHT } from '../table/schema.ts';
import { blacklistedUntil } from '../table/shared.ts';
import type { Dialogue } from './dialogue.ts';
import type { ObserverHost } from './observer.ts';
import type { SimServer } from './server.ts';
import { violate } from './violation.ts';

/** @param chosen where the first connect for the dialogue goes; not yet counted there. */
export function judgeChoice(dialogue: Dialogue, chosen: SimServer, host: ObserverHost): void {
  if (host.shortageUs >= dialogue.connectUs || host.crew?.isBroken) return;
  const { books } = host;
  if (books.isDenied(dialogue)) return;
  const row = books.remembered(dialogue, host.clock.nowUs / 1000);
  const last = host.servers.find((server) => server.row === row);
  if (last !== undefined && isUsable(last, dialogue, host)) {
    if (chosen !== last) blame(dialogue, chosen, `server ${last.index} is remembered`);
    return;
  }
  // Memory may have decided, and been walked on from.
  if ((books.policy.flags & FARM_F_ROUND_ROBIN) === 0 && books.of(dialogue).accepted > 1) return;
  const best = bestServers(dialogue, host);
  if (best.length === 0 || !best.every((server) => isUsable(server, dialogue, host))) return;
  if (!best.includes(chosen)) blame(dialogue, chosen, `the rules name ${best.map(({ index }) => index).join(' or ')}`);
}

function blame(dialogue: Dialogue, chosen: SimServer, why: string): never {
  return violate('choice', `dialogue ${dialogue.id} goes to server ${chosen.index} though ${why}`);
}

/** Those that may be chosen now; none when any may be. */
function bestServers({ farm }: Dialogue, host: ObserverHost): readonly SimServer[] {
  const { flags, weight, prio } = host.books.policy;
  const isWeighted = (flags & FARM_F_WEIGHT) !== 0;
  const there = host.servers.filter((server) => !server.isExtra && server.isOf(farm) && isThere(server, host));
  if ((flags & FARM_F_PRIO) !== 0) return lowest(there, ({ index }) => prio[index]).slice(0, 1);
  const weighty = there.filter(({ index }) => !isWeighted || weight[index] > 0);
  if ((flags & FARM_F_LEASTCONN) !== 0)
    return lowest(weighty, ({ inFlight, index }) => inFlight / (isWeighted ? weight[index] : 1));
  if (isWeighted)
    return lowest(weighty, ({ inFlight, index }) => Math.floor((256 * inFlight) / weight[index])).slice(0, 1);
  return [];
}

function lowest(servers: readonly SimServer[], rank: (server: SimServer) => number): readonly SimServer[] {
  const least = Math.min(...servers.map(rank));
  return servers.filter((server) => rank(server) === least);
}

function isThere(server: SimServer, host: ObserverHost): boolean {
  return server.isConfigured && blacklistedUntil(host.tables, server.row) <= Math.floor(host.clock.nowUs / 100_000);
}

function isUsable(server: SimServer, dialogue: Dialogue, host: ObserverHost): boolean {
  const max = host.tuning.serverMax[server.index];
  const isPermitted = host.books.permits(host.books.policy.acl[server.index], dialogue);
  return isThere(server, host) && isPermitted && (max === 0 || server.inFlight < max);
}
