/**
 * The parts of a configuration that a line can say something about, and how one configuration takes parts from another:
 * what a reload is made of.
 */
import {
  aclOf,
  ConfigError,
  UNSET_SERVER,
  withAcl,
  type AclId,
  type Configuration,
  type ServerConfig,
  type Settings,
} from './model.ts';

export type Part =
  | { readonly of: 'settings'; readonly key: keyof Settings }
  | { readonly of: 'servers'; readonly index: number; readonly key: keyof ServerConfig }
  | { readonly of: 'acl'; readonly id: AclId }
  | { readonly of: 'listen' | 'control' | 'emergency' | 'abuse' }
  /** A part of a farm that has a name. */
  | { readonly of: 'farm'; readonly farm: string; readonly part: Part }
  /** That there is such a farm. */
  | { readonly of: 'farms'; readonly farm: string };

/** A part as said of a farm: of the one without a name it is just that part. */
export function partOfFarm(farm: string, part: Part): Part {
  return farm === '' ? part : { of: 'farm', farm, part };
}

function nameOf(part: Part): string {
  if (part.of === 'farm') return `farm ${part.farm} ${nameOf(part.part)}`;
  if (part.of === 'farms') return `farm ${part.farm}`;
  const index = 'index' in part ? ` ${part.index}` : 'id' in part ? ` ${part.id}` : '';
  const key = 'key' in part ? ` ${part.key}` : '';
  return `${part.of}${index}${key}`;
}

/** Parts, each once, and the last place where something is said about it. */
export class Parts {
  private readonly byName = new Map<string, { readonly part: Part; readonly place: string | undefined }>();

  add(part: Part, place?: string): void {
    this.byName.set(nameOf(part), { part, place });
  }

  addAll(others: Parts): void {
    for (const [name, entry] of others.byName) this.byName.set(name, entry);
  }

  placeOf(part: Part): string | undefined {
    return this.byName.get(nameOf(part))?.place;
  }

  *[Symbol.iterator](): Iterator<Part> {
    for (const { part } of this.byName.values()) yield part;
  }
}

/** An error with the place of the line that is to blame, where that is known; any other as it is. */
export function placed(error: unknown, said: Parts): unknown {
  const place = error instanceof ConfigError && error.about ? said.placeOf(error.about) : undefined;
  if (place === undefined || !(error instanceof ConfigError)) return error;
  return new ConfigError(`${place} '${error.where}'`, error.reason);
}

export function settingPart(key: keyof Settings): Part {
  return { of: 'settings', key };
}

/**
 * A configuration that has some parts, those of farms with names left out, from `from` and the others from `into`. What is equal in both stays the very same
 * object, so that whoever compares sees what is different, and nothing else.
 *
 * A server whose address is taken from where there is no such server is taken away, and so is one of which nothing is
 * left to say.
 */
export function takeParts(into: Configuration, from: Configuration, parts: Iterable<Part>): Configuration {
  let { listen, control, emergency, abuse } = into;
  const settings = { ...into.settings };
  const servers = [...into.servers];
  let lists = into;
  for (const part of parts) {
    if (part.of === 'settings') Object.assign(settings, { [part.key]: from.settings[part.key] });
    else if (part.of === 'servers') takeServerPart(servers, from.servers, part.index, part.key);
    else if (part.of === 'acl') lists = withAcl(lists, part.id, aclOf(from, part.id));
    else if (part.of === 'listen') ({ listen } = from);
    else if (part.of === 'control') ({ control } = from);
    else if (part.of === 'emergency') ({ emergency } = from);
    else if (part.of === 'abuse') ({ abuse } = from);
  }
  while (servers.length > 0 && servers.at(-1) === undefined) servers.pop();
  const { acls, namedAcls } = lists;
  return shared(into, { ...into, listen, control, emergency, abuse, settings, servers, acls, namedAcls });
}

function takeServerPart(
  servers: (ServerConfig | undefined)[],
  from: readonly (ServerConfig | undefined)[],
  index: number,
  key: keyof ServerConfig,
): void {
  const [there, wanted] = [servers[index], from[index]];
  while (servers.length <= index) servers.push(undefined);
  const taken = { ...(there ?? UNSET_SERVER), [key]: (wanted ?? UNSET_SERVER)[key] };
  const isGone = !wanted && (key === 'endpoint' || shared(UNSET_SERVER, taken) === UNSET_SERVER);
  servers[index] = isGone ? undefined : taken;
}

/** @returns `after`, in which everything that equals what `before` has there is the object of `before`. */
export function shared<T>(before: T, after: T): T {
  if (before === after || typeof before !== 'object' || typeof after !== 'object') return after;
  if (before === null || after === null) return after;
  if (after instanceof Uint8Array) return before instanceof Uint8Array && isEqual(before, after) ? before : after;
  if (after instanceof Map) return before instanceof Map ? (sharedMap(before, after) as T) : after;
  if (Array.isArray(after)) return Array.isArray(before) ? (sharedList(before, after) as T) : after;
  const [old, now] = [before as Record<string, unknown>, after as Record<string, unknown>];
  const keys = Object.keys(now);
  const result = Object.fromEntries(keys.map((key) => [key, shared(old[key], now[key])]));
  const isSame = keys.length === Object.keys(old).length && keys.every((key) => result[key] === old[key]);
  return isSame ? before : (result as T);
}

function sharedList(before: readonly unknown[], after: readonly unknown[]): readonly unknown[] {
  const result = after.map((item, index) => shared(before[index], item));
  const isSame = result.length === before.length && result.every((item, index) => item === before[index]);
  return isSame ? before : result;
}

function sharedMap(before: ReadonlyMap<unknown, unknown>, after: ReadonlyMap<unknown, unknown>): typeof after {
  const result = new Map([...after].map(([key, value]) => [key, shared(before.get(key), value)]));
  const isSame = result.size === before.size && [...result].every(([key, value]) => value === before.get(key));
  return isSame ? before : result;
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
