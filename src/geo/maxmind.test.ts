import { Buffer } from 'node:buffer';
import { Reader, type CountryResponse } from 'mmdb-lib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { COUNTRY_CODES, countryNumber } from '../base/countries.ts';
import { NO_VALUE, type Ranges } from '../base/ranges.ts';
import { DamagedFile, MaxMindData } from './maxmind-data.ts';
import { readCountries } from './maxmind.ts';
import { countryFile, mmdb, reference, type Data, type FileOptions, type Network } from './mmdb.suite.ts';

/** The code of a country's number. */
function codeOf(number: number): string | undefined {
  if (number === NO_VALUE) return undefined;
  return String.fromCharCode(65 + Math.floor(number / 26), 65 + (number % 26));
}

function countryIn({ width, count, starts, values }: Ranges, words: readonly number[]): string | undefined {
  let found = 0;
  for (let index = 1; index < count; index++) {
    const at = words.findIndex((word, place) => word !== starts[index * width + place]);
    if (at < 0 || starts[index * width + at]! < words[at]!) found = index;
  }
  return codeOf(values[found]!);
}

function wordsOf(ip: readonly number[]): number[] {
  return Array.from({ length: ip.length / 4 }, (_, word) =>
    ip.slice(word * 4, word * 4 + 4).reduce((sum, byte) => sum * 256 + byte, 0),
  );
}

function countryAt(file: Uint8Array, ip: readonly number[]): string | undefined {
  const countries = readCountries(file);
  return countryIn(ip.length === 4 ? countries.ipv4 : countries.ipv6, wordsOf(ip));
}

const SAID: Readonly<Record<string, string>> = {
  '10.0.0.0/8': 'SE',
  '10.128.0.0/9': 'DE',
  '255.255.255.255/32': 'FR',
  '2001:db8::/32': 'NO',
  '2001:db8:8000::/33': 'DK',
  'ffff::/16': 'FI',
};

describe.each([24, 28, 32] as const)('with records of %i bits', (recordSize) => {
  test.each([
    [[10, 1, 2, 3], 'SE'],
    [[10, 127, 255, 255], 'SE'],
    [[10, 128, 0, 0], 'DE'],
    [[11, 0, 0, 0], undefined],
    [[0, 0, 0, 0], undefined],
    [[255, 255, 255, 254], undefined],
    [[255, 255, 255, 255], 'FR'],
    [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 'NO'],
    [[0x20, 1, 0xd, 0xb8, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 'DK'],
    [[0x20, 1, 0xd, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], undefined],
    [new Array<number>(16).fill(255), 'FI'],
  ])('%j is in %s', (ip, code) => {
    for (const hasAliases of [false, true])
      expect(countryAt(countryFile(SAID, { recordSize, hasAliases }), ip)).toBe(code);
  });

  test('and of IPv4 alone', () => {
    const file = countryFile({ '10.0.0.0/8': 'SE', '0.0.0.0/1': 'DE' }, { recordSize, ipVersion: 4 });
    const asked = [[9, 0, 0, 0], [10, 0, 0, 0], [128, 0, 0, 0], new Array<number>(16).fill(0)];
    expect(asked.map((ip) => countryAt(file, ip))).toEqual(['DE', 'SE', undefined, undefined]);
  });
});

test('all is said of everybody when the tree has one record', () => {
  const file = mmdb([{ ip: new Array<number>(16).fill(0), bits: 0, data: { country: { iso_code: 'SE' } } }]);
  expect([[1, 2, 3, 4], new Array<number>(16).fill(9)].map((ip) => countryAt(file, ip))).toEqual(['SE', 'SE']);
});

test.each([
  [{ country: { iso_code: 'SE' } }, 'SE'],
  [{ city: { names: { en: 'x'.repeat(300) } }, country: { geoname_id: 70_000, iso_code: 'SE' } }, 'SE'],
  [{ list: ['a', true, 7, { b: 'c' }], country: { iso_code: 'SE' } }, 'SE'],
  [{ country_code: 'SE' }, 'SE'],
  [{ country: 'SE', country_name: 'Sweden' }, 'SE'],
  [{ country: { iso_code: 'se' } }, 'SE'],
  [{ country: { iso_code: '' } }, undefined],
  [{ country: { iso_code: 'SWE' } }, undefined],
  [{ country: { iso_code: 7 } }, undefined],
  [{ country: ['SE'] }, undefined],
  [{ registered_country: { iso_code: 'SE' } }, undefined],
  ['SE', undefined],
] as readonly (readonly [Data, string | undefined])[])('%j says %s', (data, code) => {
  const file = mmdb([{ ip: [10, 0, 0, 0], bits: 8, data }]);
  expect(countryAt(file, [10, 0, 0, 1])).toBe(code);
});

test('pointers of all lengths are followed, and no pointer to a pointer is', () => {
  const text = [0x42, 83, 69];
  const map = (pointer: readonly number[]): number[] => [0xe1, 0x4c, ...Buffer.from('country_code'), ...pointer];
  for (const [bytes, place] of [
    [1, 100],
    [2, 3000],
    [3, 530_000],
    [4, 5000],
  ] as const) {
    const data = new Uint8Array(place + 10);
    data.set(map(reference(place, bytes)));
    data.set(text, place);
    expect(new MaxMindData(data, 0).countryAt(0)).toBe('SE');
    data.set(reference(0, 1), place);
    expect(() => new MaxMindData(data, 0).countryAt(0)).toThrow(DamagedFile);
  }
});

const byte = fc.constantFrom(0, 1, 10, 0x80, 255);
const network: fc.Arbitrary<Network> = fc
  .oneof(
    fc.tuple(fc.array(byte, { minLength: 4, maxLength: 4 }), fc.nat(32)),
    fc.tuple(
      fc.array(byte, { minLength: 16, maxLength: 16 }).map(([, ...ip]) => [0x20, ...ip]),
      fc.integer({ min: 4, max: 128 }),
    ),
  )
  .chain(([ip, bits]) =>
    fc.constantFrom('SE', 'DE', 'FR').map((code) => ({ ip, bits, data: { country: { iso_code: code } } })),
  );
const options: fc.Arbitrary<FileOptions> = fc.record({
  recordSize: fc.constantFrom(24, 28, 32),
  hasAliases: fc.boolean(),
});

function textOf(ip: readonly number[]): string {
  if (ip.length === 4) return ip.join('.');
  return Array.from({ length: 8 }, (_, i) => ((ip[i * 2]! << 8) | ip[i * 2 + 1]!).toString(16)).join(':');
}

test('another reader finds the same countries', () => {
  fc.assert(
    fc.property(
      fc.array(network, { maxLength: 8 }),
      options,
      fc.array(network, { minLength: 1, maxLength: 8 }),
      (said, how, asked) => {
        const file = mmdb(said, how);
        const reader = new Reader<CountryResponse>(Buffer.from(file));
        for (const { ip } of [...asked, ...said]) {
          expect(countryAt(file, ip), textOf(ip)).toBe(reader.get(textOf(ip))?.country?.iso_code);
        }
      },
    ),
    { numRuns: 300 },
  );
});

describe('a file that is damaged', () => {
  const good = countryFile(SAID, { hasAliases: true });

  test.each([
    ['empty', new Uint8Array(), 'it has no description'],
    ['something else', Uint8Array.from({ length: 5000 }, (_, i) => i), 'it has no description'],
    ['without its beginning', good.slice(600), /./],
    ['with nothing behind its marker', good.slice(0, good.length - 100), 'it ends too early'],
  ])('%s is told', (_, file, message) => {
    expect(() => readCountries(file)).toThrow(DamagedFile);
    expect(() => readCountries(file)).toThrow(message);
  });

  test('a tree that leads back to its root is told', () => {
    const file = Uint8Array.from(countryFile({ '10.0.0.0/8': 'SE' }, { ipVersion: 4 }));
    file.fill(0, 0, 3);
    expect(() => readCountries(file)).toThrow(DamagedFile);
  });

  test('whatever it holds, reading it ends with countries or with a word about the damage', () => {
    const patch = fc.record({ at: fc.nat(good.length - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 6 }) });
    fc.assert(
      fc.property(fc.array(patch, { maxLength: 6 }), fc.nat(good.length), fc.nat(2), (patches, cut, how) => {
        const file = Uint8Array.from(good);
        for (const { at, bytes } of patches) file.set(bytes.subarray(0, file.length - at), at);
        const damaged = how === 0 ? file.slice(0, cut) : how === 1 ? file.slice(cut) : file;
        try {
          const { ipv4, ipv6 } = readCountries(damaged);
          for (const { values } of [ipv4, ipv6]) {
            expect(values.every((value) => value < COUNTRY_CODES || value === NO_VALUE)).toBe(true);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(DamagedFile);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

test('codes are two letters', () => {
  expect(['AA', 'aa', 'ZZ', 'SE'].map(countryNumber)).toEqual([0, 0, COUNTRY_CODES - 1, 472]);
  expect(['', 'A', 'ABC', 'Å1', '1A', 'S E'].map(countryNumber)).toEqual(new Array(6).fill(undefined));
});
