import { expect, test } from 'vitest';
import type { Countries } from '../base/countries.ts';
import { NO_RANGES } from '../base/ranges.ts';
import { parseAclEntry } from '../config/access-list.ts';
import { ConfigError, DEFAULT_SETTINGS, EMPTY_CONFIGURATION, withAcl, type Configuration } from '../config/model.ts';
import { settingPart } from '../config/parts.ts';
import { countriesFor } from './countries.ts';

const country = [parseAclEntry(['deny', 'country', 'SE'], '')];
const asking = withAcl(EMPTY_CONFIGURATION, 3, country);
const named = (geoip: string, state: Configuration = asking): Configuration => ({
  ...state,
  settings: { ...DEFAULT_SETTINGS, geoip },
});

/** Notes which files were read, and in place of what. */
function reader(): { read: (path: string, before?: Countries) => Countries; asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    read: (path, before) => {
      asked.push(before ? `${path} again` : path);
      if (path === '/missing') throw new Error('there is no file /missing');
      return { path, stamp: String(asked.length), ipv4: NO_RANGES[1], ipv6: NO_RANGES[4] };
    },
  };
}

test('a file is read when it is named, or when a list asks for a country', () => {
  const { read, asked } = reader();
  expect(countriesFor(EMPTY_CONFIGURATION, read)).toBeUndefined();
  expect(countriesFor(asking, read)?.path).toBe('');
  expect(countriesFor(withAcl(EMPTY_CONFIGURATION, 'office', country), read)?.path).toBe('');
  expect(countriesFor(named('/a', EMPTY_CONFIGURATION), read)?.path).toBe('/a');
  expect(asked).toEqual(['', '', '/a']);
});

test('and not again but when another one is named, or somebody says so', () => {
  const { read, asked } = reader();
  const countries = countriesFor(named('/a'), read);
  const known = { configuration: named('/a'), countries };
  expect(countriesFor(withAcl(named('/a'), 4, country), read, known)).toBe(countries);
  expect(countriesFor(named('/a'), read, known, () => undefined)).not.toBe(countries);
  expect(countriesFor(named('/b'), read, known)?.path).toBe('/b');
  expect(countriesFor(named(''), read, known)?.path, 'lists that stay ask all the same').toBe('');
  expect(countriesFor(named('', EMPTY_CONFIGURATION), read, known)).toBeUndefined();
  expect(asked).toEqual(['/a', '/a again', '/b again', ' again']);
});

test('a list that comes to ask is noticed, one that did not is not looked at again', () => {
  const { read, asked } = reader();
  const plain = withAcl(EMPTY_CONFIGURATION, 1, [parseAclEntry(['deny', '10.0.0.1'], '')]);
  const known = { configuration: plain, countries: undefined };
  expect(countriesFor(plain, read, known)).toBeUndefined();
  expect(countriesFor(withAcl(plain, 1, country), read, known)?.path).toBe('');
  expect(asked).toEqual(['']);
});

test("a file that cannot be read again is a mistake where a list needs it, else a notice, and in nobody's way", () => {
  const { read, asked } = reader();
  const notices: string[] = [];
  const tell = (notice: string): void => void notices.push(notice);
  const countries = read('/missing'.slice(0, 5));
  const known = { configuration: named('/missing'), countries };
  expect(() => countriesFor(named('/missing'), read, known, tell)).toThrow('geoip: there is no file /missing');
  const idle = named('/missing', EMPTY_CONFIGURATION);
  expect(countriesFor(idle, read, known, tell), 'what was read before stays').toBe(countries);
  expect(countriesFor(idle, read, { configuration: named('/a'), countries }, tell)).toBeUndefined();
  const notice = 'geoip: there is no file /missing; no list asks for a country, so nothing needs it';
  expect(notices).toEqual([notice, notice]);
  const none = { configuration: idle, countries: undefined };
  const count = asked.length;
  const other = { ...idle, settings: { ...idle.settings, blacklist: 7 } };
  expect(countriesFor(other, read, none), 'of another command').toBeUndefined();
  expect(asked).toHaveLength(count);
  expect(() => countriesFor(named('/missing'), read, none)).toThrow('geoip: there is no file /missing');
});

test('what cannot be read is told with the command that wanted it', () => {
  const { read } = reader();
  expect(() => countriesFor(named('/missing'), read)).toThrow(
    new ConfigError('geoip', 'there is no file /missing', settingPart('geoip')),
  );
  const fails = (): never => {
    throw new Error('none exists');
  };
  expect(() => countriesFor(asking, fails)).toThrow(new ConfigError('acl', 'none exists', { of: 'acl', id: 3 }));
});
