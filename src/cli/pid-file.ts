/**
 * The pid file: the process id in decimal, without a line end, as scripts of the original read it.
 *
 * Whoever has written it keeps it open and locked. So a file that a dead process left behind is told from that of a
 * running one by the kernel, also when the number in it belongs to somebody else by now, as after a restart of the
 * machine.
 *
 * @owner main thread.
 */
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readFileSync,
  readSync,
  unlinkSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError } from '../config/model.ts';
import { checkWay, isOpenToAll } from '../control/safe-way.ts';
import type { Host } from '../loop/host.ts';

const MODE = 0o644;
/** Follows no link, waits for no reader of a FIFO. */
const SAFELY = constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Longer than any process id with the space around it. */
const TEXT_MAX = 64;
const NOT_ORDINARY = 'it is not an ordinary file';

export interface PidFileOptions {
  /** Who knows whether another process holds it. **Default** nobody. */
  readonly host?: Pick<Host, 'lockFile'> | undefined;
  /** Whose eyes we see files with; for the error. **Default** those of who started us. */
  readonly view?: string;
  /** Who named it; for the error. **Default** -p. */
  readonly where?: string;
}

export interface PidFile {
  /** Removes the file, unless it is somebody else's by now. */
  remove(): void;
}

/**
 * Writes the pid file. One left behind by a former process is overwritten. A link is not followed, and a file that holds
 * anything but a number is left alone: whoever names a wrong file by mistake, or may write to the folder, shall not
 * have us destroy it. Nor do we write where another user could put another number afterwards: root kills whom it names.
 *
 * @errors ConfigError with the path and the reason.
 */
export function writePidFile(path: string, pid: number, options: PidFileOptions): PidFile {
  return explaining(path, options, () => {
    checkFolder(path);
    const fd = claim(path, options);
    ftruncateSync(fd);
    writeOrRemove(fd, path, String(pid));
    return { remove: () => removeOwn(path, pid) };
  });
}

/**
 * Finds out whether the pid file could be written, and writes nothing: before anybody is served.
 *
 * @errors as those of `writePidFile`.
 */
export function checkPidFile(path: string, options: PidFileOptions & { readonly isWriter: boolean }): void {
  const { isWriter } = options;
  explaining(path, options, () => {
    checkFolder(path);
    if (lstatSync(path, { throwIfNoEntry: false })) {
      const fd = openSync(path, (isWriter ? constants.O_RDWR : constants.O_RDONLY) | SAFELY);
      try {
        // Who is not to be the writer cannot tell whose file that one may have.
        if (isWriter) checked(fd, options);
      } finally {
        closeSync(fd);
      }
    } else if (isWriter) {
      accessSync(dirname(path), constants.W_OK | constants.X_OK);
    }
  });
}

function explaining<Result>(path: string, { where, view = '' }: PidFileOptions, body: () => Result): Result {
  try {
    return body();
  } catch (error) {
    throw new ConfigError(where ?? '-p', `cannot write the pid file '${path}'${view}: ${reasonOf(error)}`);
  }
}

function checkFolder(path: string): void {
  if (!isOpenToAll(checkWay(path))) return;
  throw new Error('anybody may put another file in its place, because everybody may write to the folder');
}

/** Opens the file and locks it; again when its holder has removed it meanwhile. It stays open, so stays ours. */
function claim(path: string, options: PidFileOptions): number {
  for (;;) {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | SAFELY, MODE);
    try {
      const { ino, dev } = checked(fd, options);
      const there = lstatSync(path, { throwIfNoEntry: false });
      if (there?.ino === ino && there.dev === dev) return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    closeSync(fd);
  }
}

/** @errors an Error when the file is not ours to overwrite; then it is as it was. */
function checked(fd: number, { host }: PidFileOptions): Stats {
  const stats = fstatSync(fd);
  if (!stats.isFile()) throw new Error(NOT_ORDINARY);
  if (stats.nlink > 1) throw new Error('it has another name as well (a hard link), so it was left alone');
  if (isAnothers(stats)) throw new Error('it belongs to another user, who could change it; remove it first');
  const bytes = Buffer.alloc(TEXT_MAX);
  const text = bytes.toString('latin1', 0, readSync(fd, bytes, 0, TEXT_MAX, 0)).trim();
  if (stats.size > TEXT_MAX || !/^[0-9]*$/.test(text)) {
    throw new Error('it holds something else than the number of a process, so it was left alone');
  }
  if (host && !host.lockFile(fd)) {
    const holder = text === '' ? 'another process' : `process ${text}`;
    throw new Error(`${holder} runs and holds it; stop that process, or name another file`);
  }
  return stats;
}

/** Root's files are nobody's to change. */
function isAnothers({ uid }: Stats): boolean {
  const own = process.geteuid?.();
  return own !== undefined && uid !== own && uid !== 0;
}

/** An empty file would tell scripts of a process that is none. */
function writeOrRemove(fd: number, path: string, text: string): void {
  try {
    writeSync(fd, text);
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
}

/** Removes the file if it still names our process. */
function removeOwn(path: string, pid: number): void {
  try {
    const fd = openSync(path, constants.O_RDONLY | SAFELY);
    const text = readFileSync(fd, 'utf8');
    closeSync(fd);
    if (text === String(pid)) unlinkSync(path);
  } catch {
    // It is gone, or no longer ours to remove; the process ends all the same.
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? error.code : '';
  if (code === 'ELOOP') return 'it is a symbolic link, which is not followed';
  if (code === 'ENOENT') return 'the folder does not exist';
  if (code === 'EACCES') return 'permission denied';
  if (code === 'ENOSPC') return 'no space left on its device';
  if (code === 'EROFS') return 'its file system is read-only';
  if (code === 'EISDIR') return 'it is a folder';
  if (code === 'ENXIO') return NOT_ORDINARY;
  return error.message;
}
