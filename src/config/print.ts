/** A configuration as commands, such that reading them makes the same configuration again. */
import type { Command } from './command.ts';
import { COMMANDS } from './commands.ts';
import type { Configuration } from './model.ts';

/** The order that the original writes in, so that files can be compared; what it does not know follows. */
const ORDER: readonly string[] = [
  'acl',
  'ascii',
  'blacklist',
  'client_acl',
  'control_acl',
  'debug',
  'hash',
  'log',
  'roundrobin',
  'server',
  'stubborn',
  'tcp_fastclose',
  'tcp_nodelay',
  'timeout',
  'tracking',
  'web_stats',
  'weight',
  'prio',
];

/** Lines without line ends. Addresses that options give (listener, control, emergency and abuse server) are not among them. */
export function printConfiguration(state: Configuration): readonly string[] {
  return [...COMMANDS].sort((a, b) => rank(a) - rank(b)).flatMap((command) => command.write?.(state) ?? []);
}

function rank({ name }: Command): number {
  const at = ORDER.indexOf(name);
  return at < 0 ? ORDER.length : at;
}
