import { expect, test } from 'vitest';
import { dropsIn } from './kernel-drops.ts';

const TABLE = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1340: 00000000:5200 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1554807 2 0000000044fb50f4 17
11340: 0100007F:0052 00000000:5200 07 00000000:00000000 00:00000000 00000000     0        0 1554808 2 0000000044fb50f5 5
`;

test('what sockets of the port have lost', () => {
  expect([dropsIn(TABLE, '5200'), dropsIn(TABLE, '0052'), dropsIn(TABLE, '0001'), dropsIn('', '5200')]).toEqual([
    17, 5, 0, 0,
  ]);
});
