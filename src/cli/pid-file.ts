/**
 * The pid file: the process id in decimal, without a line end, as scripts of the original read it.
 *
 * @owner main thread.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { ConfigError } from '../config/model.ts';

const MODE = 0o644;
/** Follows no link, waits for no reader of a FIFO. */
const SAFELY = constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface PidFile {
  /** Removes the file, unless it is somebody else's by now. */
  remove(): void;
}

/**
 * Writes the pid file. A file left behind by a former process is overwritten; a link is not followed, because
 * whoever may write to the folder could otherwise choose which file we destroy.
 *
 * @errors ConfigError with the path and the reason.
 */
export function writePidFile(path: string, pid: number): PidFile {
  try {
    const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | SAFELY, MODE);
    try {
      if (!fstatSync(fd).isFile()) throw new Error('it is not an ordinary file');
      ftruncateSync(fd);
      writeOrRemove(fd, path, String(pid));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new ConfigError('-p', `cannot write the pid file '${path}': ${reasonOf(error)}`);
  }
  return { remove: () => removeOwn(path, pid) };
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
  if (code === 'ENXIO') return 'it is not an ordinary file';
  return error.message;
}
