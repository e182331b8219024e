/** The server that an address stands for: the original's formula to the letter, and ours evenly and for ever. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { FARM_F_HASH, FARM_F_HASH_ORIGINAL, FARM_F_ROUND_ROBIN } from '../table/schema.ts';
import type { ConfigBank } from '../table/tables.ts';
import { build, FARM, FIRST, peer, reset, serve, shut } from './farm.suite.ts';
import { chooseByHash } from './hash.ts';
import { NO_SERVER } from './servers.ts';

beforeEach(reset);

const ORIGINAL = FARM_F_HASH | FARM_F_HASH_ORIGINAL;

function chosen(config: ConfigBank, from: Uint8Array): number {
  return chooseByHash(config, FARM, from, 0) - FIRST;
}

const ip4 = (number: number): number[] => [10, (number >>> 16) & 255, (number >>> 8) & 255, number & 255];

/** Pearson's statistic over its degrees of freedom: about 1 for an even spread, whatever the number of servers. */
function unevenness(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0) / (counts.length - 1);
}

function spread(config: ConfigBank, count: number, clients: readonly Uint8Array[]): number[] {
  const counts = new Array<number>(count).fill(0);
  for (const client of clients) counts[chosen(config, client)]! += 1;
  return counts;
}

describe('hash original', () => {
  test('of an IPv4 address', () => {
    const config = build({ count: 3, flags: ORIGINAL });
    const clients = [
      [127, 0, 0, 1],
      [127, 0, 0, 2],
      [127, 0, 0, 3],
      [127, 0, 0, 4],
      [127, 0, 0, 5],
      [127, 1, 0, 1],
      [127, 2, 0, 1],
    ];
    expect(clients.map((ip) => chosen(config, peer(ip)))).toEqual([2, 0, 1, 2, 0, 0, 1]);
    expect(chosen(config, peer([...new Array<number>(10).fill(0), 255, 255, 127, 0, 0, 1]))).toBe(2);
  });

  test('with round robin also of the port', () => {
    const config = build({ count: 3, flags: ORIGINAL | FARM_F_ROUND_ROBIN });
    const ports = [21001, 21002, 21003, 21259, 22000];
    expect(ports.map((port) => chosen(config, peer([127, 0, 0, 7], port)))).toEqual([1, 2, 0, 2, 1]);
  });

  test('of addresses whose first byte is high', () => {
    expect(chosen(build({ count: 7, flags: ORIGINAL }), peer([250, 200, 150, 255]))).toBe(0xff96_c8fa % 7);
  });

  test('of an IPv6 address only the last byte counts, of a unix client nothing', () => {
    const config = build({ count: 5, flags: ORIGINAL | FARM_F_ROUND_ROBIN });
    expect(chosen(config, peer([0x20, 1, ...new Array<number>(13).fill(7), 9], 1234))).toBe(9 % 5);
    const unix = new Uint8Array(24);
    unix[0] = 1;
    expect(chosen(config, unix)).toBe(0);
  });

  test('empty slots count, and are walked on from', () => {
    const config = build({ count: 3, flags: ORIGINAL, empty: [2] });
    expect(serve(config, { from: peer([127, 0, 0, 1]) })).toBe('0');
  });
});

describe('hash', () => {
  const flags = FARM_F_HASH;

  test('is the same for ever', () => {
    const config = build({ count: 8, flags });
    const clients = [
      peer([192, 0, 2, 1]),
      peer([192, 0, 2, 2]),
      peer([10, 0, 0, 1]),
      peer([32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
    ];
    expect(clients.map((client) => chosen(config, client))).toEqual([5, 7, 2, 2]);
  });

  test('both notations of an IPv4 address are one client, every port too unless in round robin', () => {
    const mapped = peer([...new Array<number>(10).fill(0), 255, 255, 10, 1, 2, 3], 99);
    const config = build({ count: 50, flags });
    expect(chosen(config, mapped)).toBe(chosen(config, peer([10, 1, 2, 3], 7)));
    const byPort = build({ count: 50, flags: flags | FARM_F_ROUND_ROBIN });
    const ports = Array.from({ length: 100 }, (_, port) => chosen(byPort, peer([10, 1, 2, 3], port)));
    expect(new Set(ports).size).toBeGreaterThan(30);
  });

  test('neighbours spread evenly over any number of servers', () => {
    const clients = Array.from({ length: 10_000 }, (_, number) => peer(ip4(number)));
    const networks = Array.from({ length: 10_000 }, (_, number) => peer(ip4(number << 8)));
    for (const count of [2, 3, 4, 5, 8, 10, 16, 31, 32, 64, 256]) {
      const config = build({ count, flags });
      expect(unevenness(spread(config, count, clients)), `${count} servers`).toBeLessThan(count < 6 ? 11 : 2.5);
      expect(unevenness(spread(config, count, networks)), `${count} servers`).toBeLessThan(count < 6 ? 11 : 2.5);
    }
  });

  test('so do the ports of one address in round robin, and IPv6 addresses that differ anywhere', () => {
    for (const count of [2, 6, 8]) {
      const ports = Array.from({ length: 10_000 }, (_, port) => peer([10, 0, 0, 1], port + 20_000));
      const byPort = build({ count, flags: flags | FARM_F_ROUND_ROBIN });
      expect(unevenness(spread(byPort, count, ports))).toBeLessThan(11);
      const config = build({ count, flags });
      for (const byte of [0, 5, 7, 8, 12, 14]) {
        const clients = Array.from({ length: 10_000 }, (_, number) => {
          const ip = [0x20, 1, 0xd, 0xb8, ...new Array<number>(12).fill(0)];
          ip[byte] = number >>> 8;
          ip[byte + 1] = number & 255;
          return peer(ip);
        });
        expect(unevenness(spread(config, count, clients)), `byte ${byte}`).toBeLessThan(11);
      }
    }
  });

  test('a server that goes takes only its own clients with it', () => {
    const clients = Array.from({ length: 5000 }, (_, number) => peer(ip4(number)));
    for (const count of [2, 3, 8, 20]) {
      for (const gone of [0, count - 1]) {
        const all = build({ count, flags });
        const before = clients.map((client) => chosen(all, client));
        const config = build({ count, flags, empty: [gone] });
        const moved = clients.filter((client, index) => chosen(config, client) !== before[index]);
        expect(moved).toHaveLength(before.filter((index) => index === gone).length);
        console.log(
          `1 of ${count} servers is gone: ${((moved.length / clients.length) * 100).toFixed(1)} % of the clients move`,
        );
      }
    }
  });

  test('a server that comes takes its share and nothing else moves', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.uint8Array({ minLength: 16, maxLength: 16 }), (count, ip) => {
        const before = chosen(build({ count, flags }), peer([...ip]));
        const after = chosen(build({ count: count + 1, flags }), peer([...ip]));
        if (after !== before) expect(after).toBe(count);
      }),
    );
  });

  test('does not look at whether the server is up: that is what walking on is for', () => {
    const config = build({ count: 3, flags });
    const from = peer([192, 0, 2, 1]);
    const home = chosen(config, from);
    shut(home);
    expect(chosen(config, from)).toBe(home);
    expect(serve(config, { from })).toBe(String((home + 1) % 3));
    expect(serve(build({ count: 3, flags, stubborn: true }), { from })).toBe('R');
  });

  test('of no servers is none', () => {
    expect(chooseByHash(build({ count: 0, flags }), FARM, peer([1, 2, 3, 4]), 0)).toBe(NO_SERVER);
    expect(chooseByHash(build({ count: 0, flags: ORIGINAL }), FARM, peer([1, 2, 3, 4]), 0)).toBe(NO_SERVER);
  });
});
