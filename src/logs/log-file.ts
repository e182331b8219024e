/**
 * A log that is written to while it may be renamed, removed, copied or cut by others: lines are appended in whole pieces, and
 * the file is opened again when somebody says so.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { codeOf, WriteError, writeAll } from './output.ts';

/** Whoever may write to the folder cannot lead us to another file, nor have us wait for a reader. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** The log has addresses of people. */
const MODE = 0o640;
const STDOUT = 1;

export class LogFile {
  /** Lines that could not be written. */
  lostCount = 0;
  /** What an error of the last write was; undefined when it went well. */
  failure: string | undefined;
  /** Undefined: standard output. */
  private readonly path: string | undefined;
  private fd: number;
  private lines: string[] = [];
  /** The last write ended within a line. */
  private isTorn = false;

  /** @errors an Error with the reason, when it cannot be opened. */
  constructor(path: string | undefined) {
    this.path = path;
    this.fd = path === undefined ? STDOUT : open(path);
  }

  /** @param line without its end; each character a byte. Written with the next flush. */
  add(line: string): void {
    this.lines.push(line);
  }

  /** Writes all there is, in one piece. What cannot be written is lost, and counted. */
  flush(): void {
    const { lines } = this;
    if (lines.length === 0) return;
    this.lines = [];
    const bytes = Buffer.from(`${this.isTorn ? '\n' : ''}${lines.join('\n')}\n`, 'latin1');
    try {
      writeAll(this.fd, bytes);
      this.isTorn = false;
      this.failure = undefined;
    } catch (error) {
      const written = bytes.subarray(0, error instanceof WriteError ? error.written : 0);
      this.failure = error instanceof Error ? error.message : String(error);
      this.lostCount += lines.length - wholeLines(written, this.isTorn);
      this.isTorn = written.length > 0 ? written.at(-1) !== LINE_FEED : this.isTorn;
    }
  }

  /** Opens the file again, which may be another one by now. @errors as at the start; then the old one is kept. */
  reopen(): void {
    this.flush();
    if (this.path === undefined) return;
    const old = this.fd;
    this.fd = open(this.path);
    this.isTorn = false;
    closeSync(old);
  }

  close(): void {
    this.flush();
    if (this.path !== undefined) closeSync(this.fd);
  }
}

const LINE_FEED = 10;

function wholeLines(bytes: Uint8Array, isTorn: boolean): number {
  const ends = bytes.reduce((sum, byte) => sum + (byte === LINE_FEED ? 1 : 0), 0);
  return Math.max(0, ends - (isTorn ? 1 : 0));
}

function open(path: string): number {
  try {
    const fd = openSync(path, FLAGS, MODE);
    if (!fstatSync(fd).isDirectory()) return fd;
    closeSync(fd);
    throw new Error('it is a folder');
  } catch (error) {
    throw new Error(REASONS[codeOf(error)] ?? (error instanceof Error ? error.message : String(error)), {
      cause: error,
    });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
  ELOOP: 'it is a symbolic link, which is not followed',
  ENOENT: 'the folder does not exist',
  ENXIO: 'nobody reads from it',
  EROFS: 'its file system is read-only',
};
