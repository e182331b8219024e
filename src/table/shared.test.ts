import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import * as publish from './publish.ts';
import { addTo } from './columns.ts';
import { createRing, openRing } from './ring.ts';
import { ACCEPT_ARMED, ACCEPT_RESTING, ACCEPT_WILLING } from './schema.ts';
import * as shared from './shared.ts';
import { createTables, openTables, type Tables } from './tables.ts';

let tables: Tables;
beforeEach(() => {
  tables = openTables(createTables());
});

describe('places', () => {
  test('a server takes no more than its limit, and 0 is none', () => {
    expect([1, 2, 3].map(() => shared.takeInFlight(tables, 4, 2))).toEqual([true, true, false]);
    expect(shared.takeInFlight(tables, 4, 0)).toBe(true);
    expect(shared.inFlightOf(tables, 4)).toBe(3);
    // A limit that was lowered below what is in use admits nobody until enough have left.
    expect(shared.takeInFlight(tables, 4, 1)).toBe(false);
  });

  test('giving back what nobody took is refused and changes nothing', () => {
    expect(() => shared.giveInFlight(tables, 1)).toThrow('was taken');
    expect(shared.inFlightOf(tables, 1)).toBe(0);
    expect(() => shared.giveConnection(tables)).toThrow('was taken');
    expect(shared.connectionsUsed(tables)).toBe(0);
  });

  test('a process whose conn_max is not set takes nobody', () => {
    expect([0, 1, 1].map((max) => shared.reservePlaces(tables, 1, max))).toEqual([0, 1, 0]);
    shared.takeConnection(tables);
    expect([shared.connectionsUsed(tables), shared.placesTaken(tables)]).toEqual([1, 1]);
    shared.giveConnection(tables);
    expect(shared.reservePlaces(tables, 1, 1)).toBe(1);
  });

  test('as many places are reserved as are free, and those that nobody came for go back', () => {
    expect(shared.reservePlaces(tables, 3, 5)).toBe(3);
    expect(shared.reservePlaces(tables, 3, 5)).toBe(2);
    expect(shared.reservePlaces(tables, 3, 4)).toBe(0);
    shared.returnPlaces(tables, 4);
    expect(() => shared.returnPlaces(tables, 2)).toThrow('was taken');
    expect(shared.placesTaken(tables)).toBe(1);
  });

  test('a worker above the average leaves clients to the one with fewest', () => {
    for (const [worker, load] of [10, 2, 6, 0].entries()) {
      shared.noteAccepting(tables, worker, load, worker === 3 ? ACCEPT_RESTING : ACCEPT_WILLING);
    }
    // The one that can take nobody does not count.
    expect(shared.meanLoad(tables, 4, 0, 10)).toBe(6);
    expect(shared.meanLoad(tables, 4, 3, 0)).toBe(4.5);
    expect(shared.whoShouldAccept(tables, 4, 0)).toBe(1);
    expect(shared.whoShouldAccept(tables, 4, 1)).toBe(2);
    shared.noteAccepting(tables, 2, 6, ACCEPT_ARMED);
    expect(shared.whoShouldAccept(tables, 4, 0)).toBe(-1);
    expect([0, 2].map((worker) => shared.isHoldingPlaces(tables, worker))).toEqual([false, true]);
    tables.workers.reserved[0] = 3;
    expect(shared.isHoldingPlaces(tables, 0), 'it accepts at some listener').toBe(true);
  });

  test('one place is left for each worker where somebody waits for one', () => {
    shared.noteWanting(tables, 1, true);
    shared.noteWanting(tables, 2, true);
    expect([0, 1].map((worker) => shared.placesWanted(tables, 3, worker))).toEqual([2, 1]);
    shared.noteWanting(tables, 1, false);
    expect([0, 2].map((worker) => shared.placesWanted(tables, 3, worker))).toEqual([1, 0]);
  });

  test('taking and giving agree with a plain count', () => {
    const step = fc.record({ give: fc.boolean(), server: fc.integer({ min: 0, max: 2 }), limit: fc.nat(4) });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const plain = [0, 0, 0];
        for (const { give, server, limit } of steps) {
          const count = plain[server]!;
          if (give && count > 0) {
            shared.giveInFlight(tables, server);
            plain[server]!--;
          } else if (!give) {
            const isFree = limit === 0 || count < limit;
            expect(shared.takeInFlight(tables, server, limit)).toBe(isFree);
            if (isFree) plain[server]!++;
          }
          expect(shared.inFlightOf(tables, server)).toBe(plain[server]);
        }
        plain.forEach((count, server) => {
          for (let i = 0; i < count; i++) shared.giveInFlight(tables, server);
        });
      }),
    );
  });
});

describe('words', () => {
  test('the cursor moves only from where it was read', () => {
    expect(shared.readCursor(tables, 2)).toBe(0);
    expect(shared.moveCursor(tables, 2, 0, 3)).toBe(true);
    expect(shared.moveCursor(tables, 2, 0, 1)).toBe(false);
    expect(shared.readCursor(tables, 2)).toBe(3);
    expect(shared.readCursor(tables, 1)).toBe(0);
  });

  test('a blacklist time is a u32', () => {
    shared.blacklist(tables, 9, 0xff_ff_ff_ff);
    expect(shared.blacklistedUntil(tables, 9)).toBe(0xff_ff_ff_ff);
    shared.clearBlacklist(tables, 9);
    expect(shared.blacklistedUntil(tables, 9)).toBe(0);
  });

  test('counters of a server are u32 and wrap', () => {
    tables.serverCounters.connects[3] = -1;
    expect(shared.connectsOf(tables, 3)).toBe(0xff_ff_ff_ff);
    shared.countConnect(tables, 3);
    shared.countFailure(tables, 3);
    expect([shared.connectsOf(tables, 3), shared.failuresOf(tables, 3)]).toEqual([0, 1]);
  });

  test('a stop grows stricter, never milder', () => {
    expect(shared.stopping(tables)).toBe(shared.STOP_NO);
    for (const [how, then] of [
      [1, 1],
      [2, 2],
      [1, 2],
      [0, 2],
    ] as const) {
      shared.requestStop(tables, how);
      expect(shared.stopping(tables)).toBe(then);
    }
  });
});

describe('lock', () => {
  test('names its holder', () => {
    expect(shared.lockHolder(tables, 1)).toBe(-1);
    shared.lock(tables, 1, 63);
    expect(shared.lockHolder(tables, 1)).toBe(63);
    expect(shared.lockHolder(tables, 0)).toBe(-1);
    shared.unlock(tables, 1, 63);
    expect(shared.lockHolder(tables, 1)).toBe(-1);
  });

  test('is let go by its holder alone, and not taken twice', () => {
    expect(() => shared.unlock(tables, 0, 0)).toThrow('only the holder');
    shared.lock(tables, 0, 0);
    expect(() => shared.unlock(tables, 0, 1)).toThrow('only the holder');
    expect(() => shared.lock(tables, 0, 0)).toThrow('twice');
    expect(shared.lockHolder(tables, 0)).toBe(0);
  });
});

test('a million operations leave the heap as it was', () => {
  const ring = openRing(createRing(64, 4));
  const row = new Float64Array(4);
  const take = (at: number): void => void (row[0] = ring.f64[at]!);
  publish.registerWorker(tables, 0);
  const turn = (): void => {
    const version = publish.currentVersion(tables);
    publish.noteVersion(tables, 0, version);
    row[1] = publish.configAt(tables, version).servers.weight[1]!;
    if (shared.reservePlaces(tables, 1, 5) === 1 && shared.takeInFlight(tables, 1, 5)) {
      shared.takeConnection(tables);
      shared.moveCursor(tables, 0, shared.readCursor(tables, 0), 1);
      shared.giveInFlight(tables, 1);
      shared.giveConnection(tables);
    }
    shared.blacklist(tables, 1, 5);
    shared.lock(tables, 0, 0);
    shared.unlock(tables, 0, 0);
    addTo(tables.counters.accepted, 0, 1);
    ring.push(row);
    ring.drain(take, 8);
  };
  const run = (turns: number): void => {
    for (let i = 0; i < turns; i++) turn();
  };
  run(20_000);
  const before = process.memoryUsage().heapUsed;
  run(100_000); // ten operations each
  const grown = process.memoryUsage().heapUsed - before;
  // Anything kept or allocated per operation would be megabytes; this is room for the runtime's own.
  expect(grown).toBeLessThan(1_000_000);
});
