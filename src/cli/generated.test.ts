import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { generatedFiles } from './generated.ts';
import { plain, wrapped } from './roff.ts';

const at = (path: string): URL => new URL(`../../${path}`, import.meta.url);

interface Manifest {
  readonly version: string;
  readonly man: readonly string[];
  readonly files: readonly string[];
}
const manifest = JSON.parse(readFileSync(at('package.json'), 'utf8')) as Manifest;
const files = generatedFiles(manifest.version);

describe('files that are written from the registries', () => {
  test.each([...files.keys()])('%s is current', (path) => {
    expect(readFileSync(at(path), 'utf8'), `${path} is stale; npm run reference writes it`).toBe(files.get(path));
  });

  test('manual pages and completion are in the package', () => {
    expect(manifest.files).toContain('packaging');
    expect(manifest.man).toEqual([...files.keys()].filter((path) => path.startsWith('packaging/man/')));
    expect(manifest.man.every((path) => existsSync(at(path)))).toBe(true);
  });
});

describe('text for manual pages', () => {
  test('shows what roff would make something else of', () => {
    expect(plain("a\\b -x 'c' `d` ^ ~")).toBe('a\\(rsb \\-x \\(aqc\\(aq \\(gad\\(ga \\(ha \\(ti');
  });

  test('is cut into lines, none of which is taken for a request', () => {
    const text = wrapped(`${'word '.repeat(40)}.TH ${'word '.repeat(15)}.`);
    const lines = text.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.filter((line) => line.startsWith('.'))).toEqual([]);
    expect(wrapped('.TH x')).toBe('\\&.TH x\n');
  });
});
