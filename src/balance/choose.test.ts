/** The order of servers for clients nobody remembers, and what each rule looks at. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  FARM_F_HASH,
  FARM_F_HASH_ORIGINAL,
  FARM_F_LEASTCONN,
  FARM_F_PRIO,
  FARM_F_ROUND_ROBIN,
  FARM_F_WEIGHT,
} from '../table/schema.ts';
import { blacklist, clearBlacklist, giveInFlight, shun } from '../table/shared.ts';
import type { ConfigBank } from '../table/tables.ts';
import { nextAfterFailure, takePlace } from './attempt.ts';
import { chooseServer } from './choose.ts';
import {
  build,
  FARM,
  FIRST,
  hold,
  holdAll,
  LATER,
  NOW,
  peer,
  reopen,
  reset,
  serve,
  serveAll,
  shut,
  SOMEBODY,
  tables,
} from './farm.suite.ts';
import { deciseconds, isAvailable, isServerSet, NO_SERVER } from './servers.ts';

beforeEach(reset);

describe('round robin', () => {
  test('begins with server 1 and takes all in turn', () => {
    expect(serveAll(build({ count: 3 }), 7)).toBe('1 2 0 1 2 0 1');
  });

  test('a blacklisted server is passed over, the others keep their turn', () => {
    const config = build({ count: 3 });
    expect(serveAll(config, 7)).toBe('1 2 0 1 2 0 1');
    shut(0);
    expect(serveAll(config, 5)).toBe('2 1 2 1 2');
  });

  test('a server alone gets every client', () => {
    expect(serveAll(build({ count: 1 }), 3)).toBe('0 0 0');
  });

  test('a farm without servers has none to give, and asks nobody', () => {
    expect(serve(build({ count: 0 }))).toBe('R');
    expect(serve(build({ count: 0, emergency: true }))).toBe('E');
  });

  test('slots that were never given an address are no servers', () => {
    expect(serveAll(build({ count: 4, empty: [1, 2] }), 6)).toBe('3 0 3 0 3 0');
    expect(isServerSet(build({ count: 4, empty: [1] }), FIRST + 1)).toBe(false);
  });

  test('an empty slot 0 is as empty as any other', () => {
    expect(serveAll(build({ count: 2, empty: [0] }), 3)).toBe('1 1 1');
  });

  test('with nothing available the cursor stays where it is', () => {
    const config = build({ count: 3 });
    expect(serve(config)).toBe('1');
    shut(0, 1, 2);
    expect(serveAll(config, 4)).toBe('R R R R');
    reopen(0, 1, 2);
    expect(serve(config)).toBe('2');
  });

  test('the cursor follows what was chosen, also when servers were removed under it', () => {
    expect(serveAll(build({ count: 5 }), 4)).toBe('1 2 3 4');
    expect(serveAll(build({ count: 2 }), 3)).toBe('1 0 1');
  });

  test('a server whose blacklisting ends now is available now, not a decisecond later', () => {
    const config = build({ count: 1 });
    blacklist(tables, FIRST, NOW + 1);
    expect(isAvailable(tables, config, FIRST, NOW)).toBe(false);
    expect(isAvailable(tables, config, FIRST, NOW + 1)).toBe(true);
  });

  test('time beyond 2^31 deciseconds is still time', () => {
    const config = build({ count: 1 });
    blacklist(tables, FIRST, 2 ** 31 + 10);
    expect(isAvailable(tables, config, FIRST, 2 ** 31 + 9)).toBe(false);
    expect(isAvailable(tables, config, FIRST, 2 ** 31 + 10)).toBe(true);
    expect(deciseconds(1099.9)).toBe(10);
  });

  test('shares differ by at most one whatever the number of servers and clients', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(100), (count, clients) => {
        const config = build({ count });
        const shares = new Array<number>(count).fill(0);
        for (let i = 0; i < clients; i++) shares[chooseServer(tables, config, FARM, SOMEBODY, 0, 0, NOW) - FIRST]! += 1;
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('memory', () => {
  test('a known client gets its server again, and does not move the cursor', () => {
    const config = build({ count: 3, flags: 0 });
    expect(serveAll(config, 3, { remembered: 1 })).toBe('1 1 1');
    expect(serve(config)).toBe('1');
  });

  test('comes before every other rule, but not in round robin', () => {
    const flags = FARM_F_PRIO | FARM_F_WEIGHT | FARM_F_HASH | FARM_F_LEASTCONN;
    const options = { count: 3, prio: [0, 5, 5], weight: [1, 1, 1] };
    expect(serve(build({ ...options, flags }), { remembered: 2 })).toBe('2');
    expect(serve(build({ ...options, flags: flags | FARM_F_ROUND_ROBIN }), { remembered: 2 })).toBe('0');
  });

  test('a server that is not there any more is walked on from', () => {
    shut(2, 3, 0);
    expect(serve(build({ count: 4, flags: 0 }), { remembered: 2 })).toBe('1');
    expect(serve(build({ count: 4, flags: 0, empty: [1] }), { remembered: 1 }), 'nobody is left').toBe('R');
  });

  test('of an index beyond the list is none', () => {
    expect(serve(build({ count: 2, flags: 0 }), { remembered: 5 })).toBe('1');
  });
});

describe('prio', () => {
  const flags = FARM_F_PRIO;

  test('the lowest number among those that are available', () => {
    const config = build({ count: 3, flags, prio: [5, 1, 3] });
    expect(serveAll(config, 2)).toBe('1 1');
    shut(1);
    expect(serveAll(config, 2)).toBe('2 2');
    shut(2);
    expect(serve(config)).toBe('0');
  });

  test('negative numbers are lower, equal ones go to the lowest index', () => {
    expect(serve(build({ count: 3, flags, prio: [0, -1, -1] }))).toBe('1');
    expect(serve(build({ count: 3, flags, prio: [0, -1, -1], empty: [1] }))).toBe('2');
  });

  test('with nothing available gives nobody', () => {
    shut(0, 1);
    expect(serve(build({ count: 2, flags }))).toBe('R');
  });
});

describe('weight', () => {
  const flags = FARM_F_WEIGHT;

  test('connections for their weights, equal ones to the lowest index', () => {
    expect(holdAll(build({ count: 2, flags, weight: [3, 1] }), 8)).toBe('0 1 0 0 0 1 0 0');
  });

  test('0 is never chosen, but reached by walking on', () => {
    const config = build({ count: 2, flags, weight: [0, 5], max: [0, 1] });
    expect(holdAll(config, 3)).toBe('1 0 0');
    shut(1);
    expect(serve(config)).toBe('R');
    expect(serve(build({ count: 2, flags }))).toBe('R');
  });

  test('shares are within one percent of the weights', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 }), (weight) => {
        reset();
        const config = build({ count: weight.length, flags, weight });
        const sum = weight.reduce((total, one) => total + one, 0);
        const clients = sum * 100;
        const shares = new Array<number>(weight.length).fill(0);
        for (let i = 0; i < clients; i++) shares[Number(hold(config))]! += 1;
        shares.forEach((share, index) =>
          expect(Math.abs(share / clients - weight[index]! / sum)).toBeLessThanOrEqual(0.01),
        );
      }),
      { numRuns: 30 },
    );
  });
});

describe('leastconn', () => {
  const flags = FARM_F_LEASTCONN;

  test('an idle farm is taken in turn', () => {
    expect(serveAll(build({ count: 3, flags }), 7)).toBe('1 2 0 1 2 0 1');
  });

  test('who has fewer connections is next, whatever the turn says', () => {
    const config = build({ count: 3, flags });
    expect(holdAll(config, 5)).toBe('1 2 0 1 2');
    giveInFlight(tables, FIRST + 1);
    giveInFlight(tables, FIRST + 1);
    expect(holdAll(config, 4)).toBe('1 0 1 2');
  });

  test('weights count only together with the flag for them', () => {
    const weight = [3, 1, 0];
    expect(holdAll(build({ count: 3, flags, weight }), 3)).toBe('1 2 0');
    reset();
    const shares = holdAll(build({ count: 3, flags: flags | FARM_F_WEIGHT, weight }), 400).split(' ');
    expect([0, 1, 2].map((index) => shares.filter((name) => Number(name) === index).length)).toEqual([300, 100, 0]);
  });

  test('passes over what is blacklisted, and gives nobody when all are', () => {
    const config = build({ count: 3, flags });
    shut(1);
    expect(holdAll(config, 4)).toBe('2 0 2 0');
    shut(0, 2);
    expect(serve(config)).toBe('R');
  });

  test('connections differ by at most one when all stay', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(100), (count, clients) => {
        reset();
        const config = build({ count, flags });
        const shares = new Array<number>(count).fill(0);
        for (let i = 0; i < clients; i++) shares[Number(hold(config))]! += 1;
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('precedence', () => {
  const options = { count: 4, prio: [5, 7, 1, 1], weight: [1, 9, 1, 0] };
  const all = FARM_F_PRIO | FARM_F_LEASTCONN | FARM_F_WEIGHT | FARM_F_HASH;

  test('prio, leastconn, weight, hash, turn', () => {
    const hashed = serve(build({ ...options, flags: FARM_F_HASH }));
    expect(serve(build({ ...options, flags: all }))).toBe('2');
    expect(serveAll(build({ ...options, flags: all & ~FARM_F_PRIO }), 4)).toBe('1 2 0 1');
    const weighted = FARM_F_WEIGHT | FARM_F_HASH;
    expect(holdAll(build({ ...options, flags: weighted }), 4)).toBe('0 1 2 1');
    expect(serve(build({ ...options, flags: FARM_F_HASH }))).toBe(hashed);
    expect(serve(build({ ...options, flags: 0 }))).toBe('2');
  });
});

describe('a server that is shunned by command', () => {
  test('is passed over although connects to it succeed, until its time is over or it is called back', () => {
    const config = build({ count: 2 });
    shun(tables, FIRST, LATER);
    blacklist(tables, FIRST, NOW + 1);
    clearBlacklist(tables, FIRST);
    expect(isAvailable(tables, config, FIRST, LATER - 1)).toBe(false);
    expect(isAvailable(tables, config, FIRST, LATER)).toBe(true);
    blacklist(tables, FIRST, LATER + 1);
    shun(tables, FIRST, 0);
    expect(isAvailable(tables, config, FIRST, NOW), 'also when it had failed').toBe(true);
  });
});

describe('nothing is available', () => {
  const every = [
    ['turn', 0],
    ['prio', FARM_F_PRIO],
    ['leastconn', FARM_F_LEASTCONN],
    ['weight', FARM_F_WEIGHT],
    ['leastconn with weight', FARM_F_LEASTCONN | FARM_F_WEIGHT],
    ['hash', FARM_F_HASH],
    ['all of them', FARM_F_PRIO | FARM_F_LEASTCONN | FARM_F_WEIGHT | FARM_F_HASH],
  ] as const;
  const count = 7;
  const weight = new Array<number>(count).fill(1);

  test.each(every)('%s: a farm that is down is known to be so at once', (_, flags) => {
    shut(...weight.keys());
    const config = build({ count, weight, flags });
    expect(serveAll(config, 3)).toBe('R R R');
    expect(serve(config, { remembered: 3 })).toBe('R');
    expect(serve(build({ count: 0, flags }))).toBe('R');
    expect(serve(build({ count, weight, flags, empty: [...weight.keys()] }))).toBe('R');
  });

  test.each(every)('%s: a farm that is full serves exactly its limits', (_, flags) => {
    const config = build({ count, weight, flags, max: new Array<number>(count).fill(2) });
    expect(holdAll(config, 20).replaceAll(/[^R]/g, '').length).toBe(20 - 2 * count);
    const withEmergency = build({ count, weight, flags, max: new Array<number>(count).fill(2), emergency: true });
    expect(serve(withEmergency)).toBe('E');
  });

  test.each(every)('%s: a farm in which all refuse is walked once', (_, flags) => {
    const config = build({ count, weight, flags, emergency: true });
    expect(serve(config, { refuses: Array.from({ length: count }, (_, index) => String(index)) })).toBe('E');
    reopen(...weight.keys());
  });
});

describe('servers in any rows', () => {
  const rule = fc.constantFrom(
    FARM_F_ROUND_ROBIN,
    FARM_F_PRIO,
    FARM_F_WEIGHT,
    FARM_F_LEASTCONN,
    FARM_F_LEASTCONN | FARM_F_WEIGHT,
    FARM_F_HASH,
    FARM_F_HASH | FARM_F_HASH_ORIGINAL,
  );
  /** Distinct rows, between which are those of others. */
  const rows = fc.uniqueArray(fc.nat(40), { minLength: 1, maxLength: 8 });
  const values = fc.array(fc.nat(3), { minLength: 8, maxLength: 8 });

  /** Indices of servers that clients are given, who all stay; and who is next when each of them fails. */
  function given(config: ConfigBank): unknown[] {
    reset();
    const indexOf = (row: number): number => config.servers.place[row]! - 1;
    return Array.from({ length: 20 }, (_, client) => {
      const row = chooseServer(tables, config, FARM, peer([10, 0, 0, client]), 0, client % 3 === 0 ? 1 : 0, NOW);
      if (row === NO_SERVER) return NO_SERVER;
      expect(takePlace(tables, config, row, SOMEBODY, 0, false, NOW)).toBe(true);
      return [indexOf(row), indexOf(nextAfterFailure(config, FARM, row, 0))];
    });
  }

  test('are chosen, and walked on from, by their index alone', () => {
    fc.assert(
      fc.property(rule, rows, values, values, (flags, at, weight, prio) => {
        const options = { count: at.length, flags, weight, prio };
        const inOrder = given(build(options));
        expect(given(build({ ...options, rows: at }))).toEqual(inOrder);
      }),
    );
  });
});
