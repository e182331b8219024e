/** Completions on their way to the next turn. */
import type { CompletionBatch } from '../loop/loop.ts';

const CAPACITY_FIRST = 4096;

/**
 * One batch that the loop fills while the engine reads another.
 *
 * It grows by doubling and never shrinks: its bound is the number of operations in flight, and reserving that much
 * for every loop would be memory for a case that hardly happens.
 *
 * @owner the loop's thread.
 */
export class Completions implements CompletionBatch {
  count = 0;
  op = new Uint8Array(CAPACITY_FIRST);
  slot = new Uint32Array(CAPACITY_FIRST);
  seq = new Uint32Array(CAPACITY_FIRST);
  result = new Int32Array(CAPACITY_FIRST);
  flags = new Uint8Array(CAPACITY_FIRST);
  buffer = new Uint32Array(CAPACITY_FIRST);

  /** Appends one completion. Allocates only when the batch is larger than any before. */
  push(op: number, slot: number, seq: number, result: number, flags: number, buffer: number): void {
    if (this.count === this.op.length) this.grow();
    const i = this.count++;
    this.op[i] = op;
    this.slot[i] = slot;
    this.seq[i] = seq;
    this.result[i] = result;
    this.flags[i] = flags;
    this.buffer[i] = buffer;
  }

  private grow(): void {
    const capacity = this.op.length * 2;
    this.op = copied(this.op, new Uint8Array(capacity));
    this.slot = copied(this.slot, new Uint32Array(capacity));
    this.seq = copied(this.seq, new Uint32Array(capacity));
    this.result = copied(this.result, new Int32Array(capacity));
    this.flags = copied(this.flags, new Uint8Array(capacity));
    this.buffer = copied(this.buffer, new Uint32Array(capacity));
  }
}

function copied<Column extends Uint8Array | Uint32Array | Int32Array>(source: Column, target: Column): Column {
  target.set(source);
  return target;
}
