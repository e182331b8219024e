/**
 * The regular servers of a farm: its members, each at an index of its own, in whatever rows of `servers` they have.
 *
 * So a farm can grow at any time, whoever has the rows behind its own, and no server's row ever changes.
 */
import type { ConfigBank } from './tables.ts';

/**
 * Makes servers the members of a farm.
 *
 * @param first position of the first one in `members`; the draft has that many behind it.
 * @param rows of the servers, by index. Those from `count` on are members no more. **Default** all are.
 * @returns the position behind the last one, for the next farm.
 * @owner control.
 */
export function writeMembers(
  { farms, members, servers }: ConfigBank,
  farm: number,
  first: number,
  rows: ArrayLike<number>,
  count = rows.length,
): number {
  farms.serverFirst[farm] = first;
  farms.serverCount[farm] = count;
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index];
    servers.place[row] = index < count ? index + 1 : 0;
    if (index < count) members.server[first + index] = row;
  }
  return first + count;
}

/** Row of a farm's server. @param index below the farm's `serverCount`. @cost two reads. */
export function memberAt({ farms, members }: ConfigBank, farm: number, index: number): number {
  return members.server[farms.serverFirst[farm] + index];
}
