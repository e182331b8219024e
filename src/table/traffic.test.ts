import { expect, test } from 'vitest';
import { SERVERS_MAX, WORKERS_MAX } from './limits.ts';
import { createTables, openTables } from './tables.ts';
import { addTraffic, trafficDown, trafficUp } from './traffic.ts';

test('bytes per server are summed over all workers, and no server has those of another', () => {
  const tables = openTables(createTables());
  const last = SERVERS_MAX - 1;
  for (let worker = 0; worker < WORKERS_MAX; worker++) {
    for (const server of [0, 1, last]) {
      addTraffic(tables, worker, server, server + 1, 2 * (server + 1));
      addTraffic(tables, worker, server, 2 ** 40, 0);
    }
  }
  for (const server of [0, 1, last]) {
    expect(trafficUp(tables, server)).toBe(WORKERS_MAX * (server + 1 + 2 ** 40));
    expect(trafficDown(tables, server)).toBe(WORKERS_MAX * 2 * (server + 1));
  }
  expect([2, last - 1].map((server) => trafficUp(tables, server) + trafficDown(tables, server))).toEqual([0, 0]);
});
