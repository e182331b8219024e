/**
 * What this machine has room for: how many connections, of those that are wanted, its descriptors allow.
 *
 * @owner main thread.
 */
import { listenerCount } from '../config/farms.ts';
import { ConfigError, limitsOf, type Configuration } from '../config/model.ts';
import { settingPart } from '../config/parts.ts';
import type { Host } from '../loop/host.ts';
import { CONNECTIONS_MAX, NODE_CONNECTIONS_MAX, SIDES_MAX } from '../table/limits.ts';
import { descriptorsFor, parkedWithin, slotsFor, waitingWithin } from '../table/room.ts';
import type { Limits } from './publisher.ts';

/** Descriptors that are not for connections: Node's own, the loop's, a listener, files. */
export const DESCRIPTOR_RESERVE = 48;
/** Those of a control socket and its peers. */
const CONTROL_RESERVE = 101;
/** Those of each worker beyond the first: its thread's, its loop's and its wake-up. */
export const WORKER_RESERVE = 8;
/** More than this no table can use. */
const DESCRIPTORS_MAX = SIDES_MAX;

/** What this machine has room for. */
export interface Room extends Limits {
  /** In force: what was said, or as many as there can be. */
  readonly connMax: number;
  readonly parkedMax: number;
  /** Clients that may wait to be accepted, at each listener. */
  readonly backlog: number;
}

/** What was said, and numbers in the places of those that nobody has said. */
export function fittedTo(configuration: Configuration, { connMax, parkedMax }: Room): Configuration {
  const { clientsMax } = limitsOf(configuration.settings);
  return { ...configuration, settings: { ...configuration.settings, connMax, parkedMax, clientsMax } };
}

/** Connections that there are places for stay so many, also when nobody has said how many. */
export function withPlaces(configuration: Configuration, { connMax }: Room): Configuration {
  const { settings } = configuration;
  return settings.connMax === 0 ? { ...configuration, settings: { ...settings, connMax } } : configuration;
}

/** Slots of the connections table that the workers of this host can serve. */
export function slotsOf(host: Host): number {
  return host.listenInLoop ? NODE_CONNECTIONS_MAX : CONNECTIONS_MAX;
}

/**
 * Raises the descriptor limit to what the connections need, or says what is missing. Numbers that nobody has said
 * shrink to what the machine allows: parked connections first.
 */
export function fitToMachine(host: Host, configuration: Configuration): Room {
  const { settings, control } = configuration;
  const { connMax, parkedMax } = limitsOf(settings);
  const asked = settings.parkedMax === 'auto' ? 0 : parkedMax;
  const slots = slotsOf(host);
  if (slotsFor(connMax, asked) > slots) {
    const reason = `there is room for ${slots} connections, parked ones included`;
    throw new ConfigError('conn_max', reason, settingPart('connMax'));
  }
  const listeners = Math.max(1, listenerCount(configuration));
  if (listeners > 1 && listeners > connMax) {
    const why = `too few for ${listeners} listeners, which have a place in hand each; say at least ${listeners}`;
    throw new ConfigError('conn_max', `${connMax} connections are ${why}`, settingPart('connMax'));
  }
  const workers = (settings.workers - 1) * WORKER_RESERVE;
  const own = DESCRIPTOR_RESERVE + listeners - 1 + workers + (control ? CONTROL_RESERVE : 0);
  const isHolding = host.listenInLoop !== undefined;
  // One more than may wait is turned away, at each listener.
  const held = (backlog: number): number => (isHolding ? listeners * (backlog + 1) : 0);
  const wanted = descriptorsFor(connMax, parkedMax) + own + held(settings.backlog);
  const limit = host.raiseDescriptorLimit(wanted);
  const said = settings.connMax === 0 ? asked : descriptorsFor(connMax, asked);
  const backlog = isHolding ? waitingWithin((limit - own - said) / listeners, settings.backlog) : settings.backlog;
  const reserve = own + held(backlog);
  const needed = descriptorsFor(connMax, asked) + reserve;
  const possible = Math.floor((limit - reserve - asked) / 2);
  if (limit < needed && (settings.connMax !== 0 || possible < 1)) {
    const less = possible < 1 ? '' : `, or allow at most ${possible} connections (-x)`;
    throw new ConfigError(
      'conn_max',
      `${connMax} connections need ${needed} descriptors, but the limit is ${limit}; raise it (ulimit -n ${needed})${less}`,
      settingPart('connMax'),
    );
  }
  const descriptorMax = Math.min(limit - reserve, DESCRIPTORS_MAX);
  const fitting = Math.min(connMax, possible);
  const parked = Math.min(parkedWithin(descriptorMax, fitting, parkedMax), slots - fitting);
  return { connMax: fitting, parkedMax: parked, descriptorMax, backlog };
}
