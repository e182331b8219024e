/**
 * Idlers: connections to servers that are kept without a client, each a row of the tables like any other, but with one
 * side only. They are not handed to clients; somebody wants his servers to have them.
 *
 * They never take the last place from a client, nor from a listener: where one has none to give, an idler is closed; nor
 * at a server (`idler-places.ts`). How many are missing is looked at when the configuration has changed, and a second after one has ended or could not be had; so a server that closes
 * or refuses them costs a connect a second for each.
 */
import { assert } from '../base/assert.ts';
import { hasSameAddress } from '../balance/servers.ts';
import { PEER_SIZE } from '../base/endpoint.ts';
import { CLOSE_ORDERLY } from '../loop/loop.ts';
import { LISTENER_NONE } from '../table/schema.ts';
import { reservePlaces, takeConnection } from '../table/shared.ts';
import { takeSource } from '../table/sources.ts';
import type { ConfigBank } from '../table/tables.ts';
import { yieldRoom } from './accept-state.ts';
import { beginConnect } from './connector.ts';
import { end, lookAgain } from './ending.ts';
import { isStanding } from './idler-places.ts';
import { descriptorsFree, partOf, pendingShare, placesLimit } from './sharing.ts';
import type { EngineState } from './state.ts';
import { CONNECTING, REASON_IDLER } from './states.ts';

/** The farm whose servers have idlers: the unnamed one. */
const FARM = 0;
/** Bits of an address that tell sources apart; idlers have none, and are one source. */
const ANY_PREFIX = 128;
/** Descriptors that are left for each client. */
const CLIENT_DESCRIPTORS = 2;

/** At the end of a turn in which idlers may be missing, or too many: makes as many as there should be. */
export function keepIdlers(e: EngineState): void {
  const wanted = e.stop === 0 ? partOf(e, e.config.settings.idlers[0]) : 0;
  if (e.idlers > wanted) e.idlerSlot = 0;
  while (e.idlers > wanted) closeIdler(e);
  const missing = wanted - e.idlers;
  if (missing > 0 && e.acceptor.inFlight > 0) {
    // Accepts have reserved what room there is. They are armed anew when idlers have taken their part.
    if (!e.acceptor.isYielding) yieldRoom(e);
    return;
  }
  e.isIdlersDue = false;
  // Where one cannot be had, another cannot either.
  for (let begun = 0; begun < missing && mayBegin(e); begun++) if (!begin(e)) break;
  if (e.idlers < wanted) lookAgain(e);
}

/** Whether there is room for an idler, and after it for a client of each listener. The idler's place is then taken. */
function mayBegin(e: EngineState): boolean {
  const clients = Math.max(1, e.config.settings.listenerCount[0]);
  const hasRoom =
    e.freeSlotCount > clients &&
    e.connecting + clients < pendingShare(e) &&
    descriptorsFree(e) > CLIENT_DESCRIPTORS * clients;
  return hasRoom && reservePlaces(e.tables, 1, placesLimit(e) - clients) === 1;
}

/** @returns whether it has found a server to connect to. */
function begin(e: EngineState): boolean {
  const { tables } = e;
  const slot = e.takeSlot();
  const rows = tables.connections;
  const peerAt = e.peerAt(slot);
  rows.listener[e.slotFirst + slot] = LISTENER_NONE;
  rows.peer.fill(0, peerAt, peerAt + PEER_SIZE);
  takeConnection(tables);
  const source = takeSource(tables, e.worker, rows.peer, peerAt, ANY_PREFIX, 0);
  assert(source > 0, 'idlers are a source without a limit');
  e.clearRow(slot, FARM);
  e.port[slot] = 0;
  e.source[slot] = source;
  e.state[slot] = CONNECTING;
  e.remembered[slot] = 0;
  e.phaseMs[slot] = e.nowMs;
  e.connections++;
  e.idlers++;
  e.used++;
  e.connecting++;
  beginConnect(e, slot);
  return isStanding(e, slot);
}

/** Closes the next idler; there is one. @cost all of them together are searched in two rounds over the rows. */
export function closeIdler(e: EngineState): void {
  let slot = e.idlerSlot;
  for (let looked = 0; slot >= e.slotsTouched || !isStanding(e, slot); looked++) {
    assert(looked <= e.slotsTouched, 'idlers that are counted have rows');
    slot = slot + 1 < e.slotsTouched ? slot + 1 : 0;
  }
  e.idlerSlot = slot;
  end(e, slot, CLOSE_ORDERLY, REASON_IDLER);
}

/** Another configuration is in force: closes the idlers whose server is no longer there, or somewhere else. */
export function leaveServersOf(e: EngineState, before: ConfigBank): void {
  for (let slot = 0; slot < e.slotsTouched; slot++) {
    if (!isStanding(e, slot) || hasSameAddress(e.config, before, e.server[slot])) continue;
    end(e, slot, CLOSE_ORDERLY, REASON_IDLER);
  }
}
