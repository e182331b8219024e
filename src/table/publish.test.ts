import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { ENDPOINT_SIZE } from '../base/endpoint.ts';
import { HEADER_VERSION } from './layout.ts';
import { SERVERS_MAX } from './limits.ts';
import * as publish from './publish.ts';
import { createTables, openTables, type ConfigBank, type Tables } from './tables.ts';

let tables: Tables;
beforeEach(() => {
  tables = openTables(createTables());
});

function begin(rows?: publish.RowCounts): ConfigBank {
  const draft = publish.beginPublish(tables, rows);
  if (draft === undefined) throw new Error('not yet');
  return draft;
}

function live(): ConfigBank {
  return publish.configAt(tables, publish.currentVersion(tables));
}

describe('a draft', () => {
  test('is seen only once it is committed', () => {
    const draft = begin({ servers: 2 });
    draft.servers.weight[1] = 7;
    expect(live().servers.weight[1]).toBe(0);
    expect(publish.commitPublish(tables)).toBe(1);
    expect(live().servers.weight[1]).toBe(7);
  });

  test('starts as a copy of what is in force', () => {
    const first = begin({ servers: 3 });
    first.servers.weight.set([1, 2, 3]);
    first.servers.endpoint[2 * ENDPOINT_SIZE] = 4;
    publish.commitPublish(tables);
    const second = begin();
    expect([...second.servers.weight]).toEqual([1, 2, 3]);
    expect(second.servers.endpoint[2 * ENDPOINT_SIZE]).toBe(4);
  });

  test('has exactly the rows asked for; rows that were not there are 0', () => {
    for (const count of [3, 5, 1, 4]) {
      const draft = begin({ servers: count });
      expect(draft.servers.weight).toHaveLength(count);
      expect(draft.servers.endpoint).toHaveLength(count * ENDPOINT_SIZE);
      draft.servers.weight.fill(9);
      publish.commitPublish(tables);
      expect([...live().servers.weight.subarray(0, 6)]).toEqual([0, 1, 2, 3, 4, 5].map((row) => (row < count ? 9 : 0)));
      expect(publish.rowsUsed(tables, 'servers')).toBe(count);
    }
  });

  test('that is not committed leaves no trace', () => {
    begin({ servers: 6 }).servers.weight.fill(8);
    const draft = begin({ servers: 2 });
    expect([...draft.servers.weight]).toEqual([0, 0]);
    publish.commitPublish(tables);
    expect([...live().servers.weight.subarray(0, 6)]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test('needs rows that fit, and is committed once', () => {
    expect(() => begin({ servers: SERVERS_MAX + 1 })).toThrow('fits its tables');
    expect(() => publish.commitPublish(tables)).toThrow('a draft was begun');
    begin();
    publish.commitPublish(tables);
    expect(() => publish.commitPublish(tables)).toThrow('a draft was begun');
  });
});

describe('waiting for workers', () => {
  test('nobody is waited for when nobody runs', () => {
    for (let i = 0; i < 5; i++) {
      begin();
      publish.commitPublish(tables);
    }
    expect(publish.currentVersion(tables)).toBe(5);
  });

  test('a bank is not handed out while a live worker may read it', () => {
    publish.registerWorker(tables, 0);
    publish.registerWorker(tables, 63);
    begin();
    const version = publish.commitPublish(tables);
    expect(publish.beginPublish(tables)).toBeUndefined();
    publish.noteVersion(tables, 0, version);
    expect(publish.beginPublish(tables)).toBeUndefined();
    expect(publish.allWorkersPast(tables, version - 1)).toBe(false);
    publish.noteVersion(tables, 63, version);
    expect(publish.allWorkersPast(tables, version - 1)).toBe(true);
    expect(publish.allWorkersPast(tables, version)).toBe(false);
    expect(publish.beginPublish(tables)).toBeDefined();
  });

  test('a worker that is gone is not waited for', () => {
    publish.registerWorker(tables, 5);
    expect(publish.isWorkerLive(tables, 5)).toBe(true);
    expect(() => publish.registerWorker(tables, 5)).toThrow('registers once');
    begin();
    publish.commitPublish(tables);
    expect(publish.beginPublish(tables)).toBeUndefined();
    publish.unregisterWorker(tables, 5);
    expect(publish.beginPublish(tables)).toBeDefined();
  });

  test.each([0xff_ff_ff_fe, 0x7f_ff_ff_fe])('versions wrap (from %d)', (start) => {
    Atomics.store(tables.header, HEADER_VERSION, start);
    publish.registerWorker(tables, 0);
    for (let i = 1; i <= 4; i++) {
      const draft = begin({ farms: 1 });
      draft.farms.flags[0] = i;
      const version = publish.commitPublish(tables);
      expect(version).toBe((start + i) >>> 0);
      expect(publish.currentVersion(tables)).toBe(version);
      expect(publish.beginPublish(tables)).toBeUndefined();
      expect(publish.allWorkersPast(tables, version - 1)).toBe(false);
      publish.noteVersion(tables, 0, version);
      expect(publish.allWorkersPast(tables, version - 1)).toBe(true);
      expect(publish.configAt(tables, version).farms.flags[0]).toBe(i);
    }
  });
});

/** Control and three workers in any order; a worker keeps reading the bank it noted until its next turn. */
test('no worker ever sees its configuration change within a turn', () => {
  const command = fc.oneof(
    fc.record({ what: fc.constant('publish' as const), rows: fc.integer({ min: 1, max: 8 }), commit: fc.boolean() }),
    fc.record({ what: fc.constantFrom('turn' as const, 'leave' as const), worker: fc.integer({ min: 0, max: 2 }) }),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), fc.nat(0xff_ff_ff_ff), (commands, start) => {
      const tables = openTables(memory);
      tables.header.fill(0, HEADER_VERSION);
      tables.workers.live.fill(0);
      for (const { banks } of tables.banked) for (const bank of banks) bank.fill(0, 0, 8 * ENDPOINT_SIZE);
      Atomics.store(tables.header, HEADER_VERSION, start);
      const expected = new Map<number, number[]>([[start, []]]);
      const seen = new Map<number, number>();
      let value = 0;
      for (const command of commands) {
        if (command.what === 'publish') {
          const draft = publish.beginPublish(tables, { servers: command.rows });
          if (draft !== undefined) {
            const before = expected.get(publish.currentVersion(tables))!;
            const row = value++ % command.rows;
            expect([...draft.servers.weight]).toEqual(Array.from({ length: command.rows }, (_, at) => before[at] ?? 0));
            draft.servers.weight[row] = value;
            const now = [...draft.servers.weight];
            if (command.commit) expected.set(publish.commitPublish(tables), now);
          }
        } else if (command.what === 'leave') {
          publish.unregisterWorker(tables, command.worker);
          seen.delete(command.worker);
        } else if (seen.has(command.worker)) {
          const version = publish.currentVersion(tables);
          publish.noteVersion(tables, command.worker, version);
          seen.set(command.worker, version);
        } else {
          seen.set(command.worker, publish.registerWorker(tables, command.worker));
        }
        for (const version of seen.values()) {
          const weights = expected.get(version)!;
          const { weight } = publish.configAt(tables, version).servers;
          for (let row = 0; row < 10; row++) expect(weight[row]).toBe(weights[row] ?? 0);
        }
      }
    }),
  );
});
const memory = createTables();
