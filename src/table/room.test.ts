import { expect, test } from 'vitest';
import { CONNECTIONS_MAX } from './limits.ts';
import { defaultParkedMax, defaultSourceMax, descriptorsFor, parkedWithin, slotsFor, waitingWithin } from './room.ts';

test('one source leaves an eighth to others, once there is an eighth to speak of', () => {
  expect([1, 63, 64, 500, 10_000].map(defaultSourceMax)).toEqual([0, 0, 56, 438, 8750]);
});

test('parked connections fit beside the served ones, in slots and in descriptors', () => {
  for (const connMax of [1, 500, CONNECTIONS_MAX - 1, CONNECTIONS_MAX]) {
    const parkedMax = defaultParkedMax(connMax);
    expect(slotsFor(connMax, parkedMax)).toBeLessThanOrEqual(CONNECTIONS_MAX);
    const fits = parkedWithin(descriptorsFor(connMax, parkedMax), connMax, parkedMax);
    expect(fits).toBe(parkedMax);
  }
  expect(parkedWithin(1100, 500, 500)).toBe(100);
  expect(parkedWithin(900, 500, 500)).toBe(0);
});

test('clients that wait in a loop get a quarter of what is left, and one place in any case', () => {
  expect([-100, 0, 7, 8, 1000, 4000].map((left) => waitingWithin(left, 500))).toEqual([1, 1, 1, 2, 250, 500]);
});
