/**
 * Strange lines and files for a running Pen that has traffic: all that can be refused, and of what can be obeyed only
 * what takes nobody's server, address or place away, asks no name server and stays in one folder.
 */
import type { Endpoint } from '../../src/base/endpoint.ts';
import type { Prng } from '../../src/base/prng.ts';
import { idleFacts } from '../../src/config/command.ts';
import { applyLine, hostsOf, readLine, type Line } from '../../src/config/commands.ts';
import {
  ConfigError,
  EMPTY_CONFIGURATION,
  serverAt,
  type Configuration,
  type Settings,
} from '../../src/config/model.ts';
import { shared } from '../../src/config/parts.ts';
import { unusedConnection } from '../../src/config/rows.ts';
import { pathWithin } from '../../src/control/config-file.ts';
import { drawLine } from '../../src/control/lines.suite.ts';
import { understood } from '../../src/control/passages.ts';
import { ip } from '../support/sockets.ts';

/** What may change beside traffic: how long a connect may take is not in it, for a busy machine takes its time. */
const HARMLESS: ReadonlySet<string> = new Set<keyof Settings>([
  'blacklist',
  'tracking',
  'clientPrefix',
  'halfClosedTimeout',
  'keepalive',
  'tcpNodelay',
  'ascii',
  'abortOnError',
  'leastconn',
  'hash',
  'webStats',
]);

export type Fate = 'obeyed' | 'refused' | 'harmful';

export interface StageFacts {
  readonly folder: string;
  readonly servers: readonly number[];
}

function isBlock(line: Line): boolean {
  return line.kind === 'command' && line.command.name === 'farm';
}

/** What becomes of a line, as far as can be said without the running program. */
export class Judge {
  private readonly folder: string;
  private readonly state: Configuration;

  constructor({ folder, servers }: StageFacts) {
    this.folder = folder;
    this.state = {
      ...EMPTY_CONFIGURATION,
      servers: servers.map((port) => serverAt(ip('127.0.0.1', port))),
      settings: {
        ...EMPTY_CONFIGURATION.settings,
        controlDir: folder,
        roundrobin: true,
        sourceMax: 0,
        connMax: 3000,
      },
    };
  }

  fateOf(text: string): Fate {
    const line = readLine(text.replace(/^[ \t]*--json(?:[ \t]+|$)/, ''));
    const fates = [this.fateFor(line, true), this.fateFor(line, false)];
    if (fates.includes('harmful')) return 'harmful';
    return fates[0] ?? 'refused';
  }

  /** Peers may leave quotes open, for instance, and ask for JSON; files may not. */
  isRightInFile(text: string): boolean {
    const line = understood(Buffer.from(text).toString(), '');
    // What follows a line that begins a block would mean something else there.
    return !(line instanceof ConfigError) && !isBlock(line) && this.fateFor(line, false) === 'obeyed';
  }

  private fateFor(line: Line, isPeer: boolean): Fate {
    try {
      if (hostsOf(line, '').length > 0) return 'harmful';
      const { state, actions } = applyLine(this.state, line, '', {
        // Every connection there may be is one of somebody's.
        facts: { ...idleFacts(1), connection: (number) => ({ ...unusedConnection(number), state: 2 }) },
        hosts: new Map<string, Endpoint>(),
        servicePort: () => undefined,
        isPeer,
        pathOf: (name, where) => pathWithin(this.folder, name, where),
      });
      const isQuiet = actions.every(({ kind }) => kind === 'statistics');
      return isQuiet && this.isHarmless(shared(this.state, state)) ? 'obeyed' : 'harmful';
    } catch (error) {
      if (error instanceof ConfigError) return 'refused';
      throw error;
    }
  }

  private isHarmless(after: Configuration): boolean {
    const before = this.state;
    const { settings } = before;
    const changed = (Object.keys(settings) as (keyof Settings)[]).filter(
      (key) => settings[key] !== after.settings[key],
    );
    return (
      changed.every((key) => HARMLESS.has(key)) &&
      (['listen', 'control', 'servers', 'emergency', 'abuse'] as const).every((part) => before[part] === after[part]) &&
      [...after.farms.values()].every(({ listen }) => listen.length === 0) &&
      before.acls[0] === after.acls[0]
    );
  }
}

export function drawHarmless(prng: Prng, judge: Judge, wanted: readonly Fate[] = ['obeyed', 'refused']): string {
  for (;;) {
    const text = drawLine(prng);
    if (wanted.includes(judge.fateOf(text))) return text;
  }
}

/** Of files of commands that are right, as far as one can say beforehand, and of such as are not. */
export function drawFile(prng: Prng, judge: Judge, isRight: boolean): string {
  const lines = Array.from({ length: prng.between(1, 12) }, () =>
    drawHarmless(prng, judge, isRight ? ['obeyed'] : ['obeyed', 'refused']).replace(/[\r\n\0]/g, ' '),
  ).filter((line) => !isRight || judge.isRightInFile(line));
  return `${lines.join(prng.chance(1, 4) ? '\r\n' : '\n')}\n`;
}

/** Names that commands about files are given: in the folder, out of it, not there, no files. */
const NAMES = [
  'right',
  'wrong',
  'nested',
  'loop',
  'folder',
  'link',
  'fifo',
  'none',
  '../out',
  '/dev/null',
  '""',
  '"ri',
];
const WRITTEN = ['saved', 'saved', 'folder', 'link', 'fifo', 'none/x', '../out', '/dev/null', '""'];

function drawErrand(prng: Prng): string {
  const pick = (from: readonly string[]): string => from[prng.below(from.length)] ?? '';
  const kinds = [() => `include ${pick(NAMES)}`, () => `plan ${pick(NAMES)}`, () => `write ${pick(WRITTEN)}`];
  const all = [...kinds, () => 'plan', () => 'reload'];
  return all[prng.below(all.length)]?.() ?? '';
}

/** A manner of talking, and what is said: see control-crowd.mjs. */
export type Task = readonly [manner: string, text: string];

const ODD_MANNERS = ['half', 'pieces', 'vanish', 'silent'];

/** Most say a whole line, and half of those ask for JSON, which tells what became of it. */
export function drawTask(prng: Prng, judge: Judge): Task {
  if (prng.chance(1, 200)) {
    const bytes = Uint8Array.from({ length: prng.skewed(300) }, () => prng.below(256));
    return ['bytes', Buffer.concat([Buffer.of(0xff), bytes]).toString('base64')];
  }
  if (prng.chance(1, 5000)) return ['half', 'x'.repeat(200_000)];
  if (prng.chance(1, 500)) return ['half', `GET /${prng.below(100)} HTTP/1.1\r\nHost: x\r\n\r\n`];
  const line = prng.chance(1, 40) ? drawErrand(prng) : drawHarmless(prng, judge);
  if (prng.chance(1, 20)) return [ODD_MANNERS[prng.below(ODD_MANNERS.length)] ?? '', line];
  return ['whole', prng.chance(1, 2) ? `--json ${line}` : line];
}
