/**
 * Reads files of commands into scripts: lines with their places, included files in place of the lines that name them,
 * names looked up.
 *
 * @owner main thread.
 */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Endpoint } from '../base/endpoint.ts';
import { beginOf } from '../config/blocks.ts';
import { firstLine, type Line } from '../config/commands.ts';
import { isFarmName, UNNAMED } from '../config/farms.ts';
import { ConfigError, failWith, type Configuration } from '../config/model.ts';
import {
  EMPTY_SCRIPT,
  hostsIn,
  listenIn,
  runScript,
  type Ran,
  type Script,
  type ScriptContext,
} from '../config/script.ts';
import { BYTES_MAX, pathWithin, type OpenedFile } from './config-file.ts';
import type { LookUp } from './lookups.ts';
import { includedBy, isObsolete, linesOf, passageOf, Passages, understood } from './passages.ts';

/** Files that include one another, the first one not counted. */
const DEPTH_MAX = 16;
/** Of all that is read together, so that files that include others again and again come to an end. */
const FILES_MAX = 10_000;
const LINES_MAX = 2_000_000;
/** What is passed over, and told; more is counted. */
const NOTICES_MAX = 100;
/** After so many lines others have a turn. */
const LINES = 1000;

export interface ReaderOptions {
  /**
   * Reads a file.
   * @param from the path of the file that names it, if one does. @errors ConfigError.
   */
  readonly open: (name: string, from: string | undefined, where: string) => OpenedFile;
  /** @errors ConfigError. */
  readonly lookUp: LookUp;
}

/**
 * The same for files that somebody else names: they are in a folder, and what they include is, too. A relative name is
 * looked for beside the file that says it, and then in the folder.
 *
 * @param folder empty: anywhere.
 */
export function readingWithin(folder: string, options: ReaderOptions): ReaderOptions {
  if (folder === '') return options;
  const open: ReaderOptions['open'] = (name, from, where) => {
    const beside = from === undefined ? name : resolve(dirname(from), name);
    const chosen = existsSync(beside) ? beside : name;
    return options.open(pathWithin(folder, chosen, where), undefined, where);
  };
  return { ...options, open };
}

/** A line as it was written, and where. */
export interface WrittenLine {
  readonly text: string;
  readonly where: string;
  readonly isAsked: boolean;
}

/**
 * @param where what to name when the file cannot be read.
 * @param farm what its lines are about. **Default** the unnamed one. @errors none: they are in the script.
 */
export async function readScript(name: string, where: string, options: ReaderOptions, farm = UNNAMED): Promise<Script> {
  return scriptOf(options, async (reader) => reader.readFile({ name, farm }, where, []));
}

/** The same for lines that are in no file, but may include one. */
export async function readLines(lines: readonly WrittenLine[], options: ReaderOptions): Promise<Script> {
  return scriptOf(options, async (reader) => {
    for (const line of lines) await reader.readOption(line);
  });
}

/** A script that is too long has nothing in it but that. */
async function scriptOf(options: ReaderOptions, read: (reader: ScriptReader) => Promise<void>): Promise<Script> {
  const reader = new ScriptReader(options);
  try {
    await read(reader);
    return await reader.finish();
  } catch (error) {
    const line = forPeople(error);
    return { ...EMPTY_SCRIPT, lines: [{ line, where: line.where, isAsked: false }] };
  }
}

/** Applies a script to a state; others have a turn now and then. @errors ConfigError: all of its mistakes. */
export async function applyScript(state: Configuration, script: Script, context: ScriptContext): Promise<Ran> {
  const running = runScript(state, script, context);
  for (;;) {
    const step = running.next();
    if (step.done === true) {
      failWith(step.value.errors);
      return step.value;
    }
    await setImmediate();
  }
}

/** A file that a line stands for, and the farm that it is said of. */
interface Included {
  readonly name: string;
  readonly farm: string;
}

class ScriptReader {
  private readonly options: ReaderOptions;
  private readonly lines = new Passages();
  private readonly notices = new Notices();
  private readonly listen = new Map<string, readonly string[]>();
  /** Names that lines mention, each with the place of the first line that does. */
  private readonly names = new Map<string, string>();
  /** What was read, all together. */
  private readonly sums = { files: 0, lines: 0, bytes: 0 };

  constructor(options: ReaderOptions) {
    this.options = options;
  }

  /** @param within files that are being read, the outermost first. @errors ConfigError when it is too much. */
  async readFile({ name, farm }: Included, where: string, within: readonly OpenedFile[]): Promise<void> {
    const file = this.open(name, where, within);
    if (!file) return;
    if (farm !== UNNAMED) this.lines.add({ line: beginOf(farm), where, isAsked: false });
    let passage = passageOf(file, isFarmName(farm) ? farm : UNNAMED);
    for (const { line, where, rest } of linesOf(passage)) {
      if (++this.sums.lines > LINES_MAX) throw tooMuch(where, `${LINES_MAX} lines`);
      if (this.sums.lines % LINES === 0) await setImmediate();
      const included = this.look(line, where);
      if (included === undefined) continue;
      this.lines.add({ ...passage, end: rest.start });
      passage = rest;
      await this.readFile(included, `${where} 'include'`, [...within, file]);
    }
    this.lines.add(passage);
  }

  /** A line that stands in no file. */
  async readOption({ text, where, isAsked }: WrittenLine): Promise<void> {
    const line = understood(firstLine(text), where);
    const included = this.look(line, where);
    if (included !== undefined) await this.readFile(included, `${where} 'include'`, []);
    else if (line instanceof ConfigError || !isObsolete(line)) this.lines.add({ line, where, isAsked });
  }

  /**
   * Notes what has to be known before lines are applied. What is wrong with one is told when it is applied.
   *
   * @returns the file that the line includes.
   */
  private look(line: Line | ConfigError, where: string): Included | undefined {
    if (line instanceof ConfigError) return undefined;
    if (isObsolete(line)) {
      const word = `${line.isNo ? 'no ' : ''}${line.word}`;
      this.notices.add(where, `'${word}': has had no effect for long, passed over`);
    }
    if (line.kind !== 'command') return undefined;
    const { name, doubts } = line.command;
    for (const doubt of doubts?.(line.words) ?? []) this.notices.add(where, `'${name}': ${doubt}`);
    for (const host of hostsIn(line, where)) if (!this.names.has(host)) this.names.set(host, where);
    const listen = listenIn(line);
    if (listen !== undefined) this.listen.set(line.farm, listen);
    const included = includedBy(line);
    return included === undefined ? undefined : { name: included, farm: line.farm };
  }

  async finish(): Promise<Script> {
    const { lines, listen } = this;
    const hosts = new Map<string, Endpoint>();
    const unknown = new Map<string, ConfigError>();
    for (const [name, where] of this.names) {
      try {
        hosts.set(name, await this.options.lookUp(name, where));
      } catch (error) {
        unknown.set(name, forPeople(error));
      }
    }
    return { lines, listen, hosts, unknown, notices: this.notices.texts() };
  }

  private open(name: string, where: string, within: readonly OpenedFile[]): OpenedFile | undefined {
    if (++this.sums.files > FILES_MAX) throw tooMuch(where, `${FILES_MAX} files`);
    let file: OpenedFile;
    try {
      file = this.openOnce(name, where, within);
    } catch (error) {
      this.lines.add({ line: forPeople(error), where, isAsked: false });
      return undefined;
    }
    this.sums.bytes += file.bytes.length;
    if (this.sums.bytes > BYTES_MAX) throw tooMuch(where, `${BYTES_MAX / 1024 / 1024} MB`);
    return file;
  }

  /** @errors ConfigError, also when it is being read already. */
  private openOnce(name: string, where: string, within: readonly OpenedFile[]): OpenedFile {
    if (within.length > DEPTH_MAX) {
      throw new ConfigError(where, `at most ${DEPTH_MAX} files may include one another in a row`);
    }
    const file = this.options.open(name, within.at(-1)?.path, where);
    if (within.every(({ identity }) => identity !== file.identity)) return file;
    throw new ConfigError(where, `'${name}' is being read already: it would include itself for ever`);
  }
}

/** What people should know of lines that are obeyed all the same: not more of it than they would read. */
class Notices {
  private readonly told: string[] = [];
  private more = 0;
  private last = '';

  add(where: string, text: string): void {
    if (this.told.length < NOTICES_MAX) {
      this.told.push(`${where} ${text}`);
      return;
    }
    this.more++;
    this.last = where;
  }

  texts(): readonly string[] {
    return this.more === 0 ? this.told : [...this.told, `and ${this.more} more of these, the last at ${this.last}`];
  }
}

function tooMuch(where: string, bound: string): ConfigError {
  return new ConfigError(where, `at most ${bound} may be read together: those of a file and of all that it includes`);
}

/** @errors the error itself when it is a surprise. */
function forPeople(error: unknown): ConfigError {
  if (error instanceof ConfigError) return error;
  throw error;
}
