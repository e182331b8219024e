/**
 * Frees the rows of farms that are gone, once nobody can name them any more.
 *
 * @owner main thread.
 */
import { forgetClients } from '../table/clients.ts';
import { FARMS_MAX, WORKERS_MAX } from '../table/limits.ts';
import { allWorkersPast } from '../table/publish.ts';
import { forgetServer, inFlightOf, moveCursor, readCursor } from '../table/shared.ts';
import type { Tables } from '../table/tables.ts';
import { forgetTraffic } from '../table/traffic.ts';
import { serverRowsOf, type FarmRows, type LeftFarm } from './farm-rows.ts';
import { forEachConnection } from './server-bytes.ts';

/** Main's number where a lock asks who takes it. */
const MAIN = WORKERS_MAX;
/** Clients that are forgotten under one lock, and at once: what is left has its turn at the next look. */
const PIECE = 1024;
const PIECES = 64;

/**
 * Looks whose rows are free, and makes them as if nobody had ever had them.
 *
 * @returns the rows without those; `rows` themselves when there are none.
 * @cost nothing while no farm is gone; else a byte per connection slot, and a few milliseconds for many clients.
 */
export function withoutFree(tables: Tables, rows: FarmRows): FarmRows {
  if (rows.left.length === 0) return rows;
  const named = farmsNamed(tables);
  const left = rows.left.filter((farm) => !free(tables, farm, named));
  return left.length === rows.left.length ? rows : { ...rows, left };
}

/** Farms that connections name. */
function farmsNamed(tables: Tables): Uint8Array {
  const named = new Uint8Array(FARMS_MAX);
  forEachConnection(tables, (slot) => (named[tables.connections.farm[slot] ?? 0] = 1));
  return named;
}

/** @returns whether the farm's rows are free now. */
function free(tables: Tables, { rows, version }: LeftFarm, named: Uint8Array): boolean {
  // Who works with an older version than this one may still accept somebody for it.
  if (version === undefined || !allWorkersPast(tables, (version - 1) >>> 0)) return false;
  const servers = serverRowsOf(rows);
  if (named[rows.row] !== 0 || servers.some((server) => inFlightOf(tables, server) !== 0)) return false;
  for (let piece = 0; forgetClients(tables, MAIN, rows.row, PIECE) > 0; piece++) if (piece === PIECES) return false;
  moveCursor(tables, rows.row, readCursor(tables, rows.row), 0);
  for (const server of servers) {
    forgetServer(tables, server);
    forgetTraffic(tables, server);
  }
  return true;
}
