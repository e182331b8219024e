import { expect, test } from 'vitest';
import { Outbox } from './outbox.ts';

const RECV = 3;
const SEND = 4;

test('a batch grows and keeps what it has', () => {
  const outbox = new Outbox();
  const count = 10_000;
  for (let i = 0; i < count; i++) outbox.push(RECV, i, i, i - count, 1, i);
  outbox.empty();
  const batch = outbox.swap();
  expect(batch.count).toBe(count);
  for (let i = 0; i < count; i += 999) {
    expect([batch.slot[i], batch.seq[i], batch.result[i], batch.buffer[i]]).toEqual([i, i, i - count, i]);
  }
  expect(outbox.count).toBe(0);
  outbox.push(SEND, 1, 1, 1, 0, 0);
  expect(outbox.swap().count).toBe(1);
});
