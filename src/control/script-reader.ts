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
import { readLine, type Line } from '../config/commands.ts';
import { OBSOLETE_WORDS } from '../config/commands/later.ts';
import type { Context } from '../config/commands.ts';
import { ConfigError, failWith, type Configuration } from '../config/model.ts';
import { hasOpenQuote } from '../config/words.ts';
import { namesIn, runScript, type Ran, type Script, type ScriptLine } from '../config/script.ts';
import type { LookUp } from './lookups.ts';
import { pathWithin, type OpenedFile } from './config-file.ts';

/** Files that include one another, the first one not counted. */
const DEPTH_MAX = 16;
const OPEN_QUOTE = 'a word that begins with " ends with " and a blank behind it, or the end of the line';
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

/** @param where what to name when the file cannot be read. @errors none: they are in the script. */
export async function readScript(name: string, where: string, options: ReaderOptions): Promise<Script> {
  const reader = new ScriptReader(options);
  await reader.readFile(name, where, []);
  return reader.finish();
}

/** The same for lines that are in no file, but may include one. */
export async function readLines(lines: readonly WrittenLine[], options: ReaderOptions): Promise<Script> {
  const reader = new ScriptReader(options);
  for (const { text, where, isAsked } of lines) await reader.readLine(text, where, isAsked, []);
  return reader.finish();
}

/** Applies a script to a state; others have a turn now and then. @errors ConfigError: all of its mistakes. */
export async function applyScript(
  state: Configuration,
  script: Script,
  context: Omit<Context, 'hosts' | 'growing'>,
): Promise<Ran> {
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

class ScriptReader {
  private readonly options: ReaderOptions;
  private readonly lines: ScriptLine[] = [];
  private readonly notices: string[] = [];

  constructor(options: ReaderOptions) {
    this.options = options;
  }

  /** @param within files that are being read, the outermost first. */
  async readFile(name: string, where: string, within: readonly OpenedFile[]): Promise<void> {
    const file = this.open(name, where, within);
    if (!file) return;
    const texts = file.text.split('\n');
    for (const [index, text] of texts.entries()) {
      const place = `${file.path}:${index + 1}`;
      await this.readFileLine(text.replace(/\r$/, ''), place, [...within, file]);
      if (index % LINES === LINES - 1) await setImmediate();
    }
  }

  /** Refuses what would end the words of the line before the line ends, so that nothing is dropped unseen. */
  private async readFileLine(text: string, where: string, within: readonly OpenedFile[]): Promise<void> {
    if (!/[\r\0]/.test(text)) return this.readLine(text, where, true, within);
    this.refuse(where, 'the line has a carriage return or a NUL in it; lines end with a line feed, or with both');
  }

  private refuse(where: string, reason: string): void {
    this.lines.push({ line: new ConfigError(where, reason), where, isAsked: false });
  }

  async readLine(text: string, where: string, isAsked: boolean, within: readonly OpenedFile[]): Promise<void> {
    const line = readLine(text);
    if (line.kind === 'empty') return;
    if (hasOpenQuote(text.split(/[\r\n]/, 1)[0] ?? '')) return this.refuse(where, OPEN_QUOTE);
    if (line.kind === 'unknown' && OBSOLETE_WORDS.has(line.word)) {
      this.notices.push(`${where} '${line.isNo ? 'no ' : ''}${line.word}': has had no effect for long, passed over`);
      return;
    }
    if (line.kind === 'command') {
      const { name, doubts } = line.command;
      for (const doubt of doubts?.(line.words) ?? []) this.notices.push(`${where} '${name}': ${doubt}`);
    }
    const included = includedBy(line);
    if (included === undefined) this.lines.push({ line, where, isAsked });
    else await this.readFile(included, `${where} 'include'`, within);
  }

  async finish(): Promise<Script> {
    const { lines, notices } = this;
    const hosts = new Map<string, Endpoint>();
    const unknown = new Map<string, ConfigError>();
    for (const [name, where] of namesIn(lines)) {
      try {
        hosts.set(name, await this.options.lookUp(name, where));
      } catch (error) {
        unknown.set(name, forPeople(error));
      }
    }
    return { lines, hosts, unknown, notices };
  }

  private open(name: string, where: string, within: readonly OpenedFile[]): OpenedFile | undefined {
    try {
      if (within.length > DEPTH_MAX) {
        throw new ConfigError(where, `at most ${DEPTH_MAX} files may include one another in a row`);
      }
      const file = this.options.open(name, within.at(-1)?.path, where);
      if (within.some(({ identity }) => identity === file.identity)) {
        throw new ConfigError(where, `'${name}' is being read already: it would include itself for ever`);
      }
      return file;
    } catch (error) {
      this.lines.push({ line: forPeople(error), where, isAsked: false });
      return undefined;
    }
  }
}

/** @errors the error itself when it is a surprise. */
function forPeople(error: unknown): ConfigError {
  if (error instanceof ConfigError) return error;
  throw error;
}

/** The file that a line includes; undefined for every other line. */
function includedBy(line: Line): string | undefined {
  if (line.kind !== 'command' || line.command.name !== 'include') return undefined;
  return line.words[0] ?? '';
}
