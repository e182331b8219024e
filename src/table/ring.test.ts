import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRing, openRing, type Ring } from './ring.ts';

function drained(ring: Ring, max = Infinity): number[][] {
  const rows: number[][] = [];
  ring.drain((at) => rows.push([...ring.f64.subarray(at, at + ring.rowWords)]), max);
  return rows;
}

describe('ring', () => {
  test('hands on rows in order and counts what does not fit', () => {
    const memory = createRing(2, 3);
    const producer = openRing(memory);
    const consumer = openRing(memory);
    expect([1, 2, 3].map((n) => producer.push([n, n + 0.5, 0xff_ff_ff_ff]))).toEqual([true, true, false]);
    expect(consumer.dropped()).toBe(1);
    expect(drained(consumer)).toEqual([
      [1, 1.5, 0xff_ff_ff_ff],
      [2, 2.5, 0xff_ff_ff_ff],
    ]);
    expect(drained(consumer)).toEqual([]);
  });

  test('rows can be written in place, as bytes and words of the same memory', () => {
    const ring = openRing(createRing(4, 2));
    ring.push([0, 0]);
    const at = ring.claim();
    ring.u32[at * 2 + 1] = 7;
    ring.u8[(at + 1) * 8] = 255;
    ring.commit();
    ring.drain(() => {}, 1);
    ring.drain((at) => {
      expect(ring.u32[at * 2 + 1]).toBe(7);
      expect(ring.u8[(at + 1) * 8]).toBe(255);
    }, 1);
    expect.assertions(2);
  });

  test('asks for a wake-up exactly when the consumer had taken everything', () => {
    const ring = openRing(createRing(4, 1));
    const commit = (): boolean => (ring.claim(), ring.commit());
    expect([commit(), commit()]).toEqual([true, false]);
    ring.drain(() => {}, 1);
    expect(commit()).toBe(false);
    ring.drain(() => {}, 9);
    expect(commit()).toBe(true);
  });

  test('refuses sizes it cannot have', () => {
    expect(() => createRing(3, 1)).toThrow('power of two');
    expect(() => createRing(0, 1)).toThrow('power of two');
    expect(() => createRing(2, 0)).toThrow('has a word');
  });

  test('agrees with a bounded queue, also past the wrap of its positions', () => {
    const step = fc.oneof(
      fc.record({ push: fc.integer({ min: 1, max: 12 }) }),
      fc.record({ drain: fc.integer({ min: 0, max: 12 }) }),
    );
    const start = fc.oneof(fc.constantFrom(0, 0x7f_ff_ff_fa, -6), fc.integer());
    fc.assert(
      fc.property(fc.array(step), start, fc.integer({ min: 0, max: 4 }), (steps, start, bits) => {
        const rows = 2 ** bits;
        const memory = createRing(rows, 2);
        const header = new Int32Array(memory, 0, 96);
        header[32] = start;
        header[64] = start;
        const ring = openRing(memory);
        const queue: number[][] = [];
        let next = 0;
        let dropped = 0;
        for (const step of steps) {
          if ('push' in step) {
            for (let i = 0; i < step.push; i++) {
              const row = [next, -next];
              next++;
              if (queue.length < rows) queue.push(row);
              else dropped++;
              ring.push(row);
            }
          } else {
            expect(drained(ring, step.drain)).toEqual(queue.splice(0, step.drain));
          }
          expect(ring.dropped()).toBe(dropped);
        }
        expect(drained(ring)).toEqual(queue);
      }),
    );
  });
});
