/** Opens the host of this machine for main. */
import { loadFfi } from '../ffi/load.ts';
import type { Host } from '../loop/host.ts';
import { LinuxHost } from './host.ts';

/**
 * @owner main thread, once.
 * @errors an Error named HostError with the reason, when native calls are not possible on this machine.
 */
export function openHost(): Host {
  const { ffi, reason } = loadFfi();
  if (ffi === undefined) throw Object.assign(new Error(reason), { name: 'HostError' });
  return new LinuxHost(ffi);
}
