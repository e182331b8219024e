import { afterEach, expect, test, vi } from 'vitest';
import { ConfigError } from '../config/model.ts';
import { messageOf, say } from './messages.ts';

afterEach(() => vi.restoreAllMocks());

test('a line for people begins with the local time', () => {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  say('listening');
  expect(write.mock.calls[0]?.[0]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d: listening\n$/);
});

test("a person's mistake is told without a stack, a surprise with all there is", () => {
  expect(messageOf(new ConfigError('-x', 'too many'))).toBe('-x: too many');
  const surprise = new TypeError('x is not a function');
  expect(messageOf(surprise)).toContain('messages.test.ts');
  expect(messageOf('just text')).toBe('just text');
});
