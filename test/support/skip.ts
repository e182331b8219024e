/**
 * What a test needs of the machine, and what happens when it is not there.
 *
 * On somebody's laptop a missing program skips the tests that use it, with the reason in their name. Where
 * `PEN_NO_SKIP` is set, as in CI, it fails them: a suite that skips quietly looks the same as one that passes.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { describe, test } from 'vitest';

export interface Needs {
  /** The tests change users, namespaces or other things only root may. */
  root?: true;
  /** Debian packages, by name; those of `programs` below are known. */
  packages?: readonly (keyof typeof programs)[];
  /** The tests make network namespaces. */
  netns?: true;
  /** The kernel lets this process use io_uring, which many containers forbid. */
  uring?: true;
  /** The tests use what only Linux has. */
  linux?: true;
}

/** The name of a test that a loop cannot pass by its nature: `scripts/count-tests.mjs` knows it by that. */
export function notOn(name: string, loop: string, why: string): string {
  return `${name} (not on ${loop}: ${why})`;
}

/** Debian packages the tests may ask for, and the file by which each is recognised. */
const programs = {
  'apache2-bin': 'apache2',
  bash: 'bash',
  bsdutils: 'script',
  curl: 'curl',
  'dovecot-imapd': '/usr/lib/dovecot/imap',
  'dovecot-pop3d': '/usr/lib/dovecot/pop3',
  'exim4-daemon-light': 'exim4',
  fcgiwrap: 'fcgiwrap',
  fish: 'fish',
  haproxy: 'haproxy',
  iproute2: 'ip',
  'ldap-utils': 'ldapsearch',
  'libnginx-mod-stream': '/usr/lib/nginx/modules/ngx_stream_module.so',
  mandoc: 'mandoc',
  nftables: 'nft',
  'nghttp2-client': 'h2load',
  nginx: 'nginx',
  openssl: 'openssl',
  pen: 'pen',
  postgresql: '/usr/share/postgresql-common/pg_wrapper',
  procps: 'ps',
  'redis-server': 'redis-server',
  slapd: 'slapd',
  strace: 'strace',
  'util-linux': 'setpriv',
  vsftpd: 'vsftpd',
  wrk: 'wrk',
  zsh: 'zsh',
} as const;

/**
 * Declares tests that need something of the machine: `describe`, with conditions in front.
 *
 * When something is missing the tests and their hooks do not run; what is missing is part of the suite's name.
 */
export function needs(conditions: Needs, name: string, body: () => void): void {
  const reason = missing(conditions);
  if (reason === undefined) {
    describe(name, body);
  } else if (process.env['PEN_NO_SKIP'] !== undefined) {
    describe(name, () => {
      test(`needs ${reason}`, () => {
        throw new Error(`needs ${reason}, and PEN_NO_SKIP turns a skip into a failure`);
      });
    });
  } else {
    process.stderr.write(`skipped: ${name} (needs ${reason})\n`);
    describe.skip(`${name} (needs ${reason})`, body);
  }
}

/**
 * The same for one of the loops, whose name is added to the suite's.
 *
 * @param conditions beyond what the loop itself needs.
 */
export function needsLoop(loop: string, name: string, body: () => void, conditions: Needs = {}): void {
  needs({ linux: true, ...(loop === 'uring' ? { uring: true } : {}), ...conditions }, `${name} (${loop})`, body);
}

/** What of the conditions this machine lacks, in words, or undefined when it has everything. */
export function missing(conditions: Needs): string | undefined {
  const lacks: string[] = [];
  if (conditions.linux === true && process.platform !== 'linux') lacks.push('Linux');
  if (conditions.root === true && process.getuid?.() !== 0) lacks.push('root');
  for (const name of conditions.packages ?? []) if (!isInstalled(programs[name])) lacks.push(`the package ${name}`);
  if (conditions.netns === true && !netns()) lacks.push('network namespaces');
  if (conditions.uring === true && !uring()) lacks.push('io_uring');
  return lacks.length === 0 ? undefined : lacks.join(', ');
}

/** Folders that hold programs for root are often not in a user's PATH. */
function isInstalled(program: string): boolean {
  if (program.startsWith('/')) return existsSync(program);
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin'];
  return folders.some((folder) => existsSync(join(folder, program)));
}

const netns = once(() => spawnSync('unshare', ['--net', 'true']).status === 0);

/** Asks the kernel for the smallest ring; it lives until the process ends, which a test process soon does. */
const uring = once(() => {
  if (process.platform !== 'linux') return false;
  const IO_URING_SETUP = 425;
  const PARAMS_BYTES = 120;
  interface Koffi {
    load(library: null): { func(prototype: string): (...args: unknown[]) => number };
  }
  const koffi = createRequire(import.meta.url)('koffi') as Koffi;
  const syscall = koffi.load(null).func('long syscall(long number, unsigned int entries, void *params)');
  return syscall(IO_URING_SETUP, 1, Buffer.alloc(PARAMS_BYTES)) >= 0;
});

function once(probe: () => boolean): () => boolean {
  let known: boolean | undefined;
  return () => (known ??= probe());
}
