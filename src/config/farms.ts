/**
 * Farms with names: servers, listeners and settings of their own beside the unnamed farm, which is all there is where
 * nobody says `farm`.
 *
 * A command about a farm is written for the unnamed one. Said to another, it gets a view: a configuration in which that
 * farm stands in the place of the unnamed one. So there is one language, and no command knows that there are several.
 */
import { FARMS_MAX } from '../table/limits.ts';
import { ConfigError, DEFAULT_SETTINGS, isServed, NoRoom, type Configuration, type Settings } from './model.ts';
import { shorten } from './numbers.ts';
import { shared, takeParts, type Part } from './parts.ts';

/** Settings that each farm has of its own; all others are those of the process. */
export const FARM_KEYS = [
  'prio',
  'weight',
  'leastconn',
  'hash',
  'roundrobin',
  'stubborn',
  'peek',
  'dummy',
  'blacklist',
  'tracking',
  'clientsMax',
  'clientPrefix',
  'clientAcl',
  'timeout',
  'idleTimeout',
  'halfClosedTimeout',
  'tcpFastclose',
] as const satisfies readonly (keyof Settings)[];

export type FarmSettings = Pick<Settings, (typeof FARM_KEYS)[number]>;

/** What is a farm's own. */
export interface Farm extends Pick<Configuration, 'listen' | 'servers' | 'emergency' | 'abuse'> {
  readonly settings: FarmSettings;
}

/** The name of the farm that has none. */
export const UNNAMED = '';

/** Farms that can have names: the unnamed one has a row, too. */
export const FARMS_LIMIT = FARMS_MAX - 1;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

/** A farm before anything is said about it: nothing is inherited from another one. */
export const EMPTY_FARM: Farm = {
  listen: [],
  servers: [],
  emergency: undefined,
  abuse: undefined,
  settings: farmSettings(DEFAULT_SETTINGS),
};

function farmSettings(settings: Settings): FarmSettings {
  return Object.fromEntries(FARM_KEYS.map((key) => [key, settings[key]])) as unknown as FarmSettings;
}

/** A farm as it is now; one that nobody has made is empty. */
export function farmOf(state: Configuration, name: string): Farm {
  if (name !== UNNAMED) return state.farms.get(name) ?? EMPTY_FARM;
  const { listen, servers, emergency, abuse, settings } = state;
  return { listen, servers, emergency, abuse, settings: farmSettings(settings) };
}

const NO_FARMS: Configuration['farms'] = new Map();

/** The configuration as commands about a farm see it: with that farm in the place of the unnamed one, and no others. */
export function viewOfFarm(state: Configuration, name: string): Configuration {
  if (name === UNNAMED) return state;
  const { settings, ...own } = farmOf(state, name);
  return { ...state, ...own, settings: { ...state.settings, ...settings }, farms: NO_FARMS };
}

/** A configuration in which a farm is as a view of it says; the farm is made, if there is none. */
export function withFarm(state: Configuration, name: string, view: Configuration): Configuration {
  if (name === UNNAMED) return view;
  const before = state.farms.get(name);
  const now = farmOf(view, UNNAMED);
  const farm = before ? shared(before, now) : now;
  return farm === before ? state : { ...state, farms: new Map(state.farms).set(name, farm) };
}

/** How many addresses all farms together listen at. */
export function listenerCount({ listen, farms }: Pick<Configuration, 'listen' | 'farms'>): number {
  return [...farms.values()].reduce((count, farm) => count + farm.listen.length, listen.length);
}

/** Names of all farms, the unnamed one first. */
export function farmNames({ farms }: Pick<Configuration, 'farms'>): readonly string[] {
  return [UNNAMED, ...farms.keys()];
}

export function isFarmName(word: string): boolean {
  return NAME.test(word);
}

/** @errors ConfigError when no farm can have that name. */
export function parseFarm(word: string, where: string): string {
  if (isFarmName(word)) return word;
  throw new ConfigError(
    where,
    `'${shorten(word)}' is no name of a farm; it has letters, digits, _, . and -, at most 63, a letter or digit first`,
  );
}

/** @errors NoRoom when there are as many farms as there can be. */
export function checkFarmRoom({ farms }: Configuration, where: string): void {
  if (farms.size < FARMS_LIMIT) return;
  throw new NoRoom(where, `there is room for ${FARMS_LIMIT} farms with names, not for ${farms.size + 1}`);
}

export function noSuchFarm(name: string): string {
  return `there is no farm '${name}'; 'farms' lists them`;
}

/** What a farm is called in a sentence. */
export function titleOf(name: string): string {
  return name === UNNAMED ? 'the farm without a name' : `farm ${name}`;
}

/** A farm that has clients come, and nobody to send them to. */
export function isUnserved(farm: Farm): boolean {
  return farm.listen.length > 0 && !isServed(farm) && !farm.settings.dummy;
}

/**
 * A configuration that has some parts of its farms from `from`, and the others from `into`, as `takeParts` has it. A farm
 * that is taken from where there is none is taken away.
 */
export function takeAll(into: Configuration, from: Configuration, parts: Iterable<Part>): Configuration {
  const own: Part[] = [];
  const ofFarms = new Map<string, Part[]>();
  const partsOf = (farm: string): Part[] => {
    const known = ofFarms.get(farm) ?? [];
    ofFarms.set(farm, known);
    return known;
  };
  for (const part of parts) {
    if (part.of === 'farm') partsOf(part.farm).push(part.part);
    else if (part.of === 'farms') partsOf(part.farm);
    else own.push(part);
  }
  const farms = new Map(into.farms);
  for (const [farm, taken] of ofFarms) {
    if (!from.farms.has(farm)) farms.delete(farm);
    else farms.set(farm, farmOf(takeParts(viewOfFarm(into, farm), viewOfFarm(from, farm), taken), UNNAMED));
  }
  return shared(into, { ...takeParts(into, from, own), farms });
}
