import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LineReader } from './line-reader.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pen-lines-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function linesOf(bytes: string): string[] {
  const path = join(folder, 'log');
  writeFileSync(path, bytes, 'latin1');
  const reader = new LineReader(path);
  const lines: string[] = [];
  for (let line = reader.next(); line !== undefined; line = reader.next()) lines.push(line);
  expect(reader.next()).toBeUndefined();
  expect({ bytes: reader.bytes, line: reader.line }).toEqual({ bytes: bytes.length, line: lines.length });
  return lines;
}

test.each([
  ['', []],
  ['a', ['a']],
  ['a\n', ['a']],
  ['\n\na', ['', '', 'a']],
  ['a\r\nb\0\xff\n', ['a\r', 'b\0\xff']],
])('%j', (bytes, lines) => expect(linesOf(bytes)).toEqual(lines));

test('lines of any length, wherever reads end', () => {
  const lines = [1, 262_143, 262_144, 262_145, 7, 1_000_000, 0, 3].map((length, at) => String(at).repeat(length));
  expect(linesOf(lines.map((line) => `${line}\n`).join('')).map((line) => line.length)).toEqual(
    lines.map((line) => line.length),
  );
});

test('a file without line ends is refused before it fills the memory', () => {
  expect(() => linesOf('\0'.repeat(65 * 1024 * 1024))).toThrow(/line 1 of .* is longer than 64 MiB/);
});

test('a file that is not there is an error of the system', () => {
  expect(() => new LineReader(join(folder, 'none'))).toThrow(/ENOENT/);
});
