/** Picks the loop for a worker: io_uring where the kernel allows it, else epoll. */
import { loadFfi, type Ffi } from '../ffi/load.ts';
import type { Loop, LoopOptions } from '../loop/loop.ts';
import { EpollLoop } from './epoll.ts';
import { openReason, probeUring } from './uring/probe.ts';
import { openUring } from './uring.ts';

/** What a user may ask for; `auto` takes the best that works. */
export type LoopChoice = 'auto' | 'uring' | 'epoll';

/** The loop, with the reason when it is not the best one; or only the reason why there is none. */
export type OpenedLoop =
  | { readonly loop: Loop; readonly reason: string }
  | { readonly loop?: never; readonly reason: string };

/**
 * Opens a loop for the calling thread, which is the only one that may use it.
 *
 * @param choice `uring` and `epoll` mean exactly that one: asked for by name, it is not replaced silently.
 * @param nativeFile what main has loaded (`Host.nativeFile`); empty: whatever is installed.
 * @returns `reason` is empty when the loop is what was asked for or the best one; else a text for the log.
 * @cost some milliseconds; loads a library on the first call: before chroot.
 * @errors none: whatever goes wrong is a reason.
 */
export function openLoop(choice: LoopChoice, options: LoopOptions, nativeFile = ''): OpenedLoop {
  const { ffi, reason } = loadFfi(nativeFile);
  if (ffi === undefined) return { reason };
  try {
    if (choice === 'epoll') return { loop: new EpollLoop(ffi, options), reason: '' };
    const uring = tryUring(ffi, options);
    if (uring.loop !== undefined || choice === 'uring') return uring;
    return { loop: new EpollLoop(ffi, options), reason: `epoll is used: ${uring.reason}` };
  } catch (error) {
    return { reason: `no loop could be opened: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function tryUring(ffi: Ffi, options: LoopOptions): OpenedLoop {
  const unusable = probeUring(ffi);
  if (unusable !== '') return { reason: unusable };
  try {
    return { loop: openUring(ffi, options), reason: '' };
  } catch (error) {
    return { reason: openReason(error) };
  }
}
