/**
 * The descriptor table of the process under test: the lowest free number is used next, as Linux does, so that a
 * number remembered too long means somebody else.
 */
import type { Faults } from './faults.ts';
import { faultIndex } from './faults.ts';
import { Descriptor } from './operations.ts';

/** 0, 1 and 2 are taken in any process. */
const FIRST = 3;
const F_FD_REUSED = faultIndex('loop.fd-reused');

export class Descriptors {
  /** Descriptors open now. */
  count = 0;
  /** Numbers at or above it give EMFILE; changed during an episode. */
  limit: number;
  private readonly table: (Descriptor | null)[] = [];
  private readonly spare: Descriptor[] = [];
  private readonly faults: Faults;
  private lowest = FIRST;
  private highest = FIRST;

  constructor(limit: number, faults: Faults) {
    this.limit = limit;
    this.faults = faults;
  }

  /** The next open would fail. */
  get isFull(): boolean {
    return this.lowest >= this.limit;
  }

  open(): Descriptor {
    const fd = this.lowest;
    const descriptor = this.spare.pop() ?? new Descriptor();
    descriptor.fd = fd;
    this.table[fd] = descriptor;
    this.count++;
    if (fd < this.highest) this.faults.note(F_FD_REUSED);
    else this.highest = fd + 1;
    let next = fd + 1;
    while (this.table[next] !== undefined && this.table[next] !== null) next++;
    this.lowest = next;
    return descriptor;
  }

  /** The open descriptor of that number, or undefined. */
  find(fd: number): Descriptor | undefined {
    return this.table[fd] ?? undefined;
  }

  close(descriptor: Descriptor): void {
    const fd = descriptor.fd;
    this.table[fd] = null;
    this.count--;
    if (fd < this.lowest) this.lowest = fd;
    descriptor.fd = -1;
    descriptor.sock = null;
    descriptor.listener = null;
    this.spare.push(descriptor);
  }
}
