import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Us } from '../base/brand.ts';
import { Outbox } from '../base/outbox.ts';
import { NEVER, OP_WAKE, STOP } from '../loop/loop.ts';
import { Pace } from './pace.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('what is told while a batch is made belongs to it: one turn follows another, and one timer is left', () => {
  const outbox = new Outbox();
  let isOver = false;
  let turns = 0;
  let isStopping = false;
  const pace: Pace = new Pace(() => (performance.now() * 1000) as Us, {
    hasNews: () => outbox.count > 0,
    collect: () => {
      outbox.push(OP_WAKE, 0, 0, 0, 0, 0);
      pace.hurry();
      return outbox.swap();
    },
    first: () => outbox.empty(),
    settle: () => undefined,
    abandon: () => undefined,
  });
  pace.run(
    () => {
      turns++;
      return isStopping ? STOP : NEVER;
    },
    () => (isOver = true),
  );
  expect([turns, vi.getTimerCount()]).toEqual([1, 1]);
  for (let round = 2; round < 10; round++) {
    pace.hurry();
    pace.hurry();
    vi.advanceTimersByTime(0);
    expect([turns, vi.getTimerCount()]).toEqual([round, 1]);
  }
  isStopping = true;
  pace.hurry();
  vi.advanceTimersByTime(0);
  expect([isOver, vi.getTimerCount()]).toEqual([true, 0]);
});
