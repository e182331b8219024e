/** What is no mistake, and yet not what somebody can have meant. */
import { KIND_UNIX } from '../base/endpoint.ts';
import type { Configuration } from './model.ts';

/** @returns a line for each such thing. */
export function adviceOn(configuration: Configuration): string[] {
  return [...weightless(configuration), ...portless(configuration)];
}

function weightless({ settings, servers }: Configuration): string[] {
  const { weight, prio } = settings;
  if (!weight || prio || servers.some((server) => server !== undefined && server.weight > 0)) return [];
  return ['weight: no server has one, so none is chosen; give them weights, as in www1:80:0:0:3'];
}

function portless({ listen, servers }: Configuration): string[] {
  const path = listen.find(({ endpoint }) => endpoint.kind === KIND_UNIX);
  const index = servers.findIndex((server) => server?.hasListenerPort === true);
  if (!path || index < 0) return [];
  return [
    `server ${index}: has the port of the listener, and clients that come by ${path.text} bring none; they get others`,
  ];
}
