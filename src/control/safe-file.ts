/**
 * Writing a file as a whole or not at all, where others may write to its folder: a new file beside it takes its place
 * in one step. So no reader sees half of it, a full disk costs nothing that was there, and no link leads us elsewhere.
 *
 * @owner main thread, which goes on meanwhile: pieces are written by Node's threads, one at a time.
 */
import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { lstat, open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { checkWay } from './safe-way.ts';

/** A new file of our own: never one that is there, never through a link. */
const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const PERMISSIONS = 0o777;
/** As much of the name as fits with what is put around it, also when each character takes four bytes. */
const NAME_LENGTH = 50;

export interface ReplaceOptions {
  /** Permissions of the file, whatever the umask. */
  readonly mode: number;
  /** A file that is there keeps its owner and permissions, as far as we may: for files that others read. */
  readonly keepsOwner?: boolean;
  /** Waits until it is on the disk: for files that must outlive a power failure. */
  readonly isDurable?: boolean;
}

/**
 * Puts a file in the place of `path`. What is there must be an ordinary file, or nothing; a link is not followed, and
 * left alone. On the way there only links are followed that nobody else can have planted.
 *
 * @param pieces are asked for one at a time; main has a turn in between.
 * @errors FileError with the reason, whatever was thrown meanwhile; then the file is as it was.
 */
export async function replaceFile(path: string, pieces: Iterable<string>, options: ReplaceOptions): Promise<void> {
  let beside: string | undefined;
  try {
    checkWay(path);
    const before = await ordinary(path);
    const name = `.${basename(path).slice(0, NAME_LENGTH)}.${randomBytes(8).toString('hex')}`;
    const file = await open(join(dirname(path), name), NEW, 0o600);
    beside = join(dirname(path), name);
    try {
      await settle(file, options, before);
      for (const piece of pieces) {
        await file.writeFile(piece);
        await setImmediate();
      }
      if (options.isDurable === true) await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    if (beside !== undefined) await unlink(beside).catch(() => undefined);
    throw new FileError(fileReason(error), { cause: error });
  }
}

/** Why a file could not be written, in words; `cause` has the original. */
export class FileError extends Error {
  override readonly name = 'FileError';
}

/** What is at the path; undefined when nothing is. @errors when it is not an ordinary file. */
async function ordinary(path: string): Promise<Stats | undefined> {
  const stats = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (stats?.isSymbolicLink() === true) throw new Error('it is a symbolic link, which is not followed');
  if (stats?.isDirectory() === true) throw new Error('it is a folder');
  if (stats?.isFile() === false) throw new Error('it is not an ordinary file');
  return stats;
}

/** Owner first: a change of owner takes permissions away. */
async function settle(
  file: FileHandle,
  { mode, keepsOwner }: ReplaceOptions,
  before: Stats | undefined,
): Promise<void> {
  const kept = keepsOwner === true ? before : undefined;
  // Who is not root cannot give files away; then it is ours.
  if (kept) await file.chown(kept.uid, kept.gid).catch(() => undefined);
  await file.chmod(kept ? kept.mode & PERMISSIONS : mode);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied in its folder',
  EPERM: 'permission denied in its folder',
  ELOOP: 'it is a symbolic link, which is not followed',
  ENOENT: 'the folder does not exist',
  ENOTDIR: 'what should be its folder is none',
  ENOSPC: 'no space left on its device',
  EDQUOT: 'no space left for its owner',
  EROFS: 'its file system is read-only',
  ENAMETOOLONG: 'its name is too long',
};

/** An error of the file system, in words. */
export function fileReason(error: unknown): string {
  return REASONS[codeOf(error)] ?? (error instanceof Error ? error.message : String(error));
}
