import { writeSync } from 'node:fs';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { ConfigError } from '../config/model.ts';
import { messageOf, say, sayAll, type sayTo, sayWithoutWaiting } from './messages.ts';

vi.mock('node:fs', () => ({ writeSync: vi.fn() }));

const STAMP = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d: /;
let said = '';
let hasRoom = true;

/** What was said, without the time. */
function lines(): string[] {
  return said
    .split('\n')
    .slice(0, -1)
    .map((line) => line.replace(STAMP, ''));
}

/** Another one, that may say things elsewhere. */
async function freshMessages(): Promise<{ say: typeof say; sayTo: typeof sayTo }> {
  vi.resetModules();
  return import('./messages.ts');
}

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
  const text = 'text '.repeat(2000);
  say(text);
  expect(said.replace(STAMP, '')).toBe(`${text}\n`);
  for (const [, , , length] of vi.mocked(writeSync).mock.calls) expect(Number(length)).toBeLessThanOrEqual(4096);
});

test('what is said is one line, on stderr and elsewhere, whoever had a word in it', async () => {
  const hostile = 'a\nFORGED\r\0\u001b[2J\u007f\u009b\u2028é';
  const shown = 'a\\u000aFORGED\\u000d\\u0000\\u001b[2J\\u007f\\u009b\\u2028é';
  say(hostile);
  await sayAll([hostile]);
  expect(lines()).toEqual([shown, shown]);
  const fresh = await freshMessages();
  const elsewhere: string[] = [];
  fresh.sayTo((text) => elsewhere.push(text));
  fresh.say(hostile);
  expect(elsewhere).toEqual([shown]);
});

test('of an error that surprises the line tells where it comes from', () => {
  say('failed: Error: broken\n    at one (file:///one.ts:1:2)\n    at two.ts:3:4');
  expect(lines()).toEqual(['failed: Error: broken < at one (file:///one.ts:1:2) < at two.ts:3:4']);
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
  expect(lines()).toEqual(['lines lost, because nobody took them: 2', 'three', 'four']);
});

test('lines that belong together wait for room, in their order, and others may come in between', async () => {
  const texts = ['one', 'two', 'three', 'four'];
  let room = 2;
  sayWithoutWaiting({ canWrite: () => room-- > 0 });
  const isSaid = sayAll(texts);
  expect(lines()).toEqual(['one', 'two']);
  room = 1;
  say('other');
  room = Infinity;
  await isSaid;
  expect(lines()).toEqual(['one', 'two', 'other', 'three', 'four']);
});

test('lines that belong together are lost, counted and told of when nobody takes them for seconds', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  hasRoom = false;
  const isLate = sayAll(['one', 'two']);
  await vi.advanceTimersByTimeAsync(9000);
  hasRoom = true;
  await vi.advanceTimersByTimeAsync(10);
  await isLate;
  expect(lines()).toEqual(['one', 'two']);
  hasRoom = false;
  const isLost = sayAll(['three', 'four', 'five']);
  await vi.advanceTimersByTimeAsync(11_000);
  await isLost;
  hasRoom = true;
  say('six');
  expect(lines().slice(2)).toEqual(['lines lost, because nobody took them: 3', 'six']);
});

test("a person's mistake is told without a stack, a surprise with all there is", () => {
  expect(messageOf(new ConfigError('-x', 'too many'))).toBe('-x: too many');
  const surprise = new TypeError('x is not a function');
  expect(messageOf(surprise)).toContain('messages.test.ts');
  expect(messageOf('just text')).toBe('just text');
});
