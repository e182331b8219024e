/**
 * The data sheet of the tables: every column, its kind, its unit and who writes it.
 *
 * Kinds of column:
 * - `config`  control fills the idle one of two banks, then publishes one version word; workers only read;
 * - `owned`   one worker writes its own rows (connections) or its own lane (counters); others read, may be a little late;
 * - `shared`  Int32 words that several threads change, only through the functions of `shared.ts`;
 * - `locked`  read and changed only while holding the table's lock (LOCK_* of `shared.ts`), through the functions of
 *             `clients.ts` and `sources.ts`.
 *
 * Time columns are milliseconds of the monotonic clock as f64, except `shared` ones: deciseconds as u32 (13 years).
 */
import { ENDPOINT_SIZE, PEER_SIZE } from '../base/endpoint.ts';
import {
  ACL_MASKS_MAX,
  ACL_RANGES_MAX,
  ACLS_MAX,
  CLIENTS_MAX,
  CONNECTIONS_MAX,
  FARMS_MAX,
  LISTENERS_MAX,
  SERVERS_MAX,
  SIDES_MAX,
  SOURCES_MAX,
  WORKERS_MAX,
} from './limits.ts';
import {
  bytes,
  config,
  f64,
  i32,
  lanes,
  locked,
  owned,
  record,
  shared,
  table,
  u16,
  u32,
  u8,
  words,
} from './columns.ts';

/** Rows are farms; row 0 is the unnamed farm. */
export const farms = table('farms', FARMS_MAX, {
  /** FARM_F_* */
  flags: config(u32),
  /** The farm's regular servers: their first position in `members`, and how many there are. */
  serverFirst: config(u32),
  serverCount: config(u32),
  /** Server rows of the emergency and the abuse server; 0 none. */
  emergencyServer: config(u32),
  abuseServer: config(u32),
  /** How long a failed server is passed over, ms. */
  blacklistMs: config(f64),
  /** Longest wait for one connect, ms, >= 1000. */
  connectTimeoutMs: config(f64),
  /** Longest time without progress on an open connection, ms; 0 for ever. */
  idleTimeoutMs: config(f64),
  /** The same once one direction has ended, ms; 0: the idle timeout applies. */
  halfClosedTimeoutMs: config(f64),
  /** FASTCLOSE_* */
  fastclose: config(u8),
  /** How long a client keeps its server without a new connection, ms; 0 for ever. */
  trackingMs: config(f64),
  /** Clients remembered at most; the one that came longest ago makes room. */
  clientsMax: config(u32),
  /** Bits of an IPv6 address that tell one client from another: 128, or 64 when a whole subnet counts as one. */
  clientPrefix: config(u8),
  /** Access list (row of `acls`) that clients must pass; those it denies go to the abuse server. */
  clientAcl: config(u8),
  /** Round-robin cursor: index of the server chosen last. */
  cursor: shared,
  /** The order in which the farm's clients came: its first block, its last place taken (`order.ts`); 0 none. LOCK_CLIENTS. */
  clientOldest: locked(i32),
  clientNewest: locked(i32),
  clientCount: locked(i32),
});

/** Rows are positions, farm by farm: the regular servers of each by their index; see `members.ts`. */
export const members = table('members', SERVERS_MAX, {
  /** Row of `servers`. */
  server: config(u16),
});

/** Rows are servers; row 0 is "none". */
export const servers = table('servers', SERVERS_MAX, {
  /** KIND_NONE: not used. Port 0: that of the listener its client came by. */
  endpoint: config(bytes(ENDPOINT_SIZE)),
  /** Index within its farm, plus one; 0 for an emergency or abuse server, and for one that its farm no longer has. */
  place: config(u16),
  /** Soft and hard limit of connections; 0 none. */
  max: config(u32),
  hard: config(u32),
  weight: config(u32),
  prio: config(i32),
  /** Access list (row of `acls`) that clients of this server must pass. */
  acl: config(u8),
  /** Connections to the server in state connecting or connected, over all workers. */
  inFlight: shared,
  /** Passed over until this decisecond because it failed; 0 never failed, or a connect has succeeded since. */
  blacklistedUntil: shared,
  /** Passed over until this decisecond because somebody said so; 0 nobody did. */
  shunnedUntil: shared,
});

/**
 * Rows are access lists, compiled: which entry decides is the lowest verdict among those of the address's range and of
 * the masks that match it. A verdict is twice the index of the entry, plus 1 if it denies; ACL_NO_VERDICT when none does.
 */
export const acls = table('acls', ACLS_MAX, {
  /** Entries. */
  count: config(u32),
  /** ACL_*: what holds when no entry matches, the opposite of the last entry; an empty list permits. */
  otherwise: config(u8),
  /** ACL_*: what holds for peers of a unix socket. */
  unix: config(u8),
  /** Ranges of IPv4 addresses, rows of `aclRanges4`: the first begins at 0.0.0.0. None: no entry says anything. */
  first4: config(u32),
  count4: config(u32),
  /** Ranges of the other addresses, rows of `aclRanges6`: the first begins at `::`. */
  first6: config(u32),
  count6: config(u32),
  /** Masks, rows of `aclMasks`, in the order of their entries. */
  firstMask: config(u32),
  countMask: config(u32),
});

/** Rows are ranges of IPv4 addresses, list by list and in order. */
export const aclRanges4 = table('aclRanges4', ACL_RANGES_MAX, {
  start: config(u32),
  verdict: config(u32),
});

/** Rows are ranges of IPv6 addresses that do not stand for IPv4 ones. */
export const aclRanges6 = table('aclRanges6', ACL_RANGES_MAX, {
  /** Four words, the first one first. */
  start: config(words(4)),
  verdict: config(u32),
});

/** Rows are entries for IPv4 whose masks have holes: an address matches when under the mask it equals the entry's. */
export const aclMasks = table('aclMasks', ACL_MASKS_MAX, {
  address: config(u32),
  mask: config(u32),
  verdict: config(u32),
});

/** Rows are listeners. */
export const listeners = table('listeners', LISTENERS_MAX, {
  /** Descriptor of the listening socket, -1 for an unused row. */
  fd: config(i32),
  farm: config(u16),
  endpoint: config(bytes(ENDPOINT_SIZE)),
});

/** Settings of the whole process, in one row. */
export const settings = table('settings', 1, {
  /** Connections that may be in use at once, over all farms. */
  connMax: config(u32),
  /** Connections that may wait for their server at once. */
  pendingMax: config(u32),
  /** Connections taken per accept round. */
  acceptBatch: config(u32),
  listenerCount: config(u32),
  /** 1: TCP_NODELAY on upstream sockets. */
  tcpNoDelay: config(u8),
  /** 1: SO_KEEPALIVE on upstream sockets. */
  keepAlive: config(u8),
  /** Address that upstream sockets are bound to, port 0; KIND_NONE: as the system likes. */
  source: config(bytes(PEER_SIZE)),
  /** Connections that one source address may have served at once; 0 no limit. Further ones are parked. */
  sourceMax: config(u32),
  /** Connections that may be parked at once, over all workers. */
  parkedMax: config(u32),
  /** Access list of sources that `sourceMax` does not bind; ACL_NONE when there is none. */
  trustedAcl: config(u8),
  /** Access list of those who may give commands. */
  controlAcl: config(u8),
  /** Connections to servers of the first farm that are kept without a client, over all workers. */
  idlers: config(u32),
  /** Descriptors the workers may have open together. */
  descriptorMax: config(u32),
  /** 1: what is received is written into the worker's ring of dumps, if it has one. */
  isDumping: config(u8),
  /** Bytes of what a client says that are written into the worker's ring of requests; 0: nothing is. */
  logText: config(u16),
  /** 1: connections that end are written into the worker's ring of endings. */
  isTelling: config(u8),
  /** STOP_* of shared.ts: workers stop accepting and reset their connections. */
  stopping: shared,
  /** Connections in use, over all workers: those that are served, not those that are parked. */
  used: shared,
  /** Places of `connMax` taken, over all workers: by connections in use, and reserved by accepts in flight. */
  places: shared,
  /** Connections that are parked, over all workers. */
  parked: shared,
});

/** Rows are connections; a worker owns a contiguous range of them. */
export const connections = table('connections', CONNECTIONS_MAX, {
  /** CONNECTION_* */
  state: owned(u8),
  /** Rises on reuse, so that a remembered slot can be told from the one that is there now. */
  generation: owned(u32),
  listener: owned(u16),
  farm: owned(u16),
  /** Server row in use or being tried; 0 none. */
  server: owned(u16),
  /** When it was accepted, and when bytes last moved. */
  startedMs: owned(f64),
  progressMs: owned(f64),
  /** The client's address (first PEER_SIZE bytes of an endpoint); KIND_NONE for an idler. */
  peer: owned(bytes(PEER_SIZE)),
  /** The client's row of `clients` and its generation then; 0 none. */
  client: owned(u32),
  clientGeneration: owned(u32),
  /**
   * Row of `sources` in which the connection is counted: as one that waits while it is parked, else as one that is
   * served, and then it also has a place in `settings.used`. 0: it has neither.
   */
  source: owned(u32),
});

/** Rows are sides: connection slot x 2 downstream (client), + 1 upstream (server). */
export const sides = table('sides', SIDES_MAX, {
  /** -1 when closed. */
  fd: owned(i32),
  /** Bytes received from this side. Client and server are credited with them when the connection leaves OPEN or DRAINING. */
  bytesIn: owned(f64),
  /** Bytes last received from this side at once, and how many of them the other side has been given. */
  heldLength: owned(u32),
  sentLength: owned(u32),
  /** MARK_* of engine/states.ts: what has happened to the side; SIDE_ENDED for everybody. */
  marks: owned(u8),
});

/** Counters: one lane per worker, readers sum. */
export const counters = table('counters', 1, {
  accepted: owned(lanes(WORKERS_MAX)),
  connected: owned(lanes(WORKERS_MAX)),
  connectFailed: owned(lanes(WORKERS_MAX)),
  connectTimedOut: owned(lanes(WORKERS_MAX)),
  failedOver: owned(lanes(WORKERS_MAX)),
  /** Connects that came to nothing because the source address could not be had. */
  unbound: owned(lanes(WORKERS_MAX)),
  /** Times a connection was parked, because its source had all the places it may have. */
  parked: owned(lanes(WORKERS_MAX)),
  /** Clients closed because no server could be reached. */
  unserved: owned(lanes(WORKERS_MAX)),
  /** Clients closed because the farm's access list denies them, and there is no abuse server. */
  denied: owned(lanes(WORKERS_MAX)),
  /** Clients closed because their source had all its places, and all places for parked ones were taken too. */
  refused: owned(lanes(WORKERS_MAX)),
  closedOrderly: owned(lanes(WORKERS_MAX)),
  closedAbort: owned(lanes(WORKERS_MAX)),
  closedIdle: owned(lanes(WORKERS_MAX)),
  closedStop: owned(lanes(WORKERS_MAX)),
  bytesUp: owned(lanes(WORKERS_MAX)),
  bytesDown: owned(lanes(WORKERS_MAX)),
  /** Times accepting was paused: table full, pending limit, descriptors. */
  pausedFull: owned(lanes(WORKERS_MAX)),
  pausedPending: owned(lanes(WORKERS_MAX)),
  pausedDescriptors: owned(lanes(WORKERS_MAX)),
  /** Clients reset because too many waited to be accepted, where the loop holds them. */
  turnedAway: owned(lanes(WORKERS_MAX)),
  turns: owned(lanes(WORKERS_MAX)),
});

/** Per server; shared words, because a lane per worker and server would be large. u32, wrap. */
export const serverCounters = table('serverCounters', SERVERS_MAX, {
  connects: shared,
  failures: shared,
});

/** Bytes per server: row `worker * SERVERS_MAX + server`, so that each worker adds to rows of its own; see `traffic.ts`. */
export const serverTraffic = table('serverTraffic', WORKERS_MAX * SERVERS_MAX, {
  bytesUp: owned(f64),
  bytesDown: owned(f64),
});

/** Rows are tracked clients of all farms; see `clients.ts`. LOCK_CLIENTS. */
export const clients = table('clients', CLIENTS_MAX, {
  /** Address, server, when it came, how often, bytes, generation, place in the order of its farm. */
  row: locked(record),
  /** Chains of `addresses.ts`: their first rows, and the next one of each row. */
  bucket: locked(words(2)),
  next: locked(i32),
});

/** Rows are blocks of the orders in which clients came; see `order.ts`. One more than clients: row 0 is none. LOCK_CLIENTS. */
export const clientBlocks = table('clientBlocks', CLIENTS_MAX + 1, {
  /** Rows of clients. */
  place: locked(words(8)),
  /** Which places somebody has, a bit each. */
  taken: locked(u8),
  /** Blocks before and after. */
  neighbour: locked(words(2)),
});

/** Rows are source addresses that have connections; see `sources.ts`. LOCK_SOURCES. */
export const sources = table('sources', SOURCES_MAX, {
  /** Address, and how many connections are served and wait. */
  row: locked(record),
  bucket: locked(words(2)),
  next: locked(i32),
});

/** Rows are workers. */
export const workers = table('workers', WORKERS_MAX, {
  /** 1: control waits for this worker before it reuses anything. */
  live: shared,
  /** Version of the configuration the worker works with. */
  versionSeen: shared,
  /** Connection slot plus one that control wants ended; 0 none. */
  closeRequest: shared,
  /** ACCEPT_*: whether the worker takes new connections. */
  accepting: shared,
  /** Connections the worker has, as of when it last looked whether it should take more. */
  load: shared,
  /** 1: somebody who is parked in the worker could be served but for a place that others have reserved. */
  wanting: shared,
  /** Places that the worker's accepts in flight have reserved. */
  reserved: owned(u32),
  /** First connection slot of the worker, a multiple of 64, so that no cache line has two owners. */
  slotFirst: owned(u32),
  /** One past the last slot that the worker has ever used: what lies beyond is not set up. */
  slotEnd: owned(u32),
});

/** What a worker holds right now: lanes like the counters, because they change as often. */
export const gauges = table('gauges', 1, {
  /** Connections in use. */
  used: owned(lanes(WORKERS_MAX)),
  /** Connections that are parked. */
  parked: owned(lanes(WORKERS_MAX)),
  /** Connections whose server is not yet connected. */
  pending: owned(lanes(WORKERS_MAX)),
  /** Connections to servers that no client has. */
  idlers: owned(lanes(WORKERS_MAX)),
  /** Descriptors open. */
  descriptors: owned(lanes(WORKERS_MAX)),
  /** Pipes and big buffers, and small buffers in use. */
  bigBuffers: owned(lanes(WORKERS_MAX)),
  smallBuffers: owned(lanes(WORKERS_MAX)),
  /** 1 during a turn. */
  inTurn: owned(lanes(WORKERS_MAX)),
});

/** States of a connection, in the order of its life. */
export const CONNECTION_FREE = 0;
/** Accepted, but its source has all the places it may have: it waits for one, unread and without a server. */
export const CONNECTION_PARKED = 1;
/** The client's first bytes are awaited: what becomes of it is decided when they are there. */
export const CONNECTION_PEEKING = 2;
/** A server is being connected. The client's first bytes may already be held. */
export const CONNECTION_CONNECTING = 3;
/** Both sides stand; bytes are relayed. */
export const CONNECTION_OPEN = 4;
/** The client is sent an answer of our own, and has no server. */
export const CONNECTION_ANSWERING = 5;
/** An idler: a connection to a server that no client has. */
export const CONNECTION_IDLING = 6;
/** One side is gone; the other is given what was received for it, then the connection ends. */
export const CONNECTION_DRAINING = 7;
/** No new operations; those in flight are awaited, then both descriptors are closed. */
export const CONNECTION_ENDING = 8;

/** Why a connection ended, for the counters. */
export const REASON_ORDERLY = 0;
export const REASON_ABORT = 1;
export const REASON_IDLE = 2;
export const REASON_UNSERVED = 3;
export const REASON_STOP = 4;
/** The farm's access list denies the client. */
export const REASON_DENIED = 5;
/** Its source has all its places, and nobody more may be parked. */
export const REASON_REFUSED = 6;
/** Whatever it was, there is no client whose ending would be counted. */
export const REASON_IDLER = 7;

/** In `connections.listener`: an idler came through none. */
export const LISTENER_NONE = 0xffff;

/** In `workers.accepting`: it cannot take any now; it can, but leaves it to others; it waits for clients. */
export const ACCEPT_RESTING = 0;
export const ACCEPT_WILLING = 1;
export const ACCEPT_ARMED = 2;

export const FARM_F_ROUND_ROBIN = 1;
export const FARM_F_STUBBORN = 2;
export const FARM_F_PRIO = 4;
export const FARM_F_WEIGHT = 8;
export const FARM_F_HASH = 16;
/** With FARM_F_HASH: the formula of the original. */
export const FARM_F_HASH_ORIGINAL = 32;
/** In `sides.marks`: its stream has ended, EOF was read. */
export const SIDE_ENDED = 1;

/** The fewest connections; with FARM_F_WEIGHT for the server's weight. */
export const FARM_F_LEASTCONN = 64;

/** A client's server is chosen when its first bytes are there. */
export const FARM_F_PEEK = 128;
/** Clients are answered by us, and given no server. */
export const FARM_F_DUMMY = 256;

export const ACL_PERMIT = 0;
export const ACL_DENY = 1;
/** In a column that names an access list: none. */
export const ACL_NONE = 255;
export const ACL_NO_VERDICT = 0xffff_ffff;

export const FASTCLOSE_OFF = 0;
/** The end of the server's stream ends the connection. */
export const FASTCLOSE_UP = 1;
/** The end of the client's stream ends the connection. */
export const FASTCLOSE_DOWN = 2;
export const FASTCLOSE_BOTH = 3;

export const schema = {
  farms,
  members,
  servers,
  acls,
  aclRanges4,
  aclRanges6,
  aclMasks,
  listeners,
  settings,
  connections,
  sides,
  counters,
  serverCounters,
  serverTraffic,
  clients,
  clientBlocks,
  sources,
  workers,
  gauges,
};
