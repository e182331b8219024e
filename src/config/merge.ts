/**
 * Two configurations made one, for a reload: what is in force, and what command line and file ask for now, become what
 * shall be in force.
 *
 * What the file says is so. What it said when it was read before, and no longer says, is as the command line has it. What
 * it never said stays as it is, commands by the control socket included.
 */
import { isSameEndpoint } from '../base/endpoint.ts';
import {
  ConfigError,
  grown,
  isServed,
  limitsOf,
  type Configuration,
  type EffectiveLimits,
  type Settings,
  type WrittenEndpoint,
} from './model.ts';
import { isUnserved, takeAll, titleOf, viewOfFarm, withFarm } from './farms.ts';
import { Parts, shared, type Part } from './parts.ts';

/** What the start has settled, and what people call it. */
const FOR_START: ReadonlyMap<keyof Settings, string> = new Map<keyof Settings, string>([
  ['loop', 'the loop'],
  ['workers', 'workers'],
  ['pidFile', 'pid_file'],
]);

/** What command line and file ask for. */
export interface Wanted {
  readonly configuration: Configuration;
  /** What the file says something about. */
  readonly said: Parts;
}

export interface Merged {
  /** The very same objects where nothing changes. */
  readonly configuration: Configuration;
  /** What cannot be while Pen runs. */
  readonly notices: readonly string[];
}

/**
 * @param saidBefore what the file was about when it was read the last time.
 * @param where what to name in an error.
 * @param limits the numbers there are where nobody has said any.
 * @errors ConfigError when clients could not be served any more.
 */
export function merge(
  inForce: Configuration,
  wanted: Wanted,
  saidBefore: Parts,
  where: string,
  limits?: EffectiveLimits,
): Merged {
  const parts = new Parts();
  parts.addAll(saidBefore);
  parts.addAll(wanted.said);
  const late = new Parts();
  const soon = new Parts();
  for (const part of parts) (isForStart(part) ? late : soon).add(part);
  const configuration = takeAll(inForce, possible(inForce, wanted.configuration, limits), soon);
  checkServed(inForce, configuration, where);
  return { configuration, notices: noticesOf(inForce, wanted.configuration, late) };
}

/** @errors ConfigError when clients of a farm would come to nobody, and did not before. */
function checkServed(before: Configuration, after: Configuration, where: string): void {
  for (const [name, farm] of after.farms) {
    const old = before.farms.get(name);
    if (!isUnserved(farm) || (old && isUnserved(old))) continue;
    throw new ConfigError(where, `says no server of ${titleOf(name)}, so its clients would not be served`);
  }
  const isLeft = after.farms.size > 0 && after.listen.length === 0;
  if (isLeft || !isServed(before) || isServed(after)) return;
  throw new ConfigError(where, 'says no server any more, so nobody would be served');
}

/** What is wanted, as far as it can be had while Pen runs. */
function possible(inForce: Configuration, wanted: Configuration, limits?: EffectiveLimits): Configuration {
  let all = possibleOf(inForce, wanted, limits);
  // Nowhere is no place to go, but for a farm beside others.
  if (all.listen.length === 0 && all.farms.size === 0) all = { ...all, listen: inForce.listen };
  for (const name of wanted.farms.keys()) {
    const [there, then] = [viewOfFarm(inForce, name), viewOfFarm(wanted, name)];
    const inFarm = inForce.farms.has(name) && limits && { ...limits, clientsMax: limitsOf(there.settings).clientsMax };
    all = withFarm(all, name, possibleOf(there, then, inFarm || undefined));
  }
  return all;
}

/** The same of one farm. */
function possibleOf(inForce: Configuration, wanted: Configuration, limits?: EffectiveLimits): Configuration {
  const { settings: before } = inForce;
  const settings = {
    ...wanted.settings,
    connMax: grown(before.connMax, wanted.settings.connMax, limits?.connMax ?? 0),
    clientsMax: grown(before.clientsMax, wanted.settings.clientsMax, limits?.clientsMax ?? 0),
  };
  return { ...wanted, settings, listen: chosen(inForce, wanted) };
}

/** Any port is the one there is. */
function chosen({ listen: there }: Configuration, { listen }: Configuration): Configuration['listen'] {
  return listen.map((wanted) => there.find((known) => isChosenFor(wanted, known)) ?? wanted);
}

/** What the system has chosen where it was asked to. */
function isChosenFor({ endpoint: wanted }: WrittenEndpoint, { endpoint: known }: WrittenEndpoint): boolean {
  if (!('port' in wanted) || wanted.port !== 0 || !('port' in known)) return false;
  return isSameEndpoint(known, { ...wanted, port: known.port });
}

function isForStart(part: Part): boolean {
  return part.of === 'control' || (part.of === 'settings' && FOR_START.has(part.key));
}

function noticesOf(inForce: Configuration, wanted: Configuration, late: Parts): string[] {
  return [...late].flatMap((part) => {
    if (part.of === 'settings') {
      const isSame = inForce.settings[part.key] === wanted.settings[part.key];
      return isSame ? [] : [`${FOR_START.get(part.key)}: changes at the next start`];
    }
    const { control } = wanted;
    if (!control || shared(inForce.control?.endpoint, control.endpoint) === inForce.control?.endpoint) return [];
    return [`control: changes at the next start`];
  });
}
