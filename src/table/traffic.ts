/** Bytes per server, as each worker counts them and everybody sums them. */
import { SERVERS_MAX, WORKERS_MAX } from './limits.ts';
import type { Tables } from './tables.ts';

/**
 * Adds to what went to and came from the server.
 *
 * @param server row of `servers`.
 * @owner the worker `worker` only, so it needs no atomic.
 * @cost  two loads and stores.
 */
export function addTraffic(tables: Tables, worker: number, server: number, up: number, down: number): void {
  const at = worker * SERVERS_MAX + server;
  tables.serverTraffic.bytesUp[at] += up;
  tables.serverTraffic.bytesDown[at] += down;
}

/** Bytes to the server over all workers, a little late. @owner any thread. @cost WORKERS_MAX reads, each in a page of its own. */
export function trafficUp(tables: Tables, server: number): number {
  return sumOf(tables.serverTraffic.bytesUp, server);
}

/** Bytes from the server over all workers, a little late. @owner any thread. @cost as `trafficUp`. */
export function trafficDown(tables: Tables, server: number): number {
  return sumOf(tables.serverTraffic.bytesDown, server);
}

/** Forgets what went to and came from the server. @owner control, while no worker names the row. @cost as `trafficUp`. */
export function forgetTraffic({ serverTraffic }: Tables, server: number): void {
  for (const column of [serverTraffic.bytesUp, serverTraffic.bytesDown]) {
    for (let worker = 0; worker < WORKERS_MAX; worker++) {
      const at = worker * SERVERS_MAX + server;
      // A page that nobody has written costs nothing, and shall not begin to.
      if (column[at] !== 0) column[at] = 0;
    }
  }
}

function sumOf(column: Float64Array, server: number): number {
  let sum = 0;
  for (let worker = 0; worker < WORKERS_MAX; worker++) sum += column[worker * SERVERS_MAX + server];
  return sum;
}
