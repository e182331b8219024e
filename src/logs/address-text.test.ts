import { expect, test } from 'vitest';
import { plainAddress } from './address-text.ts';

test.each([
  ['10.0.18.6', '10.0.18.6'],
  ['::ffff:10.0.18.6', '10.0.18.6'],
  ['::FFFF:0a00:1206', '10.0.18.6'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['www1', undefined],
  ['', undefined],
  ['1.2.3', undefined],
  ['1.2.3.4 ', undefined],
])('%s is %s', (text, plain) => {
  expect([plainAddress(text), plainAddress(text)]).toEqual([plain, plain]);
});

test('many addresses take no memory', () => {
  for (let at = 0; at < 5000; at++) plainAddress(`10.0.${at >> 8}.${at & 255}`);
  expect(plainAddress('::ffff:1.1.1.1')).toBe('1.1.1.1');
});
