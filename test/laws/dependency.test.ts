import { expect, test } from 'vitest';
import { readJson, readText } from './source.ts';

interface Manifest {
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  allowScripts?: Record<string, boolean>;
}

interface Lock {
  packages: Record<string, { hasInstallScript?: boolean; optional?: boolean; resolved?: string; integrity?: string }>;
}

interface Facts {
  manifest: Manifest;
  lock: Lock;
  page: string;
}

/**
 * Dependency law: every package is argued for on a page, pinned, and installs without running code.
 *
 * A load balancer sees everybody's traffic; what it is made of should fit on a page that a person has read. And a
 * lock that names hosts makes `npm ci` fail wherever those are out of reach.
 */
function dependencyLaw({ manifest, lock, page }: Facts): string[] {
  const [, runTime = '', development = ''] = page.split(/^## (?:At run time|For development)$/m);
  return [
    ...compare('dependencies', { ...manifest.dependencies, ...manifest.optionalDependencies }, tableOf(runTime)),
    ...compare('devDependencies', manifest.devDependencies ?? {}, tableOf(development)),
    ...judgeLock(lock, manifest.allowScripts ?? {}),
  ];
}

function compare(kind: string, named: Record<string, string>, argued: Record<string, string>): string[] {
  const complaints: string[] = [];
  for (const [name, version] of Object.entries(named)) {
    if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version)) {
      complaints.push(
        `${kind}: ${name} ${version} is no exact version; pin it, so that everybody runs what was tested`,
      );
    }
    if (argued[name] !== version) {
      complaints.push(
        `${kind}: ${name} ${version} is ${argued[name] ?? 'absent'} in docs/dependencies.md; say there why we need it`,
      );
    }
  }
  for (const name of Object.keys(argued)) {
    if (!Object.hasOwn(named, name)) complaints.push(`docs/dependencies.md: ${name} is not in ${kind}; remove its row`);
  }
  return complaints;
}

function judgeLock(lock: Lock, allowScripts: Record<string, boolean>): string[] {
  const complaints: string[] = [];
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === '') continue;
    const name = path.replace(/^.*node_modules\//, '');
    if (entry.resolved !== undefined) {
      complaints.push(
        `package-lock.json: ${name} names a host; keep omit-lockfile-registry-resolved in .npmrc and npm install again`,
      );
    }
    if (entry.integrity === undefined)
      complaints.push(`package-lock.json: ${name} has no integrity; install it from a registry`);
    // Optional packages of other platforms are not installed here, and none is needed for what it would run.
    if (entry.hasInstallScript === true && entry.optional !== true && allowScripts[name] !== false) {
      complaints.push(
        `package-lock.json: ${name} runs a script on install; set allowScripts.${name} to false, or reject it`,
      );
    }
  }
  return complaints;
}

/** Package to version, from the rows of a Markdown table. */
function tableOf(section: string): Record<string, string> {
  const rows = section
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter((cells) => cells.length === 7 && !/^(?:package|-+)$/.test(cells[1]));
  return Object.fromEntries(rows.map((cells) => [cells[1], cells[2]]));
}

const facts: Facts = {
  manifest: readJson('package.json') as Manifest,
  lock: readJson('package-lock.json') as Lock,
  page: readText('docs/dependencies.md'),
};

test('V6: every dependency is argued for, pinned and quiet', () => {
  expect(dependencyLaw(facts)).toEqual([]);
});

test('V6: the lock is made without hosts on every machine', () => {
  expect(readText('.npmrc')).toContain('omit-lockfile-registry-resolved=true');
});

test.each<[string, (facts: Facts) => void, string]>([
  ['an unargued package', ({ manifest }) => (manifest.dependencies!['left-pad'] = '1.0.0'), 'absent in docs'],
  ['another version', ({ manifest }) => (manifest.dependencies!['koffi'] = '3.3.5'), 'is 3.3.4 in docs'],
  ['a range', ({ manifest }) => (manifest.devDependencies!['vitest'] = '^4.1.12'), 'no exact version'],
  ['a package that has gone', ({ manifest }) => delete manifest.dependencies!['koffi'], 'remove its row'],
  ['a host', ({ lock }) => (lock.packages['node_modules/koffi'].resolved = 'https://x/'), 'names a host'],
  ['an install script', ({ lock }) => (lock.packages['node_modules/vitest'].hasInstallScript = true), 'on install'],
  ['a package from nowhere', ({ lock }) => delete lock.packages['node_modules/koffi'].integrity, 'no integrity'],
])('%s is refused', (_, spoil, why) => {
  const spoilt = structuredClone(facts);
  spoil(spoilt);
  expect(dependencyLaw(spoilt).join('\n')).toContain(why);
});
