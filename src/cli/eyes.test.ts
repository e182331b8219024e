import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Countries } from '../base/countries.ts';
import { Eyes } from './eyes.ts';

const VIEW = ' (in the jail /jail, as www)';

let folder: string;
let said: string[];
let eyes: Eyes;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'eyes-'));
  said = [];
  eyes = new Eyes((text) => said.push(text));
});
afterEach(() => rmSync(folder, { recursive: true }));

function countriesOf(path: string): Countries {
  return { path, stamp: 'of another time' } as Countries;
}

test('a file of commands that cannot be read is named with whose eyes it was looked for', () => {
  const missing = join(folder, 'none');
  expect(() => eyes.openConfigFile(missing, undefined, 'include')).toThrow(/^include: there is no file '.*none'$/);
  eyes.change(VIEW);
  expect(() => eyes.openConfigFile(missing, undefined, 'include')).toThrow(/none' \(in the jail \/jail, as www\)$/);
  writeFileSync(missing, 'prio\n');
  expect(eyes.openConfigFile(missing, undefined, 'include').bytes.toString()).toBe('prio\n');
});

test('countries stay as they were read when their file is out of reach since, which is said', () => {
  const path = join(folder, 'countries.mmdb');
  const before = countriesOf(path);
  expect(() => eyes.readCountryFile(path, before)).toThrow(/there is no file .*mmdb$/);
  eyes.change(VIEW);
  expect(eyes.readCountryFile(path, before)).toBe(before);
  expect(said).toEqual([`${path} is out of reach${VIEW}, so countries stay as they were read at the start`]);
});

test('but another file has to be there, and one that is there has to be right', () => {
  eyes.change(VIEW);
  const path = join(folder, 'countries.mmdb');
  expect(() => eyes.readCountryFile(path)).toThrow(/there is no file .*mmdb \(in the jail \/jail, as www\)$/);
  expect(() => eyes.readCountryFile(path, countriesOf(join(folder, 'other')))).toThrow(/there is no file/);
  writeFileSync(path, 'nonsense');
  expect(() => eyes.readCountryFile(path, countriesOf(path))).toThrow(/not a whole MaxMind file.*as www\)$/);
  expect(said).toEqual([]);
});
