/**
 * Decides which finished operations the engine hears of next, and in what order.
 *
 * Any order between different (op, slot) is allowed by the contract, so any is given; a batch may leave some out.
 */
import type { Prng } from '../base/prng.ts';
import type { CompletionBatch } from '../loop/loop.ts';
import { faultIndex, type Faults } from './faults.ts';
import { IDLE, type Completion, type Operation } from './operations.ts';

const BATCH_MAX = 256;
const F_SPLIT = faultIndex('loop.batch-split');
const F_SHUFFLED = faultIndex('loop.batch-shuffled');

export class Batcher {
  readonly batch: CompletionBatch = {
    count: 0,
    op: new Uint8Array(BATCH_MAX),
    slot: new Uint32Array(BATCH_MAX),
    seq: new Uint32Array(BATCH_MAX),
    result: new Int32Array(BATCH_MAX),
    flags: new Uint8Array(BATCH_MAX),
    buffer: new Uint32Array(BATCH_MAX),
  };
  /** Completions not yet delivered. */
  waiting = 0;
  private readonly prng: Prng;
  private readonly faults: Faults;
  private readonly ready: Completion[] = [];
  private orders = 0;

  constructor(prng: Prng, faults: Faults) {
    this.prng = prng;
    this.faults = faults;
  }

  /** @param operation the operation that ends with this completion, null for any other. */
  add(
    operation: Operation | null,
    op: number,
    slot: number,
    seq: number,
    result: number,
    flags: number,
    buffer: number,
  ): void {
    let completion = this.ready[this.waiting];
    if (completion === undefined) {
      completion = { operation: null, op: 0, slot: 0, seq: 0, result: 0, flags: 0, buffer: 0, order: 0 };
      this.ready.push(completion);
    }
    this.waiting++;
    completion.operation = operation;
    completion.op = op;
    completion.slot = slot;
    completion.seq = seq;
    completion.result = result;
    completion.flags = flags;
    completion.buffer = buffer;
    completion.order = this.orders++;
  }

  /** Makes the next batch: how many operations ended with it. */
  fill(): number {
    const { batch } = this;
    let count = Math.min(this.waiting, BATCH_MAX);
    if (count > 1 && this.faults.fires(F_SPLIT)) count = 1 + this.prng.below(count - 1);
    const isShuffled = count > 1 && this.faults.fires(F_SHUFFLED);
    let ended = 0;
    for (let i = 0; i < count; i++) {
      const at = this.earliestOfSame(isShuffled ? this.prng.below(this.waiting) : this.first());
      const completion = this.ready[at];
      batch.op[i] = completion.op;
      batch.slot[i] = completion.slot;
      batch.seq[i] = completion.seq;
      batch.result[i] = completion.result;
      batch.flags[i] = completion.flags;
      batch.buffer[i] = completion.buffer;
      if (completion.operation !== null) {
        this.deliver(completion.operation);
        ended++;
      }
      this.waiting--;
      this.ready[at] = this.ready[this.waiting];
      this.ready[this.waiting] = completion;
    }
    batch.count = count;
    return ended;
  }

  /** Forgets everything that was not delivered, and says what it was. */
  dropAll(tell: (op: number, flags: number, result: number) => void): void {
    const dropped = this.ready.slice(0, this.waiting);
    this.waiting = 0;
    for (const { op, flags, result } of dropped) tell(op, flags, result);
  }

  private deliver(operation: Operation): void {
    operation.state = IDLE;
    const descriptor = operation.descriptor;
    operation.descriptor = null;
    if (descriptor === null) return;
    descriptor.inFlight--;
    descriptor.operations[operation.op] = null;
  }

  /** The one that finished first. */
  private first(): number {
    let best = 0;
    for (let i = 1; i < this.waiting; i++) if (this.ready[i].order < this.ready[best].order) best = i;
    return best;
  }

  /** The completions of one (op, slot) keep their order: only an accept has several. */
  private earliestOfSame(chosen: number): number {
    const { op, slot } = this.ready[chosen];
    if (op !== 1) return chosen;
    let best = chosen;
    for (let i = 0; i < this.waiting; i++) {
      const other = this.ready[i];
      if (other.op === op && other.slot === slot && other.order < this.ready[best].order) best = i;
    }
    return best;
  }
}
