/** Chooses and opens the loop of a worker: io_uring where the kernel lets us, else epoll. */
import { loadFfi } from '../ffi/load.ts';
import type { Loop, LoopOptions } from '../loop/loop.ts';
import { EpollLoop } from './epoll.ts';
import { openUring } from './uring.ts';
import { probeUring } from './uring/probe.ts';

export interface OpenedLoop {
  readonly loop: Loop;
  /** Why it is not io_uring although nobody asked for another loop. */
  readonly reason: string | undefined;
}

/**
 * Opens a loop in the calling thread, which owns it from then on.
 *
 * @param choice `auto` falls back to epoll and says why; `uring` and `epoll` are orders.
 * @errors Error with the reason when the loop asked for cannot be had here.
 */
export function openLoop(choice: 'auto' | 'uring' | 'epoll', options: LoopOptions): OpenedLoop {
  const { ffi, reason: missing } = loadFfi();
  if (!ffi) throw new Error(missing);
  if (choice === 'epoll') return { loop: new EpollLoop(ffi, options), reason: undefined };
  const reason = probeUring(ffi);
  if (reason === '') return { loop: openUring(ffi, options), reason: undefined };
  if (choice === 'uring') throw new Error(reason);
  return { loop: new EpollLoop(ffi, options), reason };
}
