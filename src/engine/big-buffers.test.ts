import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ArenaOffset } from '../base/brand.ts';
import { BIG_SIZE, BigBuffers } from './big-buffers.ts';

const START = 16_384 as ArenaOffset;

function create(count: number, rest = 0): BigBuffers {
  return new BigBuffers(START, count * BIG_SIZE + rest);
}

/** What a trim would give back to the system. */
function trimmed(big: BigBuffers): number[] {
  const offsets: number[] = [];
  big.trimIdle((offset, length) => {
    expect(length).toBe(BIG_SIZE);
    offsets.push(offset);
  });
  return offsets;
}

test('as many as the memory holds, whole ones, the lowest first; then none', () => {
  const big = create(2, BIG_SIZE - 1);
  expect([big.take(), big.take(), big.take()]).toEqual([START, START + BIG_SIZE, 0]);
  expect(big.lent).toBe(2);
});

test('a worker without memory for them lends none', () => {
  expect(create(0).take()).toBe(0);
});

test('the last one returned is the first one lent: its pages are touched already', () => {
  const big = create(8);
  const first = big.take();
  big.take();
  big.give(first);
  expect(big.take()).toBe(first);
});

test('giving back what nobody has is a mistake of ours', () => {
  expect(() => create(1).give(START)).toThrow('was lent');
});

test('a trim names idle buffers only, and has nothing to do when nothing was used since the last one', () => {
  const big = create(4);
  expect(trimmed(big)).toEqual([]);
  const held = big.take();
  const idle = big.take();
  big.give(idle);
  const offsets = trimmed(big);
  expect(offsets).toContain(idle);
  expect(offsets).not.toContain(held);
  big.give(held);
  expect(trimmed(big)).toContain(held);
  expect(trimmed(big)).toEqual([]);
});

test('however they are lent and returned, no two directions have the same', () => {
  fc.assert(
    fc.property(fc.nat(6), fc.array(fc.option(fc.nat(5)), { maxLength: 50 }), (count, steps) => {
      const big = create(count);
      const lent: ArenaOffset[] = [];
      for (const index of steps) {
        if (index === null) {
          const offset = big.take();
          if (lent.length === count) expect(offset).toBe(0);
          else {
            expect((offset - START) % BIG_SIZE).toBe(0);
            expect(offset - START).toBeLessThan(count * BIG_SIZE);
            expect(lent).not.toContain(offset);
            lent.push(offset);
          }
        } else if (lent.length > 0) {
          big.give(lent.splice(index % lent.length, 1)[0]!);
        }
        expect(big.lent).toBe(lent.length);
      }
      for (const offset of trimmed(big)) expect(lent).not.toContain(offset);
    }),
  );
});
