/**
 * Hard limits: how much address space the tables reserve. Untouched pages cost nothing, so these are generous;
 * what is in force (conn_max and the like) is a number in a row.
 */
export const CONNECTIONS_MAX = 2 ** 18;
/**
 * Connections of the one worker on Node's own loop, parked ones included: its buffers are memory of Node's, which not
 * every system gives only when it is touched.
 */
export const NODE_CONNECTIONS_MAX = 2 ** 14;
export const SIDES_MAX = CONNECTIONS_MAX * 2;
export const LISTENERS_MAX = 1024;
/** Server rows, including row 0 ("none") and two rows per farm for its emergency and abuse server. */
export const SERVERS_MAX = 65_535;
export const FARMS_MAX = 256;
/** Access lists 0 to 9; named ones have rows beyond. */
export const ACLS_MAX = 250;
/** Entries that they may have together. */
export const ACL_ENTRIES_MAX = 2 ** 19;
/** Ranges of addresses that the access lists may have together, of IPv4 and of IPv6 addresses each. */
export const ACL_RANGES_MAX = 2 ** 21;
/** Entries with holes in their masks, which no range can stand for: looked at one by one, so not many. */
export const ACL_MASKS_MAX = 512;
export const WORKERS_MAX = 64;
/** Rows for tracked clients, of all farms together; row 0 is none. */
export const CLIENTS_MAX = 2 ** 22;
/** Rows for source addresses: one for each connection there can be, and row 0, which is none. */
export const SOURCES_MAX = CONNECTIONS_MAX + 1;
/** Locks of the tables, see LOCK_* in `shared.ts`. */
export const LOCKS_MAX = 16;
