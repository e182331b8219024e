/** What the figures depend on: the machine, the versions, the command. */
import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import type { ContenderDefinition } from './contenders.ts';

/** Recorded with every result. */
export interface Environment {
  readonly started: string;
  readonly command: string;
  readonly machine: {
    readonly model: string;
    readonly cores: number;
    readonly memoryGb: number;
    readonly kernel: string;
    readonly node: string;
    readonly loadAverage: string;
  };
  /** By label, generators included. */
  readonly versions: Readonly<Record<string, string>>;
}

function versionOf(program: string, args: readonly string[], pattern: RegExp): string {
  try {
    const text = execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return pattern.exec(text)?.[1] ?? 'unknown';
  } catch (error) {
    // wrk prints its version and then fails for want of a target.
    const text = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
    return pattern.exec(text)?.[1] ?? 'unknown';
  }
}

/** Describes this run. `argv` are the arguments after the program's name. */
export function readEnvironment(definitions: readonly ContenderDefinition[], argv: readonly string[]): Environment {
  const versions = definitions.map(({ label, version }) => [label, version()]);
  return {
    started: new Date().toISOString(),
    command: ['npm run bench', ...(argv.length > 0 ? ['--', ...argv] : [])].join(' '),
    machine: {
      model: cpus()[0]?.model.trim() ?? 'unknown',
      cores: cpus().length,
      memoryGb: Math.round(totalmem() / 2 ** 30),
      kernel: release(),
      node: process.version,
      loadAverage: loadavg()
        .map((load) => load.toFixed(2))
        .join(' '),
    },
    versions: {
      ...(Object.fromEntries(versions) as Record<string, string>),
      'origin servers, nginx': versionOf('sh', ['-c', 'nginx -v 2>&1'], /nginx\/(\S+)/),
      wrk: versionOf('wrk', ['-v'], /wrk (?:debian\/)?(\S+)/),
      curl: versionOf('curl', ['--version'], /curl (\S+)/),
    },
  };
}
