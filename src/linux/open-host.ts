/** Opens the host of this machine for main. */
import { loadFfi } from '../ffi/load.ts';
import type { Host } from '../loop/host.ts';
import { LinuxHost } from './host.ts';

/**
 * @owner main thread, once.
 * @errors Error with the reason when native calls are not possible on this machine.
 */
export function openHost(): Host {
  const { ffi, reason } = loadFfi();
  if (ffi === undefined) throw new Error(reason);
  return new LinuxHost(ffi);
}
