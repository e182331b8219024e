import { writeSync } from 'node:fs';
import { beforeEach, expect, test, vi } from 'vitest';
import { ConfigError } from '../config/model.ts';
import { messageOf, say, sayWithoutWaiting } from './messages.ts';

vi.mock('node:fs', () => ({ writeSync: vi.fn() }));

const STAMP = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d: /;
let said = '';
let hasRoom = true;

beforeEach(() => {
  said = '';
  hasRoom = true;
  vi.mocked(writeSync).mockImplementation((_fd, bytes, at, length) => {
    said += Buffer.from((bytes as unknown as Uint8Array).subarray(Number(at), Number(at) + Number(length))).toString();
    return Number(length);
  });
  sayWithoutWaiting({ canWrite: () => hasRoom });
});

test('a line for people begins with the local time', () => {
  say('listening');
  expect(said).toMatch(STAMP);
  expect(said.replace(STAMP, '')).toBe('listening\n');
});

test('a long text goes out whole, in pieces that a pipe takes at once', () => {
  const text = 'stack\n'.repeat(2000);
  say(text);
  expect(said.replace(STAMP, '')).toBe(`${text}\n`);
  for (const [, , , length] of vi.mocked(writeSync).mock.calls) expect(Number(length)).toBeLessThanOrEqual(4096);
});

test('lines for which there is no room, or that cannot be written, are lost, counted, and told of once', () => {
  hasRoom = false;
  say('one');
  hasRoom = true;
  vi.mocked(writeSync).mockImplementationOnce(() => {
    throw new Error('EPIPE');
  });
  vi.mocked(writeSync).mockImplementationOnce(() => {
    throw new Error('EPIPE');
  });
  say('two');
  expect(said).toBe('');
  say('three');
  say('four');
  const texts = said.split('\n').map((line) => line.replace(STAMP, ''));
  expect(texts).toEqual(['lines lost, because nobody took them: 2', 'three', 'four', '']);
});

test("a person's mistake is told without a stack, a surprise with all there is", () => {
  expect(messageOf(new ConfigError('-x', 'too many'))).toBe('-x: too many');
  const surprise = new TypeError('x is not a function');
  expect(messageOf(surprise)).toContain('messages.test.ts');
  expect(messageOf('just text')).toBe('just text');
});
