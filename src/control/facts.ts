/**
 * What commands tell about the running balancer, read from the tables: counts of finished connections plus what those
 * that still run have moved.
 *
 * @owner main thread.
 */
import { PEER_SIZE, endpointText, ipText } from '../base/endpoint.ts';
import type { Facts, ProcessFacts } from '../config/command.ts';
import { UNNAMED, viewOfFarm } from '../config/farms.ts';
import { limitsOf, textOfListen, type Configuration } from '../config/model.ts';
import { ABUSE, EMERGENCY, NO_SERVER, NO_SERVER_FACTS, unusedConnection } from '../config/rows.ts';
import type { ClientRow, ConnectionRow, ServerFacts } from '../config/rows.ts';
import { ClientPage, lastServer, readClients } from '../table/clients.ts';
import { sumLanes } from '../table/columns.ts';
import { CONNECTIONS_MAX, WORKERS_MAX } from '../table/limits.ts';
import { configAt, currentVersion } from '../table/publish.ts';
import {
  CONNECTION_CONNECTING,
  CONNECTION_DRAINING,
  CONNECTION_FREE,
  CONNECTION_OPEN,
  CONNECTION_PARKED,
  CONNECTION_PEEKING,
  SIDE_ENDED,
} from '../table/schema.ts';
import { blacklistedUntil, connectsOf, failuresOf, inFlightOf } from '../table/shared.ts';
import type { Tables } from '../table/tables.ts';
import { countsOf } from './figures.ts';
import type { FarmRows, RowsOfFarm } from './farm-rows.ts';
import { rowsInForce } from './publisher.ts';
import { forEachConnection, ServerBytes, type BytesOfRows } from './server-bytes.ts';

/** Main's number where a lock asks who takes it. */
const MAIN = WORKERS_MAX;
const PAGE = 512;
/** Instead of a farm's row: whichever it is. */
const ANY_FARM = -1;

/* States as the original tells them. */
const STATE_CONNECTING = 1;
const STATE_CONNECTED = 2;
const STATE_WAITING = 32;
const SERVER_ENDED = 4;
const CLIENT_ENDED = 8;

/** The time of day. */
export interface WallTime {
  /** Seconds since 1970. */
  readonly seconds: number;
  /** Local time, `YYYY-MM-DD HH:MM:SS`. */
  readonly text: string;
}

export interface FactsOptions {
  readonly tables: Tables;
  readonly pid: number;
  readonly version: string;
  /** The loop in use. */
  readonly loop: string;
  /** Monotonic time, ms. */
  readonly nowMs: () => number;
  readonly wallTime: () => WallTime;
  /** What is in force, with the numbers that nobody has said. */
  readonly configuration: () => Configuration;
}

/** What the facts of all farms are told from. */
interface Sources extends FactsOptions {
  readonly startedMs: number;
  /** When the monotonic clock was at 0, seconds since 1970; noted once, so that times of the past stay what they are. */
  readonly epochS: number;
  readonly bytes: ServerBytes;
}

/** Made once, when the balancer starts: it counts the uptime, and remembers what it has told of servers. */
export function tableFacts(options: FactsOptions): Facts {
  const { tables, nowMs, wallTime } = options;
  const startedMs = nowMs();
  const epochS = wallTime().seconds - startedMs / 1000;
  return farmFacts({ ...options, startedMs, epochS, bytes: new ServerBytes(tables) }, UNNAMED);
}

function farmFacts(sources: Sources, farm: string): Facts {
  const { tables, pid, nowMs, epochS, bytes } = sources;
  const rows = (): RowsOfFarm | undefined => rowsInForce(tables).farms.get(farm);
  const view = (): Configuration => viewOfFarm(sources.configuration(), farm);
  const connectionsOwner = (): number | undefined => (farm === UNNAMED ? ANY_FARM : rows()?.row);
  return {
    pid,
    farm: (name) => farmFacts(sources, name),
    process: () => processFacts(sources, view(), rows()?.row),
    servers: (first, last) => {
      const at = rows();
      if (!at) return () => NO_SERVER_FACTS;
      const wanted = rowsBetween(at, first, last);
      const read = bytes.read([...wanted.values()], at.life);
      const times = { nowMs: nowMs(), epochS, blacklist: view().settings.blacklist };
      return (server) => serverFacts(tables, read, wanted.get(server), times);
    },
    clients: (withinSeconds) => clientFacts(tables, rows()?.row, nowMs(), withinSeconds),
    connection: (number) => {
      const { connMax } = sources.configuration().settings;
      return connectionFacts(tables, connectionsOwner(), number, connMax, nowMs());
    },
    connections: (from, count) => connectionsFrom(tables, connectionsOwner(), from, count),
    connectionCount: () => connectionCount(tables, rows()?.row),
    connectionOf: (fd) => connectionOf(tables, connectionsOwner(), fd),
    idlers: () => sumLanes(tables.gauges.idlers),
    limits: () => limitsOf(view().settings),
  };
}

/** @param farm row of the farm that `view` is about; undefined: there is none. */
function processFacts(sources: Sources, view: Configuration, farm: number | undefined): ProcessFacts {
  const { tables, pid, version, loop, startedMs } = sources;
  const { settings, listen, control } = view;
  const { connMax, clientsMax } = limitsOf(settings);
  const { seconds, text } = sources.wallTime();
  return {
    localTime: text,
    row: {
      version,
      pid,
      time: Math.floor(seconds),
      uptime: secondsSince(startedMs, sources.nowMs()),
      loop,
      workers: settings.workers,
      listen: textOfListen(listen),
      control: control?.text ?? '',
      current: farm === undefined ? 0 : Math.max(0, lastServer(tables, MAIN, farm) - 1),
      clients_max: clientsMax,
      conn_max: connMax,
      last: lastAccepted(tables),
      ...countsOf(tables),
    },
  };
}

/** Number of the connection that was accepted last, of those in use. */
function lastAccepted(tables: Tables): number {
  const { startedMs } = tables.connections;
  let [last, atMs] = [0, -Infinity];
  forEachConnection(tables, (slot) => {
    const started = startedMs[slot] ?? 0;
    if (started >= atMs) [last, atMs] = [slot, started];
  });
  return last;
}

function secondsSince(thenMs: number, nowMs: number): number {
  return Math.max(0, Math.floor((nowMs - thenMs) / 1000));
}

interface Times {
  readonly nowMs: number;
  readonly epochS: number;
  /** Seconds for which a failed server is passed over. */
  readonly blacklist: number;
}

function serverFacts(tables: Tables, bytes: BytesOfRows, row: number | undefined, times: Times): ServerFacts {
  if (row === undefined) return NO_SERVER_FACTS;
  const untilDs = blacklistedUntil(tables, row);
  const { epochS, nowMs, blacklist } = times;
  return {
    connections: inFlightOf(tables, row),
    sent: bytes.sent(row),
    received: bytes.received(row),
    failed_at: untilDs === 0 ? 0 : Math.floor(epochS + untilDs / 10 - blacklist),
    blacklisted: Math.max(0, Math.ceil(untilDs / 10 - nowMs / 1000)),
    connects: connectsOf(tables, row),
    failures: failuresOf(tables, row),
  };
}

function* clientFacts(
  tables: Tables,
  farm: number | undefined,
  nowMs: number,
  withinSeconds: number,
): Generator<readonly ClientRow[]> {
  if (farm === undefined) return;
  const page = new ClientPage(PAGE);
  for (let from = 1; from !== 0;) {
    from = readClients(tables, MAIN, farm, from, page);
    yield factsOfPage(tables, page, nowMs, nowMs - withinSeconds * 1000);
  }
}

function factsOfPage(tables: Tables, page: ClientPage, nowMs: number, sinceMs: number): ClientRow[] {
  const recent = [...page.lastMs.subarray(0, page.count).keys()].filter((i) => (page.lastMs[i] ?? 0) >= sinceMs);
  const [first, last] = [page.rows[recent[0] ?? 0], page.rows[recent.at(-1) ?? 0]];
  if (first === undefined || last === undefined || recent.length === 0) return [];
  const running = runningBytes(tables, first, last);
  return recent.map((i) => {
    const row = page.rows[i] ?? 0;
    const { up, down } = running.get(row) ?? { up: 0, down: 0 };
    return {
      client: row - 1,
      address: ipText(page.peers, i * PEER_SIZE),
      age: secondsSince(page.lastMs[i] ?? 0, nowMs),
      server: (page.servers[i] ?? 0) === 0 ? NO_SERVER : (page.servers[i] ?? 0) - 1,
      connects: page.connects[i] ?? 0,
      sent: (page.sent[i] ?? 0) + down,
      received: (page.received[i] ?? 0) + up,
    };
  });
}

/** Bytes of connections that nobody has been credited with yet, of each client's row that is one of the first to the last. */
function runningBytes(tables: Tables, first: number, last: number): Map<number, { up: number; down: number }> {
  const { connections, sides } = tables;
  const sums = new Map<number, { up: number; down: number }>();
  forEachConnection(tables, (slot, state) => {
    const row = connections.client[slot] ?? 0;
    if (row < first || row > last || (state !== CONNECTION_OPEN && state !== CONNECTION_DRAINING)) return;
    const sum = sums.get(row) ?? { up: 0, down: 0 };
    sum.up += sides.bytesIn[slot * 2] ?? 0;
    sum.down += sides.bytesIn[slot * 2 + 1] ?? 0;
    sums.set(row, sum);
  });
  return sums;
}

/** Whether a connection is the farm's: row of a farm, or ANY_FARM; undefined: there is no such farm. */
function isOf(tables: Tables, slot: number, farm: number | undefined): boolean {
  return farm === ANY_FARM || tables.connections.farm[slot] === farm;
}

/** @param farmRow whose connection it is to be: to others it is as one that nobody uses. */
function connectionFacts(
  tables: Tables,
  farmRow: number | undefined,
  number: number,
  connMax: number,
  nowMs: number,
): ConnectionRow | undefined {
  const { connections, sides } = tables;
  if (number < 0 || number >= CONNECTIONS_MAX) return undefined;
  const state = connections.state[number] ?? CONNECTION_FREE;
  if (state === CONNECTION_FREE || !isOf(tables, number, farmRow))
    return number < connMax ? unusedConnection(number) : undefined;
  const [client, server] = [number * 2, number * 2 + 1];
  const farm = farmAtRow(rowsInForce(tables), connections.farm[number] ?? 0);
  return {
    connection: number,
    state: stateOf(state) + endsOf(sides.marks, number),
    downfd: sides.fd[client] ?? -1,
    upfd: sides.fd[server] ?? -1,
    pending_down: pendingOf(tables, server),
    pending_up: pendingOf(tables, client),
    client: Math.max(0, (connections.client[number] ?? 0) - 1),
    address: endpointText(connections.peer, number * PEER_SIZE),
    server: farm ? indexOf(tables, farm.rows, connections.server[number] ?? 0) : NO_SERVER,
    farm: farm?.name ?? UNNAMED,
    age: secondsSince(connections.startedMs[number] ?? 0, nowMs),
    idle: secondsSince(connections.progressMs[number] ?? 0, nowMs),
    bytes_up: sides.bytesIn[client] ?? 0,
    bytes_down: sides.bytesIn[server] ?? 0,
  };
}

/** Bytes that came from a side, and that the other one has not been given yet. */
function pendingOf({ sides }: Tables, side: number): number {
  return Math.max(0, (sides.heldLength[side] ?? 0) - (sides.sentLength[side] ?? 0));
}

function stateOf(state: number): number {
  if (state === CONNECTION_PARKED || state === CONNECTION_PEEKING) return STATE_WAITING;
  return state === CONNECTION_CONNECTING ? STATE_CONNECTING : STATE_CONNECTED;
}

/** Whose ends of stream were seen. */
function endsOf(marks: Uint8Array, number: number): number {
  const client = ((marks[number * 2] ?? 0) & SIDE_ENDED) === 0 ? 0 : CLIENT_ENDED;
  return client + (((marks[number * 2 + 1] ?? 0) & SIDE_ENDED) === 0 ? 0 : SERVER_ENDED);
}

/** The farm that has a row, living or gone. */
function farmAtRow(
  { farms, left }: FarmRows,
  row: number,
): { readonly name: string; readonly rows: RowsOfFarm } | undefined {
  for (const [name, rows] of farms) if (rows.row === row) return { name, rows };
  return left.find(({ rows }) => rows.row === row);
}

/** The server a row stands for, as people number them. */
function indexOf(tables: Tables, { servers, emergency, abuse }: RowsOfFarm, row: number): number {
  if (row === 0) return NO_SERVER;
  if (row === emergency) return EMERGENCY;
  if (row === abuse) return ABUSE;
  const place = configAt(tables, currentVersion(tables)).servers.place[row] ?? 0;
  // The farm may have had more servers when the connection began.
  const index = place === 0 ? servers.indexOf(row) : place - 1;
  return index < 0 ? NO_SERVER : index;
}

/** Rows of the servers that people number so, as far as there are such. */
function rowsBetween(farm: RowsOfFarm, first: number, last: number): Map<number, number> {
  const found = new Map<number, number>();
  const step = first <= last ? 1 : -1;
  for (let server = first; server !== last + step; server += step) {
    const row = server >= 0 ? farm.servers[server] : server === EMERGENCY ? farm.emergency : farm.abuse;
    if (row !== undefined && row !== 0) found.set(server, row);
  }
  return found;
}

/** Numbers of a farm's connections in use, in order, as many as are asked for. @param farm its row, or ANY_FARM; undefined: there is no such farm. */
function connectionsFrom(tables: Tables, farm: number | undefined, from: number, count: number): number[] {
  const { workers, connections } = tables;
  const numbers: number[] = [];
  for (let worker = 0; worker < WORKERS_MAX; worker++) {
    const end = workers.slotEnd[worker] ?? 0;
    for (let slot = Math.max(from, workers.slotFirst[worker] ?? 0); slot < end && numbers.length < count; slot++) {
      if ((connections.state[slot] ?? CONNECTION_FREE) === CONNECTION_FREE) continue;
      if (isOf(tables, slot, farm)) numbers.push(slot);
    }
  }
  return numbers;
}

function connectionCount(tables: Tables, farm: number | undefined): number {
  let count = 0;
  forEachConnection(tables, (slot) => (count += Number(isOf(tables, slot, farm))));
  return count;
}

function connectionOf(tables: Tables, farm: number | undefined, fd: number): number {
  const { sides } = tables;
  let found = -1;
  if (fd < 0) return found;
  forEachConnection(tables, (slot) => {
    const isIts = sides.fd[slot * 2] === fd || sides.fd[slot * 2 + 1] === fd;
    if (isIts && isOf(tables, slot, farm)) found = slot;
  });
  return found;
}
