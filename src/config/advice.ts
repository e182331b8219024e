/** What is no mistake, and yet not what somebody can have meant. */
import type { Configuration } from './model.ts';

/** @returns a line for each such thing. */
export function adviceOn({ settings, servers }: Configuration): string[] {
  const { weight, prio } = settings;
  if (!weight || prio || servers.some((server) => server !== undefined && server.weight > 0)) return [];
  return ['weight: no server has one, so none is chosen; give them weights, as in www1:80:0:0:3'];
}
