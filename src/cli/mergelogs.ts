/** `mergelogs`: makes one log of those of several web servers, with the clients from Pen's own log. */
import { closeSync, openSync } from 'node:fs';
import { ConfigError } from '../config/model.ts';
import { parseWhole } from '../config/numbers.ts';
import { plainAddress } from '../logs/address-text.ts';
import { LineReader } from '../logs/line-reader.ts';
import { Merge, type Counts } from '../logs/merge.ts';
import { codeOf, writeAll } from '../logs/output.ts';
import type { Given, Tool } from './letters.ts';
import { showProgress } from './progress.ts';

export const MERGELOGS: Tool = {
  name: 'mergelogs',
  synopsis: '-p penlog [-c] [-d] [-j sec] [-r file] [-t sec] server:logfile [server:logfile ...]',
  letters: [
    { letter: 'p', argument: 'FILE', help: 'the log of pen; must be given' },
    { letter: 'j', argument: 'SEC', help: 'times of pen and of a web server differ by no more than SEC seconds [600]' },
    { letter: 'c', help: 'remember all of the log of pen, and let times differ by as much as they like' },
    {
      letter: 't',
      argument: 'SEC',
      help: 'for logs of pen from a clock that shows local time: what it is ahead of UTC, in seconds',
    },
    { letter: 'r', argument: 'FILE', help: 'put lines that are no lines of a web server into FILE' },
    { letter: 'd', help: 'tell at the end what was found' },
  ],
};

const JITTER_DEFAULT = 600;
const SECONDS_MAX = 2 ** 31 - 1;
/** So many lines between two looks at the clock. */
const STEP_LINES = 5000;
const OUTPUT_BYTES = 256 * 1024;
const STDOUT = 1;

/** One `server:logfile`. */
interface NamedLog {
  /** As it is written. */
  readonly server: string;
  readonly path: string;
}

/** @returns 0; 1 when who reads the output has gone; undefined when usage is wanted. @errors ConfigError. */
export function mergelogs(given: Given): number | undefined {
  if (given.words.length === 0) return undefined;
  const path = given.last('p');
  if (path === undefined || path === '') throw new ConfigError('-p', 'missing; say which file is the log of pen');
  const logs = given.words.map(readName);
  const options = { jitter: jitterOf(given), shift: secondsOf(given, 't', -SECONDS_MAX) };
  const pen = reader('-p', path);
  const readers = logs.map((log) => reader(nameOf(log), log.path));
  const output = new Output(STDOUT);
  const rejects = rejectsOf(given.last('r'), output);
  const merge = new Merge(
    guarded('-p', pen),
    logs.map((log, at) => ({
      server: plainAddress(log.server) ?? log.server,
      next: guarded(nameOf(log), readers[at]),
    })),
    options,
    output.write,
    rejects.write,
  );
  try {
    run(merge, [pen, ...readers]);
    output.flush();
    rejects.close();
  } catch (error) {
    if (codeOf(error) === 'EPIPE') return 1;
    if (error instanceof ConfigError) throw error;
    throw new ConfigError('output', `cannot be written (${error instanceof Error ? error.message : String(error)})`);
  }
  tell(merge.counts, logs, path, given.all('d').length > 0);
  return 0;
}

function run(merge: Merge, readers: readonly LineReader[]): void {
  const progress = showProgress('mergelogs', readers);
  try {
    while (merge.step(STEP_LINES)) progress.tick(STEP_LINES);
  } finally {
    progress.end();
  }
}

/** At the first colon, or the one behind brackets. */
function readName(word: string): NamedLog {
  const [, bracketed, plain, path = ''] = /^(?:\[([^\]]*)\]|([^:]*)):(.*)$/s.exec(word) ?? [];
  const server = bracketed ?? plain ?? '';
  if (server !== '' && path !== '') return { server, path };
  throw new ConfigError(word, 'write server:logfile, an IPv6 address in brackets');
}

function nameOf({ server, path }: NamedLog): string {
  return `${server}:${path}`;
}

function jitterOf(given: Given): number {
  const jitter = secondsOf(given, 'j', 0) ?? JITTER_DEFAULT;
  return given.all('c').length > 0 ? Infinity : jitter;
}

function secondsOf(given: Given, letter: string, min: number): number | undefined {
  const text = given.last(letter);
  return text === undefined ? undefined : parseWhole(text, `-${letter}`, min, SECONDS_MAX);
}

function reader(where: string, path: string): LineReader {
  try {
    return new LineReader(path);
  } catch (error) {
    throw unreadable(where, path, error);
  }
}

/** What goes wrong while a file is read is told as what goes wrong when it is opened. */
function guarded(where: string, lines: LineReader | undefined): () => string | undefined {
  return () => {
    try {
      return lines?.next();
    } catch (error) {
      throw unreadable(where, lines?.path ?? '', error);
    }
  };
}

function unreadable(where: string, path: string, error: unknown): ConfigError {
  const code = codeOf(error);
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such file',
    EACCES: 'permission denied',
    EISDIR: 'it is a folder',
  };
  const reason = reasons[code] ?? (error instanceof Error ? error.message : String(error));
  return new ConfigError(where, `cannot read '${path}': ${reason}`);
}

/** Lines, written some at a time. */
class Output {
  private readonly fd: number;
  private lines: string[] = [];
  private size = 0;

  constructor(fd: number) {
    this.fd = fd;
  }

  readonly write = (line: string): void => {
    this.lines.push(line);
    this.size += line.length + 1;
    if (this.size >= OUTPUT_BYTES) this.flush();
  };

  flush(): void {
    if (this.lines.length === 0) return;
    writeAll(this.fd, Buffer.from(`${this.lines.join('\n')}\n`, 'latin1'));
    this.lines = [];
    this.size = 0;
  }

  close(): void {
    this.flush();
    if (this.fd !== STDOUT) closeSync(this.fd);
  }
}

function rejectsOf(path: string | undefined, otherwise: Output): Output {
  if (path === undefined) return otherwise;
  try {
    return new Output(openSync(path, 'w'));
  } catch (error) {
    throw new ConfigError('-r', `cannot write '${path}' (${codeOf(error)})`);
  }
}

/** What a person should know: each log with `-d`, and in any case one in which nobody was found. */
function tell(counts: readonly Counts[], logs: readonly NamedLog[], pen: string, isAsked: boolean): void {
  counts.forEach(({ found, missed, strange }, at) => {
    const { server = '', path = '' } = logs[at] ?? {};
    const total = found + missed + strange;
    if (isAsked) {
      process.stderr.write(
        `${path}: ${total} lines, ${found} with a client, ${missed} without, ${strange} of another shape\n`,
      );
    }
    if (found > 0 || missed === 0) return;
    process.stderr.write(
      `mergelogs: ${path}: ${pen} has no client for any of its ${missed} lines; is ${server} what pen calls that server, and do the times agree (-j, -t)?\n`,
    );
  });
}
