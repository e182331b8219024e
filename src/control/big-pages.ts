/**
 * Big pages for many clients: a lookup among a million visits so many pages that the processor forgets where they are,
 * and finding out costs as much as a read of memory.
 */
import { farmNames, viewOfFarm } from '../config/farms.ts';
import { limitsOf, type Configuration } from '../config/model.ts';
import type { Host } from '../loop/host.ts';
import { clientMemory, type Tables } from '../table/tables.ts';

/** From so many clients on; fewer hardly fill the pages that they would take. */
export const BIG_PAGES_CLIENTS = 2 ** 16;

/** The tables shall hold up to `clientsMax` clients. Once asked for, big pages stay. @owner main. */
export function expectClients(host: Host, tables: Tables, clientsMax: number): void {
  if (clientsMax >= BIG_PAGES_CLIENTS) host.preferBigPages?.(clientMemory(tables));
}

/** Clients that all farms together may have. */
export function clientsOf(configuration: Configuration): number {
  const clients = farmNames(configuration).map((farm) => limitsOf(viewOfFarm(configuration, farm).settings).clientsMax);
  return clients.reduce((sum, clientsMax) => sum + clientsMax);
}
