/** The batch a turn is given, and completions that the loop makes itself. */
import type { CompletionBatch } from '../../loop/loop.ts';

/** Words of a local completion. */
const ENTRY = 5;

/** A fixed-size batch. `add` is the only way in; the caller checks `room` first. */
export class Batch implements CompletionBatch {
  count = 0;
  readonly capacity: number;
  readonly op: Uint8Array;
  readonly slot: Uint32Array;
  readonly seq: Uint32Array;
  readonly result: Int32Array;
  readonly flags: Uint8Array;
  readonly buffer: Uint32Array;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.op = new Uint8Array(capacity);
    this.slot = new Uint32Array(capacity);
    this.seq = new Uint32Array(capacity);
    this.result = new Int32Array(capacity);
    this.flags = new Uint8Array(capacity);
    this.buffer = new Uint32Array(capacity);
  }

  room(): number {
    return this.capacity - this.count;
  }

  add(op: number, slot: number, seq: number, result: number, flags: number, buffer: number): void {
    const at = this.count++;
    this.op[at] = op;
    this.slot[at] = slot;
    this.seq[at] = seq;
    this.result[at] = result;
    this.flags[at] = flags;
    this.buffer[at] = buffer;
  }
}

/**
 * Completions of operations that never reached the kernel or were parked in the loop: they wait here for the next
 * batch, because no completion may be given from inside the submitting call.
 */
export class LocalCompletions {
  private first = 0;
  private end = 0;
  private entries = new Int32Array(ENTRY * 64);

  isEmpty(): boolean {
    return this.first === this.end;
  }

  /** @cost grows by doubling up to the most that ever waited; no allocation in the steady state. */
  add(op: number, slot: number, seq: number, result: number, buffer: number): void {
    if (this.end === this.entries.length) {
      const grown = new Int32Array(this.entries.length * 2);
      grown.set(this.entries);
      this.entries = grown;
    }
    const entries = this.entries;
    entries[this.end++] = op;
    entries[this.end++] = slot;
    entries[this.end++] = seq;
    entries[this.end++] = result;
    entries[this.end++] = buffer;
  }

  /** Moves as many as fit. */
  drain(batch: Batch): void {
    const entries = this.entries;
    while (this.first < this.end && batch.room() > 0) {
      const at = this.first;
      batch.add(entries[at], entries[at + 1], entries[at + 2], entries[at + 3], 0, entries[at + 4]);
      this.first += ENTRY;
    }
    if (this.first === this.end) this.first = this.end = 0;
  }
}
