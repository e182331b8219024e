/**
 * Files and folders that a configuration names: whether they can be used is found out before they are needed, and told
 * with the option or line that names them.
 *
 * @owner main thread.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Configuration } from '../config/model.ts';
import { settingPart, type Part, type Parts } from '../config/parts.ts';
import { fileReason } from '../control/safe-file.ts';
import { checkWay } from '../control/safe-way.ts';
import type { CommandLine } from './arguments.ts';
import { checkPidFile, type PidFileOptions } from './pid-file.ts';

/** Settings that have a file or folder for a value, and what they are called. */
const COMMANDS = { pidFile: 'pid_file', webStats: 'web_stats', controlDir: 'control_dir' } as const;

/** How an error names who said something last: `-p`, `-w 'web_stats'`, `pen.cfg:7 'pid_file'`. */
export function sayerOf(part: Part, command: string, line: CommandLine, places: Parts): string {
  // These two are stronger than the file.
  if (command === 'pid_file' && line.pidFile !== undefined) return '-p';
  if (command === 'control' && line.control !== undefined) return '-C';
  const place = places.placeOf(part);
  return place === undefined ? command : `${place} '${command}'`;
}

export interface PlaceOptions extends Omit<PidFileOptions, 'where'> {
  /** Where a path leads that the configuration names. **Default** as it stands. */
  readonly inside?: (path: string) => string;
  /** Whether we are the user who will write there. **Default** yes. */
  readonly isWriter?: boolean;
}

/**
 * Looks at all of them with the eyes that we have at the moment, and writes nothing.
 *
 * @returns what a person should know, because it will not work. @errors ConfigError for the pid file, without which
 * there is no start.
 */
export function checkPlaces(
  { settings }: Configuration,
  line: CommandLine,
  places: Parts,
  { inside = (path) => path, isWriter = true, ...options }: PlaceOptions = {},
): string[] {
  const { view = '' } = options;
  const whereOf = (key: keyof typeof COMMANDS): string => sayerOf(settingPart(key), COMMANDS[key], line, places);
  const { pidFile, webStats, controlDir } = settings;
  if (pidFile !== '') checkPidFile(inside(pidFile), { ...options, isWriter, where: whereOf('pidFile') });
  const doubts: string[] = [];
  const doubt = (key: keyof typeof COMMANDS, text: string, look: () => void): void => {
    try {
      look();
    } catch (error) {
      doubts.push(`${whereOf(key)}: ${text}${view}: ${reasonOf(error)}`);
    }
  };
  if (webStats !== '') {
    const folder = dirname(inside(webStats));
    doubt('webStats', `no page can be written in the folder '${folder}'`, () => {
      checkWay(inside(webStats));
      checkFolder(folder);
      if (isWriter) accessSync(folder, constants.W_OK | constants.X_OK);
    });
  }
  if (controlDir !== '') {
    const folder = inside(controlDir);
    doubt('controlDir', `control commands can use no file in the folder '${folder}'`, () => checkFolder(folder));
  }
  return doubts;
}

function checkFolder(path: string): void {
  if (!statSync(path).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
}

function reasonOf(error: unknown): string {
  const isDenied = error instanceof Error && 'code' in error && error.code === 'EACCES';
  return isDenied ? 'permission denied; whoever Pen runs as must be allowed to make files there' : fileReason(error);
}
