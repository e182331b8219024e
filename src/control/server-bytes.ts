/**
 * Bytes per server: what workers have credited for connections that have ended, and what those that run have moved.
 *
 * Workers go on while main sums. A sum may therefore miss a connection that ends meanwhile; it never counts one twice,
 * because a worker ends a connection before it credits its bytes, and main reads in the opposite order: first what was
 * credited, then what runs. Of what is told a server, no later reading takes anything back.
 *
 * @owner main thread.
 */
import { SERVERS_MAX, WORKERS_MAX } from '../table/limits.ts';
import { CONNECTION_DRAINING, CONNECTION_FREE, CONNECTION_IDLING, CONNECTION_OPEN } from '../table/schema.ts';
import type { Tables } from '../table/tables.ts';
import { trafficDown, trafficUp } from '../table/traffic.ts';

/** Of some rows: bytes to the server, and from it. */
export interface BytesOfRows {
  sent(row: number): number;
  received(row: number): number;
}

/** No row, in a list of places. */
const NOWHERE = 0;

export class ServerBytes {
  private readonly tables: Tables;
  /** The most that was ever told, by row of `servers`; pages of it that nobody writes cost nothing. */
  private readonly toldUp = new Float64Array(SERVERS_MAX);
  private readonly toldDown = new Float64Array(SERVERS_MAX);
  /** Of whom: `life` of the farm, plus one. */
  private readonly toldOf = new Uint32Array(SERVERS_MAX);
  /** Place of each row in what is read now, plus one. */
  private readonly places = new Uint32Array(SERVERS_MAX);

  constructor(tables: Tables) {
    this.tables = tables;
  }

  /**
   * Reads rows, each named once, of one farm.
   *
   * @param life the farm's, see `farm-rows.ts`. @cost a byte per connection slot, and two reads per row and worker.
   */
  read(rows: readonly number[], life: number): BytesOfRows {
    const { tables, toldUp, toldDown, toldOf, places } = this;
    const up = Float64Array.from(rows, (row) => trafficUp(tables, row));
    const down = Float64Array.from(rows, (row) => trafficDown(tables, row));
    for (const [i, row] of rows.entries()) places[row] = i + 1;
    addRunning(tables, places, up, down);
    const found = new Map<number, number>();
    for (const [i, row] of rows.entries()) {
      places[row] = NOWHERE;
      if (toldOf[row] !== life + 1) toldUp[row] = toldDown[row] = 0;
      toldOf[row] = life + 1;
      up[i] = toldUp[row] = Math.max(up[i] ?? 0, toldUp[row] ?? 0);
      down[i] = toldDown[row] = Math.max(down[i] ?? 0, toldDown[row] ?? 0);
      found.set(row, i);
    }
    return { sent: (row) => up[found.get(row) ?? -1] ?? 0, received: (row) => down[found.get(row) ?? -1] ?? 0 };
  }
}

/** A slot that another connection gets while it is read is left out: its bytes might be another server's. */
function addRunning(tables: Tables, places: Uint32Array, up: Float64Array, down: Float64Array): void {
  const { sides } = tables;
  const { server, generation } = tables.connections;
  forEachConnection(tables, (slot, state) => {
    const before = generation[slot];
    const i = (places[server[slot] ?? 0] ?? NOWHERE) - 1;
    if (i < 0 || !hasStood(state)) return;
    const [fromClient, fromServer] = [sides.bytesIn[slot * 2] ?? 0, sides.bytesIn[slot * 2 + 1] ?? 0];
    if (generation[slot] !== before) return;
    up[i] = (up[i] ?? 0) + fromClient;
    down[i] = (down[i] ?? 0) + fromServer;
  });
}

/** Whether the server of a connection in this state has stood, so that the bytes are its own. */
function hasStood(state: number): boolean {
  return state === CONNECTION_OPEN || state === CONNECTION_DRAINING || state === CONNECTION_IDLING;
}

/** All connections that there are, over all workers. @cost a byte per slot that a worker has: a fraction of a millisecond. */
export function forEachConnection({ workers, connections }: Tables, look: (slot: number, state: number) => void): void {
  const { state } = connections;
  for (let worker = 0; worker < WORKERS_MAX; worker++) {
    const end = workers.slotEnd[worker] ?? 0;
    for (let slot = workers.slotFirst[worker] ?? 0; slot < end; slot++) {
      const is = state[slot] ?? CONNECTION_FREE;
      if (is !== CONNECTION_FREE) look(slot, is);
    }
  }
}
