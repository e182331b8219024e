import fc from 'fast-check';
import { expect, test } from 'vitest';
import { freeBlocks, rowsInOrder } from './addresses.suite.ts';
import { Prng } from '../base/prng.ts';
import { BLOCKS_USED, BLOCK_PLACES, leavePlace, oldestRow, takePlace } from './order.ts';
import { createTables, openTables, type Tables } from './tables.ts';

const FARMS = 3;

/** What `clients.ts` does with places, beside a model: for each farm, rows from the oldest on. */
class Orders {
  readonly tables: Tables = openTables(createTables());
  readonly model: number[][] = Array.from({ length: FARMS }, () => []);
  private readonly places = new Map<number, number>();

  come(farm: number, row: number): void {
    const place = this.places.get(row);
    if (place === undefined || place !== this.tables.farms.clientNewest[farm]) {
      this.places.set(row, takePlace(this.tables, farm, row));
      if (place !== undefined) leavePlace(this.tables, farm, place);
    }
    this.model[farm] = [...this.model[farm]!.filter((other) => other !== row), row];
  }

  evict(farm: number): void {
    const row = oldestRow(this.tables, farm);
    expect(row).toBe(this.model[farm]!.shift() ?? 0);
    if (row === 0) return;
    leavePlace(this.tables, farm, this.places.get(row)!);
    this.places.delete(row);
  }

  /** Blocks in use. */
  used(): number {
    return this.tables.clientBlocks.place[BLOCKS_USED]! - freeBlocks(this.tables);
  }
}

test('who came longest ago is known exactly, whoever comes and goes', () => {
  const step = fc.record({ farm: fc.nat(FARMS - 1), row: fc.integer({ min: 1, max: 40 }), leaves: fc.nat(9) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const orders = new Orders();
      for (const { farm, row, leaves } of steps) {
        if (leaves === 0) orders.evict(farm);
        else orders.come(farm, row * FARMS + farm);
      }
      orders.model.forEach((rows, farm) => expect(rowsInOrder(orders.tables, farm)).toEqual(rows));
      expect(orders.used()).toBeLessThanOrEqual(orders.model.flat().length);
    }),
  );
});

test('blocks are used again: there are never more than clients, and one more', () => {
  const orders = new Orders();
  const clients = 10 * BLOCK_PLACES;
  for (let row = 1; row <= clients; row++) orders.come(0, row);
  expect(orders.used()).toBe(clients / BLOCK_PLACES);
  // The worst there is: of each block one stays.
  for (let kept = 1; kept <= clients; kept++) {
    orders.come(0, kept);
    for (let i = 1; i < BLOCK_PLACES; i++) orders.come(0, clients + 1 + (i % 2));
  }
  expect(rowsInOrder(orders.tables, 0)).toEqual(orders.model[0]);
  expect(orders.used()).toBeGreaterThan(clients / 2);
  expect(orders.tables.clientBlocks.place[BLOCKS_USED]).toBeLessThanOrEqual(clients + 3);
  while (orders.model[0]!.length > 0) orders.evict(0);
  orders.evict(0);
  expect(orders.used()).toBe(0);
});

test('clients that come at random need few blocks', () => {
  const orders = new Orders();
  const prng = new Prng(3);
  for (let i = 0; i < 8000; i++) orders.come(0, 1 + prng.below(400));
  expect(rowsInOrder(orders.tables, 0)).toEqual(orders.model[0]);
  // With n places the harmonic number of n, over n: 0.34 of eight.
  expect(orders.used()).toBeGreaterThan(400 * 0.25);
  expect(orders.used()).toBeLessThan(400 * 0.45);
});
