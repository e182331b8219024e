/**
 * Farms with names: servers, listeners and settings of their own beside the unnamed farm, which is all there is where
 * nobody says `farm`.
 *
 * A command about a farm is written for the unnamed one. Said to another, it gets a view: a configuration in which that
 * farm stands in the place of the unnamed one. So there is one language, and no command knows that there are several.
 */
import { DEFAULT_SETTINGS, type Configuration, type Settings } from './model.ts';
import { shared } from './parts.ts';

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

/** The configuration as commands about a farm see it: with that farm in the place of the unnamed one. */
export function viewOfFarm(state: Configuration, name: string): Configuration {
  if (name === UNNAMED) return state;
  const { settings, ...own } = farmOf(state, name);
  return { ...state, ...own, settings: { ...state.settings, ...settings } };
}

/** A configuration in which a farm is as a view of it says; the farm is made, if there is none. */
export function withFarm(state: Configuration, name: string, view: Configuration): Configuration {
  if (name === UNNAMED) return view;
  const before = state.farms.get(name);
  const now = farmOf(view, UNNAMED);
  const farm = before ? shared(before, now) : now;
  return farm === before ? state : { ...state, farms: new Map(state.farms).set(name, farm) };
}

/** Names of all farms, the unnamed one first. */
export function farmNames({ farms }: Pick<Configuration, 'farms'>): readonly string[] {
  return [UNNAMED, ...farms.keys()];
}
