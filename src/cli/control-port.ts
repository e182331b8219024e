/** Opens the control socket of a balancer, and ends it: joins listener, controller and rules. */
import type { Fd } from '../base/brand.ts';
import { ENDPOINT_SIZE, KIND_UNIX, writeEndpoint } from '../base/endpoint.ts';
import { ConfigError, type Configuration } from '../config/model.ts';
import { mayControl } from '../control/control-access.ts';
import { controlledBalancer } from '../control/actions.ts';
import type { Balancer } from '../control/balancer.ts';
import { Controller } from '../control/controller.ts';
import { tableFacts } from '../control/facts.ts';
import { resolveAddress, servicePort } from '../control/resolver.ts';
import type { Host } from '../loop/host.ts';
import { ControlSocket } from '../surface/control-socket.ts';

/** Permissions of a unix control socket: its owner's alone. */
const MODE = 0o600;

/** Opens the listening socket, before anything else starts. @errors ConfigError. */
export function listenForControl(host: Host, { control, settings }: Configuration): Fd | undefined {
  if (!control) return undefined;
  const wanted = new Uint8Array(ENDPOINT_SIZE);
  writeEndpoint(control.endpoint, wanted, 0);
  const options = { backlog: settings.backlog, noDelay: true, keepAlive: false, mode: MODE };
  const { fd, error } = host.listen(wanted, options);
  if (error) throw new ConfigError('-C', error.help === '' ? error.message : `${error.message}; ${error.help}`);
  return fd;
}

export interface ControlPortOptions {
  readonly host: Host;
  readonly fd: Fd;
  readonly controller: Controller;
  readonly balancer: Balancer;
  readonly say: (text: string) => void;
}

/** Serves the control socket. @returns what closes it and removes its path. */
export async function openControlPort(options: ControlPortOptions): Promise<() => Promise<void>> {
  const { host, fd, controller, balancer, say } = options;
  const socket = await ControlSocket.start(fd, {
    execute: async (line) => controller.execute(line),
    isPermitted: (address) => mayControl(balancer.tables, controller.configuration.settings.controlAcl, address),
    onFault: (error) => say(`control: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`),
  });
  const endpoint = balancer.configuration.control?.endpoint;
  return async () => {
    await socket.close();
    if (endpoint?.kind === KIND_UNIX) host.unlinkOwn(endpoint.path);
  };
}

/** The controller of a running balancer. @param exit begins to end the process, as a signal would. */
export function controllerOf(
  balancer: Balancer,
  nowMs: () => number,
  exit: () => void,
  say: (text: string) => void,
): Controller {
  return new Controller({
    controlled: controlledBalancer(balancer, { nowMs, exit }),
    facts: tableFacts({
      tables: balancer.tables,
      pid: process.pid,
      nowMs,
      connMax: () => balancer.configuration.settings.connMax,
    }),
    lookUp: async (host, where) => resolveAddress({ host, port: '0' }, where, 0),
    servicePort,
    say,
  });
}
