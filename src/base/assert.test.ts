import { expect, test } from 'vitest';
import { assert, AssertionError, fail } from './assert.ts';

test('an invariant that holds costs nothing and says nothing', () => {
  expect(() => assert(true, 'the sun rises')).not.toThrow();
});

test('a broken invariant throws an error that states what was expected', () => {
  expect(() => assert(false, 'the sun rises')).toThrow(AssertionError);
  expect(() => assert(false, 'the sun rises')).toThrow('the sun rises');
});

test('a state that cannot be reached throws the same error', () => {
  expect(() => fail('nobody comes here')).toThrow(AssertionError);
});

test('the error can be told from others by its name, also across threads, where its class is lost', () => {
  expect(new AssertionError('x').name).toBe('AssertionError');
});
