import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import * as errnos from './errno.ts';
import { errnoName } from './errno.ts';

const known = Object.entries<unknown>(errnos).filter(
  (entry): entry is [string, number] => typeof entry[1] === 'number',
);

describe('error numbers', () => {
  test('each is named by its own symbol', () => {
    for (const [name, value] of known) expect(errnoName(value)).toBe(name);
  });

  test('a loop reports them negative, and they are named all the same', () => {
    expect(errnoName(-errnos.ECONNRESET)).toBe('ECONNRESET');
  });

  test('no two symbols share a number', () => {
    expect(new Set(known.map(([, value]) => value)).size).toBe(known.length);
  });

  test('one without a name keeps its number', () => {
    expect(errnoName(-4095)).toBe('errno 4095');
  });

  test.runIf(process.platform === 'linux')('they are the numbers of this system', () => {
    const system = constants.errno as Readonly<Record<string, number | undefined>>;
    for (const [name, value] of known) expect([name, system[name] ?? value]).toEqual([name, value]);
  });
});
