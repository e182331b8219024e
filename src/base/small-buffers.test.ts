import { expect, test } from 'vitest';
import { AssertionError } from './assert.ts';
import { SmallBuffers } from './small-buffers.ts';

test('small buffers are taken last in, first out, and given back once', () => {
  const buffers = new SmallBuffers(2);
  const [first, second] = [buffers.take(), buffers.take()];
  expect([first, second, buffers.take()]).toEqual([4096, 4096 + 16_384, 0]);
  buffers.give(first);
  expect(() => buffers.give(first)).toThrow(AssertionError);
  expect(() => buffers.give(first + 1)).toThrow(AssertionError);
  expect(buffers.take()).toBe(first);
  expect(buffers.held()).toBe(2);
});
