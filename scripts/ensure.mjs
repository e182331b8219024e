/**
 * Makes a checkout ready to run: installs the packages and compiles the source, whichever is missing or stale.
 *
 * Everything is decided by content, not by modification time, because git writes files in any order. Two runs at
 * once on a fresh checkout wait for each other. Prints to stderr only, and nothing when there is nothing to do.
 *
 *   node scripts/ensure.mjs [--bench] [--install-only]
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const lockDir = join(root, '.ensure.lock');
const installStamp = join(root, 'node_modules', '.ensure');

/** What to compile, what it is made of, where it lands. `projects` are handed to `tsc -b`. */
const builds = {
  source: {
    what: 'source',
    from: ['src'],
    into: 'dist',
    projects: ['tsconfig.cold.json', 'tsconfig.sim.json'],
    stamp: join(root, 'dist', '.ensure'),
  },
  bench: {
    what: 'benchmarks',
    from: ['src', 'bench'],
    into: join('dist', '.bench'),
    projects: ['tsconfig.bench.json'],
    stamp: join(root, 'dist', '.ensure-bench'),
  },
};

/** Installs and builds what is missing. Throws an Error whose message is meant for a person. */
export async function ensure({ bench = false, installOnly = false } = {}) {
  const wanted = installOnly ? [] : bench ? [builds.source, builds.bench] : [builds.source];
  if (isInstalled() && wanted.every(isBuilt)) return;
  await lock();
  try {
    if (!isInstalled()) install();
    for (const build of wanted) if (!isBuilt(build)) await compile(build);
  } finally {
    rmSync(lockDir, { recursive: true, force: true });
  }
}

/** For the test runner, which calls it before tests that start the programs. */
export async function setup() {
  await ensure();
}

/** Compiles even when nothing has changed; what `npm run build` means. */
export async function rebuild() {
  await ensure({ installOnly: true });
  await lock();
  try {
    await compile(builds.source);
  } finally {
    rmSync(lockDir, { recursive: true, force: true });
  }
}

/* ---- packages ---- */

function installKey() {
  // Not the Node version: the one native package is a prebuilt N-API binary that serves all of them.
  return hash([`${process.platform} ${process.arch}`, read('package-lock.json'), read('.npmrc')]);
}

function isInstalled() {
  if (readOrEmpty(installStamp) === installKey()) return true;
  if (!matchesLock()) return false;
  // Installed by hand and right: installing again would pull node_modules from under whoever uses it.
  writeFileSync(installStamp, installKey());
  return true;
}

/** Whether node_modules holds what the lock says, by the list npm leaves there. */
function matchesLock() {
  const hidden = readOrEmpty(join(root, 'node_modules', '.package-lock.json'));
  if (hidden === '') return false;
  const present = JSON.parse(hidden).packages;
  for (const [path, entry] of Object.entries(JSON.parse(read('package-lock.json')).packages)) {
    if (path === '') continue;
    const other = present[path];
    if (other === undefined ? isNeededHere(entry) : other.version !== entry.version) return false;
  }
  return true;
}

function isNeededHere(entry) {
  if (entry.optional !== true) return true;
  if (entry.os === undefined && entry.cpu === undefined) return false;
  if (entry.libc !== undefined) return false; // one of two variants; the installer knows which
  return (
    (entry.os === undefined || entry.os.includes(process.platform)) &&
    (entry.cpu === undefined || entry.cpu.includes(process.arch))
  );
}

function install() {
  const why = existsSync(join(root, 'node_modules')) ? 'node_modules is not what the lock says' : 'the first time';
  say(
    `installing packages (${why}): this needs the npm registry; without an answer it ends in seconds, or minutes where a network swallows what is sent`,
  );
  try {
    // --include=dev: NODE_ENV=production would leave the compiler out.
    runNpm(['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
  } catch (error) {
    throw new Error(
      `packages cannot be installed: ${error.message}, see above; without a network, bring node_modules from a machine that has one`,
      { cause: error },
    );
  }
  writeFileSync(installStamp, installKey());
}

/** Runs npm as the outer npm would be run, but without its settings: they were meant for the outer command. */
export function runNpm(args) {
  const env = {};
  for (const [name, value] of Object.entries(process.env)) {
    const inherited = /^npm_config_(.*)$/i.exec(name)?.[1]?.toLowerCase();
    if (inherited === undefined || keptSettings.has(inherited)) env[name] = value;
  }
  const npm = process.env.npm_execpath;
  const viaNode = npm !== undefined && /\.c?js$/.test(npm) && existsSync(npm);
  const command = viaNode ? process.execPath : process.platform === 'win32' ? 'npm.cmd' : 'npm';
  run(command, viaNode ? [npm, ...args] : args, { env, shell: !viaNode && process.platform === 'win32' });
}

/** Where packages come from and through what; everything else (omit, global, dry_run, ...) would change what is done. */
const keptSettings = new Set([
  'registry',
  'cache',
  'cafile',
  'ca',
  'strict_ssl',
  'proxy',
  'https_proxy',
  'http_proxy',
  'noproxy',
  'offline',
  'prefer_offline',
  'userconfig',
  'globalconfig',
  'fetch_retries',
  'fetch_retry_mintimeout',
  'fetch_retry_maxtimeout',
]);

/* ---- compiling ---- */

function buildKey({ from, projects }) {
  const configs = readdirSync(root).filter((name) => /^tsconfig.*\.json$/.test(name));
  const sources = from.flatMap((folder) => listFiles(join(root, folder)).map((path) => relative(root, path)));
  const files = [...configs, 'package-lock.json', 'scripts/bundle.mjs', ...sources.filter((path) => !isTest(path))];
  // Folder order differs between file systems.
  files.sort((a, b) => (a < b ? -1 : 1));
  return hash([projects.join(' '), ...files.flatMap((path) => [path, read(path)])]);
}

function isBuilt(build) {
  const stamp = readOrEmpty(build.stamp);
  return stamp !== '' && stamp === buildKey(build);
}

async function compile(build) {
  say(`compiling ${build.what}`);
  // Read before compiling: a file saved meanwhile makes the stamp stale instead of wrong.
  const key = buildKey(build);
  removeOrphans(build);
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  run(process.execPath, [tsc, '-b', ...build.projects]);
  if (!existsSync(join(root, build.into))) {
    throw new Error(`there is nothing to compile in ${build.from.map((folder) => `${folder}/`).join(' and ')}`);
  }
  if (build === builds.source) {
    // Imported late: on a fresh checkout the packages have only now been installed.
    const { bundlePrograms } = await import('./bundle.mjs');
    await bundlePrograms(root);
  }
  writeFileSync(build.stamp, key);
}

/** Removes what was compiled from files that are gone, so that no import finds a ghost. */
function removeOrphans({ into }) {
  const isBench = into !== 'dist';
  for (const path of listFiles(join(root, into))) {
    const emitted = relative(join(root, into), path);
    if (emitted.startsWith('.')) continue;
    const stem = /^(.*?)(?:\.js|\.js\.map|\.d\.ts)$/.exec(emitted)?.[1];
    if (stem !== undefined && !existsSync(join(root, isBench ? '' : 'src', `${stem}.ts`))) rmSync(path);
  }
}

function isTest(path) {
  return /\.(test|suite)\.ts$/.test(path);
}

/* ---- one at a time ---- */

/** Takes the lock directory, waiting for its holder and clearing away one left by a process that is gone. */
async function lock() {
  const owner = `${hostname()} ${process.pid}`;
  for (let waited = 0; ; waited += 100) {
    try {
      mkdirSync(lockDir);
      writeFileSync(join(lockDir, 'owner'), owner);
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = readOrEmpty(join(lockDir, 'owner'));
    if (isAbandoned(holder)) {
      clearLock(holder);
      continue;
    }
    if (waited === 0) say(`waiting for another run (${holder || 'starting'})`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function isAbandoned(holder) {
  const [host, pid] = holder.split(' ');
  const age = Date.now() - (statSync(lockDir, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
  if (holder === '') return age > 10_000; // died between making the directory and signing it
  if (host !== hostname()) return age > 15 * 60_000; // another container on the same checkout
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

/** Moves the lock away before removing it: of two who saw the same dead holder, only one moves that one. */
function clearLock(holder) {
  const aside = `${lockDir}.${process.pid}`;
  try {
    renameSync(lockDir, aside);
  } catch {
    return;
  }
  if (readOrEmpty(join(aside, 'owner')) === holder) rmSync(aside, { recursive: true, force: true });
  else renameSync(aside, lockDir);
}

/* ---- small things ---- */

/** Runs a command with its output on our stderr: stdout belongs to whatever is started afterwards. */
function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
  if (result.error) throw new Error(`cannot run ${command}: ${result.error.message}`);
  if (result.status !== 0) {
    const how = result.signal === null ? `exit code ${result.status}` : `signal ${result.signal}`;
    throw new Error(`${[command, ...args].map((word) => relativeWord(word)).join(' ')} failed (${how})`);
  }
}

function relativeWord(word) {
  return word.startsWith(root + sep) ? relative(root, word) : word;
}

function listFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? listFiles(path) : [path];
  });
}

function hash(parts) {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(`${part.length}:`).update(part);
  return digest.digest('hex');
}

function read(path) {
  return readFileSync(join(root, path), 'utf8');
}

function readOrEmpty(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function say(what) {
  process.stderr.write(`pen: ${what}\n`);
}

/** Runs `ensure` and turns its failure into a sentence and exit code 1. */
export async function ensureOrExit(options) {
  try {
    await ensure(options);
  } catch (error) {
    say(error.message);
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const args = new Set(process.argv.slice(2));
  await ensureOrExit({ bench: args.has('--bench'), installOnly: args.has('--install-only') });
}
