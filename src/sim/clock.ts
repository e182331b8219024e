/**
 * The simulator's time: one number that moves only from event to event, and the queue of what will happen.
 */
import { assert } from '../base/assert.ts';

/** Something that acts when an event it has scheduled is due. */
export interface EventSink {
  /** @param kind chosen by the sink. @param a, b given back as they were scheduled. */
  fire(kind: number, a: number, b: number): void;
}

/**
 * Runs events in the order of (due time, insertion), so that a seed replays exactly.
 *
 * @cost a binary heap over reused columns: no object per event.
 */
export class SimClock {
  nowUs: number;
  private readonly sinks: EventSink[] = [];
  private capacity = 1024;
  private due = new Float64Array(this.capacity);
  private order = new Float64Array(this.capacity);
  private sink = new Uint8Array(this.capacity);
  private kind = new Uint8Array(this.capacity);
  private a = new Int32Array(this.capacity);
  private b = new Int32Array(this.capacity);
  private readonly heap: number[] = [];
  private readonly free: number[] = [];
  private insertions = 0;
  private rows = 0;

  constructor(startUs: number) {
    this.nowUs = startUs;
  }

  /** Makes a sink known; the number it gets is named when it schedules. */
  register(sink: EventSink): number {
    assert(this.sinks.length < 255, 'at most 255 event sinks');
    return this.sinks.push(sink) - 1;
  }

  /** Schedules `fire(kind, a, b)` of a sink in `delayUs` (>= 0). */
  after(delayUs: number, sink: number, kind: number, a: number, b: number): void {
    const row = this.free.pop() ?? this.grow();
    this.due[row] = this.nowUs + delayUs;
    this.order[row] = this.insertions++;
    this.sink[row] = sink;
    this.kind[row] = kind;
    this.a[row] = a;
    this.b[row] = b;
    this.heap.push(row);
    this.siftUp(this.heap.length - 1);
  }

  /** When the next event is due; Infinity when none is. */
  nextUs(): number {
    return this.heap.length === 0 ? Infinity : this.due[this.heap[0]];
  }

  /** Events that wait. */
  get size(): number {
    return this.heap.length;
  }

  /** Moves to the next event and runs it; false when there is none that is due at or before `untilUs`. */
  step(untilUs: number): boolean {
    if (this.heap.length === 0) return false;
    const row = this.heap[0];
    const dueUs = this.due[row];
    if (dueUs > untilUs) return false;
    const last = this.heap.pop() as number;
    if (this.heap.length > 0) {
      this.heap[0] = last;
      this.siftDown();
    }
    this.free.push(row);
    if (dueUs > this.nowUs) this.nowUs = dueUs;
    this.sinks[this.sink[row]].fire(this.kind[row], this.a[row], this.b[row]);
    return true;
  }

  private grow(): number {
    if (this.rows === this.capacity) {
      this.capacity *= 2;
      this.due = copied(new Float64Array(this.capacity), this.due);
      this.order = copied(new Float64Array(this.capacity), this.order);
      this.sink = copied(new Uint8Array(this.capacity), this.sink);
      this.kind = copied(new Uint8Array(this.capacity), this.kind);
      this.a = copied(new Int32Array(this.capacity), this.a);
      this.b = copied(new Int32Array(this.capacity), this.b);
    }
    return this.rows++;
  }

  private isBefore(left: number, right: number): boolean {
    const leftUs = this.due[left];
    const rightUs = this.due[right];
    return leftUs < rightUs || (leftUs === rightUs && this.order[left] < this.order[right]);
  }

  private siftUp(from: number): void {
    const heap = this.heap;
    const row = heap[from];
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (!this.isBefore(row, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = row;
  }

  private siftDown(): void {
    const heap = this.heap;
    const row = heap[0];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.isBefore(heap[child + 1], heap[child])) child++;
      if (!this.isBefore(heap[child], row)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = row;
  }
}

function copied<T extends { set(source: ArrayLike<number>): void }>(target: T, source: ArrayLike<number>): T {
  target.set(source);
  return target;
}
