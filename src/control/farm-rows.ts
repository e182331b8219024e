/**
 * Which rows of the tables farms and their servers have.
 *
 * A farm keeps its row and those of its servers as long as it exists, whatever comes and goes beside it. When it goes
 * it stays in the tables as it was: connections go on to their end by it, and those who wait at its listeners are
 * served. When nobody can name its rows any more they are free for others. A farm that is made again under the same
 * name is a new one.
 *
 * @owner main thread.
 */
import { EMPTY_FARM, farmNames, farmOf, UNNAMED, type Farm } from '../config/farms.ts';
import { ConfigError, type Configuration } from '../config/model.ts';
import { FARMS_MAX, SERVERS_MAX } from '../table/limits.ts';

/** Server rows of the farm without a name, as far as they are free: emergency, abuse, then the regular servers. */
export const EMERGENCY_ROW = 1;
export const ABUSE_ROW = 2;
export const FIRST_SERVER_ROW = 3;

/** The rows of one farm. */
export interface RowsOfFarm {
  /** Row of `farms`. */
  readonly row: number;
  /** Another one for each farm there ever was, so that two that have had the same rows can be told apart. */
  readonly life: number;
  /** Rows of `servers`, by index: as many as there ever were. The first `count` are in use. */
  readonly servers: readonly number[];
  readonly count: number;
  /** 0: it has never had one. */
  readonly emergency: number;
  readonly abuse: number;
}

/** A farm that is gone, whose rows somebody may still name. */
export interface LeftFarm {
  readonly name: string;
  readonly rows: RowsOfFarm;
  /** As it was. */
  readonly farm: Farm;
  /** The first version in which no listener is its own; undefined while one is. */
  readonly version: number | undefined;
}

export interface FarmRows {
  readonly farms: ReadonlyMap<string, RowsOfFarm>;
  readonly left: readonly LeftFarm[];
  /** Farms there ever were. */
  readonly lives: number;
}

export const NO_ROWS: FarmRows = { farms: new Map(), left: [], lives: 0 };

/** A farm that has rows, living or gone. */
export interface FarmAt {
  readonly name: string;
  readonly rows: RowsOfFarm;
  readonly farm: Farm;
}

/** All farms that have rows, those that are gone last. @param configuration what the rows are those of. */
export function farmsAt({ farms, left }: FarmRows, configuration: Configuration): FarmAt[] {
  const living = [...farms].map(([name, rows]) => ({ name, rows, farm: farmOf(configuration, name) }));
  return [...living, ...left];
}

/** The rows that people mean when they say a farm's name; undefined when there is no such farm. */
export function rowsNamed({ farms, left }: FarmRows, name: string): RowsOfFarm | undefined {
  return farms.get(name) ?? left.findLast((farm) => farm.name === name)?.rows;
}

/**
 * Finds rows for a configuration: those there are stay, what is new gets free ones.
 *
 * @param before the rows in force. @param previous the configuration they are those of.
 * @returns `before` itself when no farm comes, goes, or has another number of servers.
 * @errors ConfigError when there is no room.
 */
export function planRows(before: FarmRows, configuration: Configuration, previous?: Configuration): FarmRows {
  const names = farmNames(configuration);
  const free = new FreeRows(before);
  const farms = new Map<string, RowsOfFarm>();
  for (const name of names) {
    farms.set(name, fitted(before.farms.get(name) ?? free.farm(name), farmOf(configuration, name), name, free));
  }
  const gone = [...before.farms].filter(([name]) => !farms.has(name));
  const left = [...before.left, ...gone.map(([name, rows]) => leftFarm(name, rows, previous))];
  const lists = left.map((farm) => withLists(farm, configuration));
  const isSame = gone.length === 0 && lists.every((farm, i) => farm === left[i]) && hasSameFarms(farms, before.farms);
  return isSame ? before : { farms, left: lists, lives: free.lives };
}

function hasSameFarms(one: ReadonlyMap<string, RowsOfFarm>, other: ReadonlyMap<string, RowsOfFarm>): boolean {
  return one.size === other.size && [...one].every(([name, rows]) => other.get(name) === rows);
}

function leftFarm(name: string, rows: RowsOfFarm, previous: Configuration | undefined): LeftFarm {
  return { name, rows, farm: previous ? farmOf(previous, name) : EMPTY_FARM, version: undefined };
}

/** A farm that is gone has the access lists it had. Where one of them is gone, too, it serves nobody any more. */
function withLists(left: LeftFarm, { namedAcls }: Configuration): LeftFarm {
  const { servers, emergency, abuse, settings } = left.farm;
  const lists = [settings.clientAcl, emergency?.acl, abuse?.acl, ...servers.map((server) => server?.acl)];
  if (lists.every((list) => typeof list !== 'string' || namedAcls.has(list))) return left;
  const farm = { ...EMPTY_FARM, settings: { ...settings, clientAcl: 0 } };
  return { ...left, farm, rows: { ...left.rows, count: 0 } };
}

/** Rows for as many servers as the farm has. @returns `rows` themselves when they are. */
function fitted(rows: RowsOfFarm, farm: Farm, name: string, free: FreeRows): RowsOfFarm {
  const { length: count } = farm.servers;
  const needsEmergency = farm.emergency !== undefined && rows.emergency === 0;
  const needsAbuse = farm.abuse !== undefined && rows.abuse === 0;
  if (rows.count === count && !needsEmergency && !needsAbuse) return rows;
  const servers = [...rows.servers];
  while (servers.length < count) servers.push(free.server(name, servers.length));
  const emergency = needsEmergency ? free.server(name) : rows.emergency;
  return { ...rows, count, servers, emergency, abuse: needsAbuse ? free.server(name) : rows.abuse };
}

/** Rows that nobody has. */
class FreeRows {
  lives: number;
  private readonly before: FarmRows;
  private readonly farmRows: Set<number>;
  private serverRows: Uint8Array | undefined;
  /** No row below is free. */
  private lowest = FIRST_SERVER_ROW;

  constructor(before: FarmRows) {
    this.before = before;
    this.lives = before.lives;
    this.farmRows = new Set(all(before).map(({ row }) => row));
  }

  /** A farm without servers. */
  farm(name: string): RowsOfFarm {
    const life = this.lives++;
    if (name === UNNAMED) {
      return { row: 0, life, servers: [], count: 0, emergency: EMERGENCY_ROW, abuse: ABUSE_ROW };
    }
    let row = 1;
    while (this.farmRows.has(row)) row++;
    if (row >= FARMS_MAX)
      throw this.noRoom(`farm ${name}`, `${FARMS_MAX} farms, the one without a name included`, name);
    this.farmRows.add(row);
    return { row, life, servers: [], count: 0, emergency: 0, abuse: 0 };
  }

  /** A row for a server of the farm. @param index its index; none: it is the emergency or the abuse server. */
  server(name: string, index?: number): number {
    const taken = (this.serverRows ??= takenRows(this.before));
    const usual = FIRST_SERVER_ROW + (index ?? 0);
    const isUsual = name === UNNAMED && index !== undefined && taken[usual] === 0;
    const row = isUsual ? usual : this.lowestFree(taken);
    if (row >= SERVERS_MAX) {
      const where = name === UNNAMED ? 'server' : `farm ${name} server`;
      throw this.noRoom(where, `${SERVERS_MAX - FIRST_SERVER_ROW} servers of all farms together`, name);
    }
    taken[row] = 1;
    return row;
  }

  private lowestFree(taken: Uint8Array): number {
    while (this.lowest < SERVERS_MAX && taken[this.lowest] !== 0) this.lowest++;
    return this.lowest;
  }

  private noRoom(where: string, what: string, farm: string): ConfigError {
    const { length } = this.before.left;
    const others =
      length === 0 ? '' : `; those of ${length} farms that are gone count until their last connection ends`;
    return new ConfigError(
      where,
      `there is room for ${what}${others}`,
      farm === UNNAMED ? undefined : { of: 'farms', farm },
    );
  }
}

function all({ farms, left }: FarmRows): RowsOfFarm[] {
  return [...farms.values(), ...left.map(({ rows }) => rows)];
}

function takenRows(rows: FarmRows): Uint8Array {
  const taken = new Uint8Array(SERVERS_MAX);
  taken.fill(1, 0, FIRST_SERVER_ROW);
  for (const { servers, emergency, abuse } of all(rows)) {
    // Not by an iterator: there may be many.
    for (let index = 0; index < servers.length; index++) taken[servers[index] ?? 0] = 1;
    taken[emergency] = taken[abuse] = 1;
  }
  return taken;
}

/** All rows of `servers` that a farm has. */
export function serverRowsOf({ servers, emergency, abuse }: RowsOfFarm): readonly number[] {
  return [...servers, emergency, abuse].filter((row) => row !== 0);
}

/** Rows of the tables that are needed. */
export function sizeOf(rows: FarmRows): { readonly farms: number; readonly members: number; readonly servers: number } {
  const size = { farms: 1, members: 0, servers: FIRST_SERVER_ROW };
  for (const { row, servers, count, emergency, abuse } of all(rows)) {
    size.farms = Math.max(size.farms, row + 1);
    size.members += count;
    size.servers = Math.max(size.servers, emergency + 1, abuse + 1);
    for (let index = 0; index < count; index++) size.servers = Math.max(size.servers, (servers[index] ?? 0) + 1);
  }
  return size;
}
