import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { ENDPOINT_SIZE, KIND_IPV4, writeEndpoint } from '../base/endpoint.ts';
import { beginPublish, commitPublish, configAt, currentVersion } from '../table/publish.ts';
import { FARM_F_ROUND_ROBIN, FARM_F_STUBBORN } from '../table/schema.ts';
import { blacklist, clearBlacklist, moveCursor, readCursor } from '../table/shared.ts';
import { createTables, openTables, type ConfigBank, type Tables } from '../table/tables.ts';
import { chooseRoundRobin, deciseconds, isAvailable, isServerSet, nextAfterFailure, NO_SERVER } from './choose.ts';

const EMERGENCY = 1;
const ABUSE = 2;
const FIRST = 3;
const FARM = 0;
const NOW = 1000;
/** What `shut` compares with: far beyond any test. */
const LATER = NOW + 600;

interface FarmOptions {
  readonly count: number;
  readonly emergency?: boolean;
  readonly abuse?: boolean;
  readonly stubborn?: boolean;
  /** Indices that were never given an address. */
  readonly empty?: readonly number[];
}

/** Reserving the tables is what takes time, so all tests share one. */
const tables: Tables = openTables(createTables());

function build({ count, emergency = false, abuse = false, stubborn = false, empty = [] }: FarmOptions): ConfigBank {
  const draft = beginPublish(tables, { farms: 1, servers: FIRST + count })!;
  draft.farms.flags[FARM] = FARM_F_ROUND_ROBIN | (stubborn ? FARM_F_STUBBORN : 0);
  draft.farms.serverFirst[FARM] = FIRST;
  draft.farms.serverCount[FARM] = count;
  draft.farms.emergencyServer[FARM] = emergency ? EMERGENCY : 0;
  draft.farms.abuseServer[FARM] = abuse ? ABUSE : 0;
  draft.servers.endpoint.fill(0);
  for (let row = EMERGENCY; row < FIRST + count; row++) {
    if (empty.includes(row - FIRST)) continue;
    writeEndpoint(
      { kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 8000 + row },
      draft.servers.endpoint,
      row * ENDPOINT_SIZE,
    );
  }
  commitPublish(tables);
  return configAt(tables, currentVersion(tables));
}

beforeEach(() => {
  moveCursor(tables, FARM, readCursor(tables, FARM), 0);
  for (let row = 0; row < 64; row++) clearBlacklist(tables, row);
});

/** A letter for the emergency server, R for nobody, else the index: as the examples of the original are written. */
function name(row: number): string {
  if (row === NO_SERVER) return 'R';
  if (row === EMERGENCY) return 'E';
  if (row === ABUSE) return 'A';
  return String(row - FIRST);
}

/** Serves one client as the connector does: first choice, then the walk, over servers that may refuse. */
function serve(config: ConfigBank, refuses: readonly string[] = []): string {
  const attempt = (row: number): boolean => {
    if (!isAvailable(tables, config, row, NOW)) return false;
    if (!refuses.includes(name(row))) return true;
    blacklist(tables, row, LATER);
    return false;
  };
  let row = chooseRoundRobin(tables, config, FARM, NOW);
  let walked = 0;
  while (row === NO_SERVER || !attempt(row)) {
    row = nextAfterFailure(config, FARM, row, walked++);
    if (row === NO_SERVER) return 'R';
    expect(walked, 'the walk ends').toBeLessThan(100);
  }
  return name(row);
}

function serveAll(config: ConfigBank, clients: number, refuses: readonly string[] = []): string {
  return Array.from({ length: clients }, () => serve(config, refuses)).join(' ');
}

function shut(...indices: number[]): void {
  for (const index of indices) blacklist(tables, FIRST + index, LATER);
}

function reopen(...indices: number[]): void {
  for (const index of indices) clearBlacklist(tables, FIRST + index);
}

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
        for (let i = 0; i < clients; i++) shares[chooseRoundRobin(tables, config, FARM, NOW) - FIRST]! += 1;
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

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
    expect(serveAll(config, 6, ['1'])).toBe('2 2 0 2 0 2');
    reopen(1);
    expect(serveAll(config, 3, ['1'])).toBe('0 2 2');
  });

  test('a stubborn farm lets the client down once, and then passes the server over', () => {
    expect(serveAll(build({ count: 3, stubborn: true }), 6, ['1'])).toBe('R 2 0 2 0 2');
  });

  test('with all servers down the emergency server serves', () => {
    expect(serveAll(build({ count: 2, emergency: true }), 3, ['0', '1'])).toBe('E E E');
  });

  test('but not in a stubborn farm', () => {
    expect(serveAll(build({ count: 2, emergency: true, stubborn: true }), 3, ['0', '1'])).toBe('R R R');
  });

  test('nor when all are blacklisted already', () => {
    const config = build({ count: 2, emergency: true, stubborn: true });
    shut(0, 1);
    expect(serveAll(config, 2)).toBe('R R');
  });

  test('a dead emergency server is blacklisted like any other', () => {
    const config = build({ count: 1, emergency: true });
    expect(serveAll(config, 3, ['0', 'E'])).toBe('R R R');
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
