/**
 * The order in which the clients of a farm last came: exact, and so dense that a client among millions moves to its end
 * without a cache miss.
 *
 * A farm's order is a chain of blocks of BLOCK_PLACES places each, from the client that came longest ago to the one that
 * came last. Who comes takes the next place of the last block and leaves its old place empty; the row notes which place
 * is its own. A block whose places are all empty is taken out of the chain and used again. So nobody's neighbours are
 * touched, as they would be in a list of rows: there, two other clients' links cost two misses more.
 *
 * A block has somebody in it, or it is free; so there are at most as many as clients. With clients that come at random
 * there is one for three. Block 0 is none; its places hold the state of the others.
 *
 * Everything here is called with LOCK_CLIENTS held, and takes the same few steps however many clients there are.
 */
import type { Tables } from './tables.ts';

const PLACE_BITS = 3;
/** Places of a block, one bit each of `clientBlocks.taken`. */
export const BLOCK_PLACES = 1 << PLACE_BITS;
const PLACE_MASK = BLOCK_PLACES - 1;

/* Words of a block's neighbours; 0 ends. Of a free block, NEIGHBOUR_NEWER is the next free one. */
export const NEIGHBOUR_OLDER = 0;
export const NEIGHBOUR_NEWER = 1;

/* Places of block 0. */
/** First free block; 0 none. */
export const BLOCKS_FREE = 0;
/** Highest block that was ever used. */
export const BLOCKS_USED = 1;

/** The client in `row` comes: it takes the newest place of its farm. @returns the place, for `leavePlace`; never 0. */
export function takePlace(tables: Tables, farm: number, row: number): number {
  const { clientNewest } = tables.farms;
  const { place, taken } = tables.clientBlocks;
  const newest = clientNewest[farm];
  const isBlockFull = newest === 0 || (newest & PLACE_MASK) === PLACE_MASK;
  const at = isBlockFull ? addBlock(tables, farm, newest >>> PLACE_BITS) << PLACE_BITS : newest + 1;
  place[at] = row;
  taken[at >>> PLACE_BITS] |= 1 << (at & PLACE_MASK);
  clientNewest[farm] = at;
  return at;
}

/** A client leaves its place: because it takes a newer one next, or because it is forgotten, being the oldest. */
export function leavePlace(tables: Tables, farm: number, at: number): void {
  const { taken } = tables.clientBlocks;
  const block = at >>> PLACE_BITS;
  const left = taken[block] & ~(1 << (at & PLACE_MASK));
  taken[block] = left;
  if (left === 0) removeBlock(tables, farm, block);
}

/** Row of the farm's client that came last; 0 when it has none. */
export function newestRow(tables: Tables, farm: number): number {
  const newest = tables.farms.clientNewest[farm];
  // Nobody leaves the newest place but to take a newer one, or as the last client of all: then there is no block.
  return newest === 0 ? 0 : tables.clientBlocks.place[newest];
}

/** Row of the farm's client that came longest ago; 0 when it has none. */
export function oldestRow(tables: Tables, farm: number): number {
  const block = tables.farms.clientOldest[farm];
  if (block === 0) return 0;
  const { place, taken } = tables.clientBlocks;
  const lowest = taken[block] & -taken[block];
  return place[(block << PLACE_BITS) + 31 - Math.clz32(lowest)];
}

/** Adds a block at the end of the farm's chain, after block `newest`; there is always one. */
function addBlock(tables: Tables, farm: number, newest: number): number {
  const { place, neighbour } = tables.clientBlocks;
  let block = place[BLOCKS_FREE];
  if (block === 0) block = ++place[BLOCKS_USED];
  else place[BLOCKS_FREE] = neighbour[block * 2 + NEIGHBOUR_NEWER];
  neighbour[block * 2 + NEIGHBOUR_OLDER] = newest;
  neighbour[block * 2 + NEIGHBOUR_NEWER] = 0;
  if (newest === 0) tables.farms.clientOldest[farm] = block;
  else neighbour[newest * 2 + NEIGHBOUR_NEWER] = block;
  return block;
}

/** Takes an empty block out of the farm's chain. The last of the chain is empty only when the farm has no client. */
function removeBlock(tables: Tables, farm: number, block: number): void {
  const { place, neighbour } = tables.clientBlocks;
  const older = neighbour[block * 2 + NEIGHBOUR_OLDER];
  const newer = neighbour[block * 2 + NEIGHBOUR_NEWER];
  if (older === 0) tables.farms.clientOldest[farm] = newer;
  else neighbour[older * 2 + NEIGHBOUR_NEWER] = newer;
  if (newer === 0) tables.farms.clientNewest[farm] = 0;
  else neighbour[newer * 2 + NEIGHBOUR_OLDER] = older;
  neighbour[block * 2 + NEIGHBOUR_NEWER] = place[BLOCKS_FREE];
  place[BLOCKS_FREE] = block;
}
