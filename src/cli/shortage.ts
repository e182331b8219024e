/** What to tell when there are too few descriptors to start at all, before anybody knows how many are needed. */
import { ConfigError, DEFAULT_SETTINGS, limitsOf } from '../config/model.ts';
import { DESCRIPTOR_RESERVE } from '../control/machine.ts';
import { NodeHost } from '../portable/host.ts';
import { descriptorsFor } from '../table/room.ts';

/** @returns the error that a person understands in place of EMFILE; any other as it is. */
export function explained<T>(error: T): T | ConfigError {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'EMFILE') return error;
  const { connMax } = limitsOf(DEFAULT_SETTINGS);
  const { soft } = new NodeHost().descriptorLimit();
  const needed = descriptorsFor(connMax, 0) + DESCRIPTOR_RESERVE;
  return new ConfigError(
    'descriptors',
    `the limit of ${soft} is too low to start; raise it (ulimit -n ${needed}, for ${connMax} connections)`,
  );
}
