/**
 * Listening sockets, as the balancer opens and closes them: on the host, or in the loop where that listens by itself.
 *
 * @owner main thread.
 */
import { ENDPOINT_KIND, endpointRecord, endpointText, KIND_UNIX, portOf } from '../base/endpoint.ts';
import { farmNames, farmOf, titleOf, UNNAMED, viewOfFarm, withFarm } from '../config/farms.ts';
import { ConfigError, type Configuration } from '../config/model.ts';
import { partOfFarm } from '../config/parts.ts';
import type { Host, HostError, ListenOptions, ListenResult } from '../loop/host.ts';
import { LISTENERS_MAX } from '../table/limits.ts';
import type { OpenListener } from './publisher.ts';

/** An address that people want a farm to listen at. */
export interface WantedListener {
  /** Name of the farm. */
  readonly farm: string;
  /** ENDPOINT_SIZE bytes. */
  readonly endpoint: Uint8Array;
  /** As it was written. */
  readonly text: string;
}

/** What becomes of listeners when others are wanted. */
export interface ListenerChange {
  /** Those that are wanted and stand already, each for the farm that wants it now. */
  readonly kept: readonly OpenListener[];
  readonly wanted: readonly WantedListener[];
  /** Those that nobody wants any more. */
  readonly left: readonly OpenListener[];
}

/**
 * All listeners that are wanted, farm by farm.
 *
 * @errors ConfigError when there are none, or two are the same.
 */
export function wantedListeners(configuration: Configuration): WantedListener[] {
  const wanted = farmNames(configuration).flatMap((farm) =>
    farmOf(configuration, farm).listen.map(({ text, endpoint }) => ({
      farm,
      text,
      endpoint: endpointRecord(endpoint),
    })),
  );
  if (wanted.length === 0) {
    throw new ConfigError('listen address', 'missing; write where clients come to, as in pen 80 server:8080');
  }
  if (wanted.length > LISTENERS_MAX) {
    throw new ConfigError('listen address', `there is room for ${LISTENERS_MAX} of all farms together`);
  }
  checkDistinct(wanted);
  return wanted;
}

function checkDistinct(wanted: readonly WantedListener[]): void {
  const farms = new Map<string, string>();
  for (const { farm, text, endpoint } of wanted) {
    const key = endpoint.join();
    const other = portOf(endpoint, 0) === 0 && endpoint[ENDPOINT_KIND] !== KIND_UNIX ? undefined : farms.get(key);
    if (other !== undefined) {
      const where = farm === UNNAMED ? 'listen address' : `farm ${farm} listen`;
      const part = partOfFarm(farm, { of: 'listen' });
      throw new ConfigError(where, `${text} is said twice${ofFarms(other, farm)}`, part);
    }
    farms.set(key, farm);
  }
}

function ofFarms(one: string, other: string): string {
  if (one === other) return '';
  return `, for ${titleOf(one)} and for ${titleOf(other)}`;
}

/** What is wanted beyond what stands, and what stands beyond what is wanted: what is the same stays. */
export function changeOf(wanted: readonly WantedListener[], standing: readonly OpenListener[]): ListenerChange {
  const byEndpoint = new Map(standing.map((listener) => [listener.endpoint.join(), listener]));
  const kept: OpenListener[] = [];
  const missing: WantedListener[] = [];
  for (const each of wanted) {
    const there = byEndpoint.get(each.endpoint.join());
    if (there) kept.push(there.farm === each.farm ? there : { ...there, farm: each.farm });
    else missing.push(each);
  }
  const isKept = new Set(kept.map(({ fd }) => fd));
  return { kept, wanted: missing, left: standing.filter(({ fd }) => !isKept.has(fd)) };
}

/**
 * Opens listeners: all of them or none.
 *
 * @param beside those that they replace. @param isTrial only whether they can be had.
 * @errors ConfigError.
 */
export async function openListeners(
  host: Host,
  wanted: readonly WantedListener[],
  options: { readonly backlog: number; readonly noDelay: boolean },
  { beside = [], isTrial = false }: { readonly beside?: readonly OpenListener[]; readonly isTrial?: boolean } = {},
): Promise<readonly OpenListener[]> {
  const opened: OpenListener[] = [];
  try {
    for (const { farm, endpoint } of wanted) {
      const replaced = beside.find((other) => hasSamePort(other.endpoint, endpoint))?.fd;
      const result = await listenOn(host, endpoint, { ...options, keepAlive: true, beside: replaced, isTrial });
      if (result.error) throw refusalOf(result.error, farm);
      const at = endpoint[ENDPOINT_KIND] === KIND_UNIX ? endpoint : host.localEndpoint(result.fd);
      opened.push({ fd: result.fd, endpoint: at, farm });
    }
  } catch (error) {
    closeListeners(host, opened);
    throw error;
  }
  return opened;
}

function refusalOf({ message, help }: HostError, farm: string): ConfigError {
  const where = farm === UNNAMED ? 'listen address' : `farm ${farm} listen address`;
  return new ConfigError(where, help === '' ? message : `${message}; ${help}`, partOfFarm(farm, { of: 'listen' }));
}

/** @returns the configuration with the ports that the system has chosen, where it was to choose: so they can be told. */
export function withChosenPorts(configuration: Configuration, listeners: readonly OpenListener[]): Configuration {
  let named = configuration;
  for (const farm of farmNames(configuration)) {
    const view = viewOfFarm(named, farm);
    const listen = withPorts(
      view.listen,
      listeners.filter((each) => each.farm === farm),
    );
    if (listen !== view.listen) named = withFarm(named, farm, { ...view, listen });
  }
  return named;
}

/** Addresses with the ports of the listeners that were opened for them. */
function withPorts(listen: Configuration['listen'], opened: readonly OpenListener[]): Configuration['listen'] {
  const fixed = new Set(listen.map(({ endpoint }) => endpointRecord(endpoint).join()));
  const chosen = opened.filter(({ endpoint }) => !fixed.has(endpoint.join()));
  if (chosen.length === 0) return listen;
  return listen.map((written) => {
    if (!('port' in written.endpoint) || written.endpoint.port !== 0) return written;
    const at = chosen.shift();
    if (!at) return written;
    return { text: endpointText(at.endpoint, 0), endpoint: { ...written.endpoint, port: portOf(at.endpoint, 0) } };
  });
}

/** Whether anybody waits at one of them to be accepted. */
export async function hasWaiting(host: Host, listeners: readonly OpenListener[]): Promise<boolean> {
  for (const { fd } of listeners) {
    if (await new Promise<boolean>((resolve) => host.hasWaiting(fd, resolve))) return true;
  }
  return false;
}

export function closeListeners(host: Host, listeners: readonly OpenListener[]): void {
  for (const { fd, endpoint } of listeners) {
    host.close(fd);
    if (endpoint[ENDPOINT_KIND] === KIND_UNIX) host.unlinkOwn(endpointText(endpoint, 0));
  }
}

function hasSamePort(one: Uint8Array, other: Uint8Array): boolean {
  if (one[ENDPOINT_KIND] === KIND_UNIX || other[ENDPOINT_KIND] === KIND_UNIX) return false;
  return portOf(one, 0) === portOf(other, 0);
}

async function listenOn(host: Host, endpoint: Uint8Array, options: ListenOptions): Promise<ListenResult> {
  if (!host.listenInLoop) return host.listen(endpoint, options);
  return new Promise((resolve) => host.listenInLoop?.(endpoint, options, resolve));
}
