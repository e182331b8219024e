/**
 * A file that lines are added to: the request log and its like. Whole lines or none, whatever the disk says, and anew
 * at the same path when somebody has renamed it.
 *
 * @owner main thread, which goes on meanwhile: Node's threads write, one piece at a time.
 */
import { accessSync, closeSync, constants, fstatSync, openSync, write } from 'node:fs';
import { dirname } from 'node:path';
import { fileReason } from './safe-file.ts';
import { checkWay } from './safe-way.ts';

/** Never through a link, which others may have put there; a FIFO that nobody reads is an error instead of a wait. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** It tells who has asked for what: for its owner and group. */
const MODE = 0o640;
const LF = Buffer.from('\n');

/** Where lines go. */
export interface LogTarget {
  /**
   * Takes lines, each of them whole or not at all.
   *
   * @param ends where each ends. @returns how many were lost, which is never an error. Not to be called again before it has settled.
   */
  readonly write: (bytes: Uint8Array, ends: Uint32Array) => Promise<number>;
  /** Begins anew at the same place. @errors Error with the reason in words; then it goes on where it is. */
  readonly reopen: () => void;
  readonly close: () => void;
}

export class LogFile implements LogTarget {
  private readonly path: string;
  private readonly say: (text: string) => void;
  private fd: number;
  /** The one that is being written to; -1 none. */
  private busy = -1;
  /** The last line was not written to its end. */
  private isTorn = false;
  private told = '';

  /** @param say is told when it cannot be written to. @errors Error with the reason in words. */
  constructor(path: string, say: (text: string) => void) {
    this.path = path;
    this.say = say;
    this.fd = openLog(path);
  }

  async write(bytes: Uint8Array, ends: Uint32Array): Promise<number> {
    const { fd } = this;
    this.busy = fd;
    try {
      if (this.isTorn) await writeAll(fd, LF);
      this.isTorn = false;
      await writeAll(fd, bytes);
      this.told = '';
      return 0;
    } catch (error) {
      const done = error instanceof PartlyWritten ? error.done : 0;
      // Of nothing written the end is as it was.
      if (done > 0) this.isTorn = fd === this.fd && !ends.includes(done);
      this.tell(
        `cannot write the log '${this.path}': ${fileReason(error instanceof PartlyWritten ? error.cause : error)}`,
      );
      return ends.filter((end) => end > done).length;
    } finally {
      this.busy = -1;
      if (fd !== this.fd) closeSync(fd);
    }
  }

  reopen(): void {
    const fd = openLog(this.path);
    const before = this.fd;
    this.fd = fd;
    this.isTorn = false;
    // What is being written is written to its end where it began.
    if (before !== this.busy) closeSync(before);
  }

  close(): void {
    closeSync(this.fd);
  }

  /** Once for each reason, until it works again. */
  private tell(text: string): void {
    if (text !== this.told) this.say(text);
    this.told = text;
  }
}

/** Finds out whether there can be a log, and makes none. @errors Error with the reason in words. */
export function tryLogFile(path: string): void {
  try {
    checkWay(path);
    closeSync(ordinary(openSync(path, FLAGS)));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw inWords(error);
    try {
      accessSync(dirname(path), constants.W_OK | constants.X_OK);
    } catch (reason) {
      throw inWords(reason);
    }
  }
}

function openLog(path: string): number {
  try {
    checkWay(path);
    return ordinary(openSync(path, FLAGS | constants.O_CREAT, MODE));
  } catch (error) {
    throw inWords(error);
  }
}

/** The descriptor of an ordinary file, or of /dev/null; any other is closed. */
function ordinary(fd: number): number {
  const stats = fstatSync(fd);
  if (stats.isFile() || stats.isCharacterDevice()) return fd;
  closeSync(fd);
  throw new Error('it is not an ordinary file');
}

const REASONS: Readonly<Record<string, string>> = {
  EISDIR: 'it is a folder',
  ENXIO: 'it is not an ordinary file',
  EACCES: 'permission denied',
};

function inWords(error: unknown): Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return new Error(REASONS[code] ?? fileReason(error), { cause: error });
}

/** What was written before it went wrong. */
class PartlyWritten extends Error {
  readonly done: number;

  constructor(done: number, cause: unknown) {
    super('not all was written', { cause });
    this.done = done;
  }
}

async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const from = done;
    try {
      done += await writeSome(fd, bytes, from, bytes.length - from);
    } catch (error) {
      throw new PartlyWritten(from, error);
    }
  }
}

async function writeSome(fd: number, bytes: Uint8Array, from: number, length: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, from, length, null, (error, count) => (error ? reject(error) : resolve(count)));
  });
}
