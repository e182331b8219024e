/** Completions on their way to the next turn, for loops that make them up themselves (`CompletionBatch` of the contract). */

const CAPACITY_FIRST = 4096;

/**
 * A batch that grows by doubling and never shrinks: its bound is the number of operations in flight, and reserving
 * that much for every loop would be memory for a case that hardly happens.
 */
export class Completions {
  count = 0;
  op = new Uint8Array(CAPACITY_FIRST);
  slot = new Uint32Array(CAPACITY_FIRST);
  seq = new Uint32Array(CAPACITY_FIRST);
  result = new Int32Array(CAPACITY_FIRST);
  flags = new Uint8Array(CAPACITY_FIRST);
  buffer = new Uint32Array(CAPACITY_FIRST);

  grow(): void {
    const capacity = this.op.length * 2;
    this.op = copied(this.op, new Uint8Array(capacity));
    this.slot = copied(this.slot, new Uint32Array(capacity));
    this.seq = copied(this.seq, new Uint32Array(capacity));
    this.result = copied(this.result, new Int32Array(capacity));
    this.flags = copied(this.flags, new Uint8Array(capacity));
    this.buffer = copied(this.buffer, new Uint32Array(capacity));
  }
}

/**
 * Two batches: one is filled while the engine reads the other.
 *
 * @owner the loop's thread. @cost O(1); allocates only when a batch is larger than any before.
 */
export class Outbox {
  private filling = new Completions();
  private delivered = new Completions();

  /** Completions that the next turn will see. */
  get count(): number {
    return this.filling.count;
  }

  push(op: number, slot: number, seq: number, result: number, flags: number, buffer: number): void {
    const batch = this.filling;
    if (batch.count === batch.op.length) batch.grow();
    const i = batch.count++;
    batch.op[i] = op;
    batch.slot[i] = slot;
    batch.seq[i] = seq;
    batch.result[i] = result;
    batch.flags[i] = flags;
    batch.buffer[i] = buffer;
  }

  /** The batch to deliver; what was delivered before is forgotten. */
  swap(): Completions {
    const batch = this.filling;
    this.delivered.count = 0;
    this.filling = this.delivered;
    this.delivered = batch;
    return batch;
  }

  /** A batch without completions, for a first turn; what is being filled stays for the next. */
  empty(): Completions {
    this.delivered.count = 0;
    return this.delivered;
  }
}

function copied<Column extends Uint8Array | Uint32Array | Int32Array>(source: Column, target: Column): Column {
  target.set(source);
  return target;
}
