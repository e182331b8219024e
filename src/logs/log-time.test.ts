import { afterEach, expect, test } from 'vitest';
import { localOffset, TimeReader } from './log-time.ts';

const zone = process.env['TZ'];
afterEach(() => {
  if (zone === undefined) delete process.env['TZ'];
  else process.env['TZ'] = zone;
});

const read = (text: string) => new TimeReader().read(text);

test.each([
  ['09/Jan/2002:00:28:50 +0100', 1010532530, '08/Jan/2002:23:28:50 +0000'],
  ['31/Dec/1999:23:59:59 -0330', 946697399, '01/Jan/2000:03:29:59 +0000'],
  ['29/Feb/2024:12:00:00 +0000', 1709208000, '29/Feb/2024:12:00:00 +0000'],
  ['9/Jan/2002:00:28:50 +0100', 1010532530, '08/Jan/2002:23:28:50 +0000'],
])('%s has its zone taken off, whatever the zone of this machine', (text, epoch, utc) => {
  for (const zone of ['UTC', 'Europe/Helsinki', 'America/New_York']) {
    process.env['TZ'] = zone;
    expect(read(text)).toEqual({ epoch, utc });
  }
});

test('a time without zone is local, in summer and in winter', () => {
  process.env['TZ'] = 'Europe/Helsinki';
  expect(read('09/Jan/2002:02:00:00')?.utc).toBe('09/Jan/2002:00:00:00 +0000');
  expect(read('09/Jul/2002:02:00:00')?.utc).toBe('08/Jul/2002:23:00:00 +0000');
  expect(localOffset(1010532530)).toBe(7200);
  expect(localOffset(1026165600)).toBe(10_800);
});

test.each([
  '',
  '-',
  '2002-01-09T00:28:50Z',
  '09/Jam/2002:00:28:50 +0100',
  '09/Jan/2002:24:28:50 +0100',
  '00/Jan/2002:00:28:50 +0100',
])('%s is no time', (text) => expect(read(text)).toBeUndefined());

test('one reader tells times apart', () => {
  const times = new TimeReader();
  const texts = ['09/Jan/2002:00:28:50 +0100', 'no time', '09/Jan/2002:00:28:50 +0100', '09/Jan/2002:00:28:51 +0100'];
  expect(texts.map((text) => times.read(text)?.epoch)).toEqual([1010532530, undefined, 1010532530, 1010532531]);
});
