import { expect, test } from 'vitest';
import { Senders } from './senders.ts';

test('without a list everybody may send', () => {
  expect(new Senders().isKnown('9.9.9.9')).toBe(true);
});

test('with one, those who are in it', () => {
  const senders = new Senders();
  expect(['192.0.2.0/24', '10.0.0.1', '2001:DB8::/32', '::ffff:10.0.0.2'].map((text) => senders.add(text))).toEqual([
    true,
    true,
    true,
    true,
  ]);
  const known = ['192.0.2.77', '10.0.0.1', '10.0.0.2', '2001:db8:1::1', '192.0.3.1', '10.0.0.3', '2001:db9::1', '::1'];
  expect(known.map((address) => senders.isKnown(address))).toEqual([
    true,
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

test.each(['', 'www1', '10.0.0.0/33', '::/129', '10.0.0.0/x', '10.0.0.0/', '1.2.3'])('%j is neither', (text) => {
  const senders = new Senders();
  expect(senders.add(text)).toBe(false);
  expect(senders.isKnown('9.9.9.9')).toBe(true);
});
