import { expect, test } from 'vitest';
import { KIND_IPV4 } from '../base/endpoint.ts';
import { openLogDatagrams } from './log-datagrams.ts';

const TAKER = { kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 10_000 } as const;

test('between two pieces main has a turn, however fast lines come', async () => {
  const sender = { send: () => 1, close: () => undefined };
  const target = openLogDatagrams(TAKER, { openDatagrams: () => sender }, 100);
  let turns = 0;
  setImmediate(() => turns++);
  expect(await target.write(Buffer.from('line\n'), Uint32Array.of(5))).toBe(1);
  expect(turns).toBe(1);
});
