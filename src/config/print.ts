/** A configuration as commands, such that reading them makes the same configuration again. */
import type { Command } from './command.ts';
import { COMMANDS } from './commands.ts';
import { viewOfFarm } from './farms.ts';
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

const WRITERS = [...COMMANDS].sort((a, b) => rank(a) - rank(b)).filter(({ write }) => write);

/** Lines without line ends: those of the process and of the unnamed farm, then a block for each farm that has a name. */
export function printConfiguration(state: Configuration): readonly string[] {
  const blocks = [...state.farms.keys()].flatMap((name) => [`farm ${name}`, ...printFarm(viewOfFarm(state, name))]);
  return [...WRITERS.flatMap((command) => command.write?.(state) ?? []), ...blocks];
}

/** The lines that are about one farm alone. */
function printFarm(view: Configuration): readonly string[] {
  return WRITERS.flatMap((command) => (command.scope === 'farm' ? (command.write?.(view) ?? []) : []));
}

function rank({ name }: Command): number {
  const at = ORDER.indexOf(name);
  return at < 0 ? ORDER.length : at;
}
