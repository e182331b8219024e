import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { countryNumber } from '../base/countries.ts';
import { readCountryFile } from './country-file.ts';
import { countryFile } from './mmdb.suite.ts';

const folder = mkdtempSync(join(tmpdir(), 'pen-geo-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'countries.mmdb');

test('the same file is read once, another one again', () => {
  writeFileSync(path, countryFile({ '10.0.0.0/8': 'SE' }));
  const first = readCountryFile(path);
  expect([first.path, first.ipv4.values.includes(countryNumber('SE')!)]).toEqual([path, true]);
  expect(readCountryFile(path, first)).toBe(first);
  const other = join(folder, 'other');
  writeFileSync(other, countryFile({ '10.0.0.0/8': 'DE' }));
  renameSync(other, path);
  const second = readCountryFile(path, first);
  expect(second.ipv4.values.includes(countryNumber('DE')!)).toBe(true);
});

test('what cannot be read is told by its name', () => {
  const missing = join(folder, 'missing');
  expect(() => readCountryFile(missing)).toThrow(`there is no file ${missing}`);
  expect(() => readCountryFile(folder)).toThrow(`${folder} is not a file`);
  expect(() => readCountryFile(join(path, 'within'))).toThrow('cannot be read (ENOTDIR)');
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  expect(() => readCountryFile(pipe), 'nobody is waited for').toThrow(`${pipe} is not a file`);
  const large = join(folder, 'large');
  writeFileSync(large, '');
  truncateSync(large, 2 ** 31);
  expect(() => readCountryFile(large)).toThrow(`${large} is larger than any file of countries`);
  const text = join(folder, 'text');
  writeFileSync(text, 'Sweden');
  expect(() => readCountryFile(text)).toThrow(`${text} is not a whole MaxMind file: it has no description`);
});
