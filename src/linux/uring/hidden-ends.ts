/**
 * Finds the ends of streams that a receive which stays armed was not told of.
 *
 * The kernel tells it of changes. When an abort is there already as the receive is armed, or comes together with a
 * message, the message is all that it brings, and no change will ever follow. So descriptors that have brought
 * something are looked at once, a little later. Those that are silent are not: what comes later is a change.
 * @source io_poll_check_events of io_uring: one run for all wake-ups that came before it; seen on 6.18
 */
import type { Us } from '../../base/brand.ts';
import type { Ffi } from '../../ffi/load.ts';
import type { NativeMemory } from '../../ffi/memory.ts';
import { NEVER } from '../../loop/loop.ts';
import { FdList } from './fd-list.ts';
import { POLLRDHUP } from './kernel.ts';

/** How long such an end may stay hidden. Ten thousand looks twice a second cost half a hundredth of a core. */
const LOOK_US = 500_000;
/** Descriptors that are looked at in one turn, by one call of poll(2): 0.1 to 0.2 ms. Two words each. */
const AT_ONCE = 512;

export class HiddenEnds {
  private readonly ffi: Ffi;
  private readonly memory: NativeMemory;
  private readonly words: Int32Array;
  private suspects = new FdList();
  /** Those whose time has come, and how many of them were looked at. */
  private due = new FdList();
  private looked = 0;
  private dueUs = NEVER;

  constructor(ffi: Ffi) {
    this.ffi = ffi;
    this.memory = ffi.reserve(AT_ONCE * 8);
    this.words = new Int32Array(this.memory.buffer);
  }

  /** This descriptor has brought something. At most once until it was looked at. */
  suspect(fd: number): void {
    this.suspects.add(fd);
  }

  /** When to look next; in the past while there are some left to look at. */
  dueAt(): Us {
    return this.dueUs;
  }

  /** Whether it is time to look. */
  isDue(now: Us): boolean {
    if (this.suspects.count === 0 && this.due.count === 0) return false;
    if (this.dueUs === NEVER) this.dueUs = (now + LOOK_US) as Us;
    return now >= this.dueUs;
  }

  /**
   * Looks at some that are suspected; those that are suspected meanwhile have their turn later.
   *
   * @param isArmed whether its receive is armed; called once for each. @param found called for those that have ended.
   * @cost 0.2 to 0.3 us for each, at most AT_ONCE of them.
   */
  look(isArmed: (fd: number) => boolean, found: (fd: number) => void): void {
    if (this.due.count === 0) [this.due, this.suspects] = [this.suspects, this.due];
    const { due, words } = this;
    const end = Math.min(due.count, this.looked + AT_ONCE);
    let count = 0;
    for (; this.looked < end; this.looked++) {
      if (!isArmed(due.at(this.looked))) continue;
      words[count * 2] = due.at(this.looked);
      words[count * 2 + 1] = POLLRDHUP;
      count++;
    }
    if (count > 0) this.poll(count, found);
    if (this.looked < due.count) return;
    due.clear();
    this.looked = 0;
    this.dueUs = NEVER;
  }

  destroy(): void {
    this.ffi.unmap(this.memory);
  }

  private poll(count: number, found: (fd: number) => void): void {
    if (this.ffi.libc.poll(this.memory.base, count, 0) <= 0) return;
    for (let i = 0; i < count; i++) if (this.words[i * 2 + 1] >>> 16 !== 0) found(this.words[i * 2]);
  }
}
