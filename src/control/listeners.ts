/**
 * Listening sockets, as the balancer opens and closes them: on the host, or in the loop where that listens by itself.
 *
 * @owner main thread.
 */
import { ENDPOINT_KIND, ENDPOINT_SIZE, endpointText, KIND_UNIX, portOf, writeEndpoint } from '../base/endpoint.ts';
import { ConfigError, type Configuration, type WrittenEndpoint } from '../config/model.ts';
import type { Host, ListenOptions, ListenResult } from '../loop/host.ts';
import type { OpenListener } from './publisher.ts';

/** @param beside listeners that this one replaces. @param isTrial only whether it can be had. */
export async function openListener(
  host: Host,
  configuration: Configuration,
  { backlog }: { readonly backlog: number },
  { beside = [], isTrial = false }: { readonly beside?: readonly OpenListener[]; readonly isTrial?: boolean } = {},
): Promise<OpenListener> {
  const { listen, settings } = configuration;
  if (!listen)
    throw new ConfigError('listen address', 'missing; write where clients come to, as in pen 80 server:8080');
  const wanted = recordOf(listen);
  const { fd, error } = await listenOn(host, wanted, {
    backlog,
    noDelay: settings.tcpNodelay,
    keepAlive: true,
    beside: beside.find(({ endpoint }) => hasSamePort(endpoint, wanted))?.fd,
    isTrial,
  });
  if (error)
    throw new ConfigError('listen address', error.help === '' ? error.message : `${error.message}; ${error.help}`, {
      of: 'listen',
    });
  return { fd, endpoint: listen.endpoint.kind === KIND_UNIX ? wanted : host.localEndpoint(fd) };
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

export function recordOf({ endpoint }: WrittenEndpoint): Uint8Array {
  const record = new Uint8Array(ENDPOINT_SIZE);
  writeEndpoint(endpoint, record, 0);
  return record;
}

function hasSamePort(one: Uint8Array, other: Uint8Array): boolean {
  if (one[ENDPOINT_KIND] === KIND_UNIX || other[ENDPOINT_KIND] === KIND_UNIX) return false;
  return portOf(one, 0) === portOf(other, 0);
}

async function listenOn(host: Host, endpoint: Uint8Array, options: ListenOptions): Promise<ListenResult> {
  if (!host.listenInLoop) return host.listen(endpoint, options);
  return new Promise((resolve) => host.listenInLoop?.(endpoint, options, resolve));
}
