/** Who is next when a server cannot be used, and what each server's limits leave. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ConfigBank } from '../table/tables.ts';
import { giveInFlight, inFlightOf, readCursor } from '../table/shared.ts';
import { nextAfterFailure } from './attempt.ts';
import {
  ABUSE,
  build,
  EMERGENCY,
  FARM,
  FIRST,
  hold,
  holdAll,
  name,
  NOW,
  reopen,
  reset,
  serve,
  serveAll,
  shut,
  tables,
} from './farm.suite.ts';
import { isAvailable, NO_SERVER } from './servers.ts';

beforeEach(reset);

describe('the walk after a failure', () => {
  /** Rows that are tried after `last`, with nobody answering. */
  function walk(config: ConfigBank, last: number): string {
    const tried: string[] = [];
    for (let row = last; ;) {
      row = nextAfterFailure(config, FARM, row, tried.length);
      tried.push(name(row));
      if (row === NO_SERVER) return tried.join(' ');
    }
  }

  test('goes by index once around, ending with the first choice, then to the emergency server', () => {
    expect(walk(build({ count: 4, emergency: true }), FIRST + 2)).toBe('3 0 1 2 E R');
    expect(walk(build({ count: 4 }), FIRST + 2)).toBe('3 0 1 2 R');
  });

  test('reaches a server that is up behind two that are blacklisted', () => {
    const config = build({ count: 4 });
    expect(serveAll(config, 2)).toBe('1 2');
    shut(2, 3, 0);
    // Remembered clients are no business of the choice: begin at the failed server 2.
    expect(
      walk(config, FIRST + 2)
        .split(' ')
        .find((index) => isAvailable(tables, config, FIRST + Number(index), NOW)),
    ).toBe('1');
  });

  test('of one server goes straight to the emergency server', () => {
    expect(walk(build({ count: 1, emergency: true }), FIRST)).toBe('E R');
    expect(walk(build({ count: 1 }), FIRST)).toBe('R');
  });

  test('without a first choice goes straight to the emergency server', () => {
    expect(walk(build({ count: 3, emergency: true }), NO_SERVER)).toBe('E R');
  });

  test('from a server that is no longer listed goes to the emergency server', () => {
    expect(walk(build({ count: 2, emergency: true }), FIRST + 7)).toBe('E R');
  });

  test('after the emergency or the abuse server nobody is left', () => {
    const config = build({ count: 3, emergency: true, abuse: true });
    expect(walk(config, EMERGENCY)).toBe('R');
    expect(walk(config, ABUSE)).toBe('R');
  });

  test('of a stubborn farm tries nobody', () => {
    const config = build({ count: 3, emergency: true, stubborn: true });
    expect(walk(config, FIRST + 1)).toBe('R');
    expect(walk(config, NO_SERVER)).toBe('R');
  });

  test('moves no cursor', () => {
    const config = build({ count: 3 });
    walk(config, FIRST + 1);
    expect(readCursor(tables, FARM)).toBe(0);
  });

  test('tries every server, none but the first choice twice, and always ends', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(19), fc.boolean(), (count, index, emergency) => {
        const first = index % count;
        const tried = walk(build({ count, emergency }), FIRST + first).split(' ');
        expect(tried.pop()).toBe('R');
        if (emergency) expect(tried.pop()).toBe('E');
        expect(tried).toHaveLength(count > 1 ? count : 0);
        expect(new Set([...tried, String(first)]).size).toBe(count);
      }),
    );
  });
});

describe('servers that refuse', () => {
  test('the client goes on to the next server, and the blacklist spares those after it', () => {
    const config = build({ count: 3 });
    expect(serveAll(config, 6, { refuses: ['1'] })).toBe('2 2 0 2 0 2');
    reopen(1);
    expect(serveAll(config, 3, { refuses: ['1'] })).toBe('0 2 2');
  });

  test('a stubborn farm lets the client down once, and then passes the server over', () => {
    expect(serveAll(build({ count: 3, stubborn: true }), 6, { refuses: ['1'] })).toBe('R 2 0 2 0 2');
  });

  test('with all servers down the emergency server serves', () => {
    expect(serveAll(build({ count: 2, emergency: true }), 3, { refuses: ['0', '1'] })).toBe('E E E');
  });

  test('but not in a stubborn farm', () => {
    expect(serveAll(build({ count: 2, emergency: true, stubborn: true }), 3, { refuses: ['0', '1'] })).toBe('R R R');
  });

  test('nor when all are blacklisted already', () => {
    const config = build({ count: 2, emergency: true, stubborn: true });
    shut(0, 1);
    expect(serveAll(config, 2)).toBe('R R');
  });

  test('a dead emergency server is blacklisted like any other', () => {
    const config = build({ count: 1, emergency: true });
    expect(serveAll(config, 3, { refuses: ['0', 'E'] })).toBe('R R R');
    expect(isAvailable(tables, config, EMERGENCY, NOW)).toBe(false);
  });

  test('the emergency server never takes the place of a server that is back', () => {
    const config = build({ count: 2, emergency: true });
    expect(serveAll(config, 2)).toBe('1 0');
    shut(0);
    expect(serveAll(config, 2)).toBe('1 1');
    shut(1);
    expect(serve(config)).toBe('E');
    reopen(0);
    expect(serveAll(config, 2)).toBe('0 0');
    reopen(1);
    expect(serveAll(config, 2)).toBe('1 0');
  });
});

describe('limits of a server', () => {
  const one = (limits: { max?: number[]; hard?: number[] }): ConfigBank => build({ count: 1, flags: 0, ...limits });

  test('max is for everybody, hard for those it knows', () => {
    const config = one({ max: [1], hard: [3] });
    expect(holdAll(config, 2)).toBe('0 R');
    expect(holdAll(config, 3, { remembered: 0 })).toBe('0 0 R');
    expect(hold(config)).toBe('R');
  });

  test('hard below max takes nothing away, and hard alone is no limit', () => {
    expect(holdAll(one({ max: [3], hard: [1] }), 4, { remembered: 0 })).toBe('0 0 0 R');
    reset();
    expect(holdAll(one({ hard: [1] }), 3)).toBe('0 0 0');
  });

  test('who is known elsewhere is not known here', () => {
    const config = build({ count: 2, flags: 0, max: [1, 1], hard: [3, 3] });
    expect(holdAll(config, 5, { remembered: 1 })).toBe('1 1 1 0 R');
  });

  test('never more than the limit, and each place is given again', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ max: fc.nat(3), hard: fc.nat(6) }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(fc.boolean(), fc.nat(9)), { maxLength: 60 }),
        (servers, steps) => {
          reset();
          const max = servers.map((server) => server.max);
          const hard = servers.map((server) => server.hard);
          const config = build({ count: servers.length, flags: 0, max, hard });
          const held: number[] = [];
          const load = servers.map(() => 0);
          for (const [isLeaving, number] of steps) {
            if (isLeaving) {
              const [gone] = held.splice(number % Math.max(1, held.length), 1);
              if (gone === undefined) continue;
              giveInFlight(tables, FIRST + gone);
              load[gone]!--;
              continue;
            }
            const remembered = number % servers.length;
            const isFull = servers.every((server, index) => server.max !== 0 && load[index]! >= server.max);
            const given = hold(config, number > 4 ? { remembered } : {});
            if (given === 'R') {
              expect(isFull, 'somebody had a place').toBe(true);
              continue;
            }
            const index = Number(given);
            const isKnown = number > 4 && index === remembered;
            load[index]!++;
            held.push(index);
            const limit = isKnown ? Math.max(max[index]!, hard[index]!) : max[index]!;
            if (max[index] !== 0) expect(load[index]).toBeLessThanOrEqual(limit);
          }
          expect(servers.map((_, index) => inFlightOf(tables, FIRST + index))).toEqual(load);
        },
      ),
    );
  });
});
