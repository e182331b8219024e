/** What each command is about: a farm, so that it can be said of each of them, or the process, which has all of them. */
import type { Scope } from '../command.ts';

const OF_A_FARM: ReadonlySet<string> = new Set([
  'server',
  'servers',
  'roundrobin',
  'prio',
  'weight',
  'leastconn',
  'hash',
  'peek',
  'dummy',
  'stubborn',
  'blacklist',
  'mode',
  'emergency',
  'abuse',
  'tracking',
  'clients_max',
  'client_prefix',
  'clients',
  'recent',
  'client_acl',
  'timeout',
  'idle_timeout',
  'half_closed_timeout',
  'tcp_fastclose',
  'connections',
  'connection',
  'socket',
  'close',
  'listen',
  'status',
]);

/** What may stand behind `farm NAME`, in the order of the alphabet. */
export const FARM_WORDS: readonly string[] = [...OF_A_FARM, 'include'].sort();

export function scopeOf(name: string): Scope {
  // It stands for other lines, which are about this or that.
  if (name === 'include') return 'either';
  return OF_A_FARM.has(name) ? 'farm' : 'process';
}
