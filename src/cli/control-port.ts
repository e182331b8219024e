/** Opens the control socket of a balancer, and ends it: joins listener, controller and rules. */
import { once } from 'node:events';
import type { Server } from 'node:net';
import { endpointRecord, KIND_UNIX } from '../base/endpoint.ts';
import { ConfigError, type Configuration } from '../config/model.ts';
import { mayControl } from '../control/control-access.ts';
import type { Balancer } from '../control/balancer.ts';
import { Controller, type ControllerOptions } from '../control/controller.ts';
import { resolveAddress, servicePort } from '../control/resolver.ts';
import type { Host, HostError, ListenOptions } from '../loop/host.ts';
import { listenForMain } from '../portable/listening.ts';
import { ControlSocket } from '../surface/control-socket.ts';

/** Permissions of a unix control socket: its owner's alone. */
const MODE = 0o600;

/** A control socket that stands. */
export interface ControlPort {
  /** Obeys peers from now on. */
  serve(controller: Controller, balancer: Balancer, say: (text: string) => void): void;
  /** Closes it and removes its path. */
  close(): Promise<void>;
}

/**
 * Opens the listening socket, before anything else starts; peers wait.
 *
 * @param where who named its address. @errors ConfigError.
 */
export async function listenForControl(
  host: Host,
  { control, settings }: Configuration,
  where: string,
): Promise<ControlPort | undefined> {
  if (!control) return undefined;
  const { endpoint } = control;
  const wanted = endpointRecord(endpoint);
  const options = { backlog: settings.backlog, noDelay: true, keepAlive: false, mode: MODE };
  const socket = await ControlSocket.open(async (server) => {
    const error = await listen(host, server, wanted, options);
    if (error) throw new ConfigError(where, error.help === '' ? error.message : `${error.message}; ${error.help}`);
  });
  return {
    serve: (controller, balancer, say) =>
      socket.serve({
        execute: async (line) => controller.execute(line),
        isPermitted: (address) => mayControl(balancer.tables, address),
        onFault: (error) => say(`control: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`),
      }),
    close: async () => {
      await socket.close();
      if (endpoint.kind === KIND_UNIX) host.unlinkOwn(endpoint.path);
    },
  };
}

/** Where the host opens no listening sockets, Node does. */
async function listen(
  host: Host,
  server: Server,
  wanted: Uint8Array,
  options: ListenOptions,
): Promise<HostError | undefined> {
  if (host.listenInLoop) return listenForMain(server, wanted, options);
  const { fd, error } = host.listen(wanted, options);
  if (!error) await once(server.listen({ fd, backlog: options.backlog }), 'listening');
  return error;
}

/** The controller of a running balancer. */
export function controllerOf(parts: Omit<ControllerOptions, 'lookUp' | 'servicePort'>): Controller {
  return new Controller({
    ...parts,
    lookUp: async (host, where) => resolveAddress({ host, port: '0' }, where, 0),
    servicePort,
  });
}
