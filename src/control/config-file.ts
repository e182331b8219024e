/**
 * Files of commands: read whole, and only if they are ordinary files.
 *
 * @owner main thread.
 */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, normalize, relative, resolve } from 'node:path';
import { ConfigError } from '../config/model.ts';
import { shorten } from '../config/numbers.ts';
import { printable } from '../config/words.ts';
import { fileReason } from './safe-file.ts';

const MIB = 1024 * 1024;
/** More than that is no configuration: of one file, and of all that are read together. */
export const BYTES_MAX = 64 * MIB;
const MARK = Buffer.from('\uFEFF');

/** A file that was read. */
export interface OpenedFile {
  /** Where it was found. */
  readonly path: string;
  /** The same for the same file, whatever its name. */
  readonly identity: string;
  readonly bytes: Buffer;
}

/**
 * Reads a file. A relative name is looked for beside the file that names it, then in the folder Pen was started in.
 *
 * @errors ConfigError that names the file and says why it cannot be read.
 */
export function openConfigFile(name: string, from: string | undefined, where: string): OpenedFile {
  if (name === '') throw new ConfigError(where, 'needs the name of a file');
  printable(name, where);
  const places = new Set(
    isAbsolute(name) || from === undefined ? [name] : [join(dirname(from), name), normalize(name)],
  );
  for (const path of places) {
    const file = readIfThere(path, where);
    if (file) return file;
  }
  throw new ConfigError(where, `there is no file ${[...places].map((path) => `'${shorten(path)}'`).join(', nor ')}`);
}

/** Never waits for the other end of a FIFO. */
function readIfThere(path: string, where: string): OpenedFile | undefined {
  const failed = (reason: string): ConfigError => new ConfigError(where, `cannot read '${shorten(path)}': ${reason}`);
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT') return undefined;
    throw failed(code === 'EACCES' ? 'permission denied' : fileReason(error));
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new Error('it is not an ordinary file');
    return { path, identity: `${stats.dev}:${stats.ino}`, bytes: withoutMark(readWhole(fd, stats.size)) };
  } catch (error) {
    throw failed(fileReason(error));
  } finally {
    closeSync(fd);
  }
}

/** As much as it says it has: some files of the system say they are empty, and never end. */
function readWhole(fd: number, size: number): Buffer {
  if (size > BYTES_MAX) throw new Error(`it has more than ${BYTES_MAX / MIB} MB`);
  const buffer = Buffer.alloc(size + 1);
  for (let length = 0; length <= size;) {
    const count = readSync(fd, buffer, length, buffer.length - length, null);
    if (count === 0) return buffer.subarray(0, length);
    length += count;
  }
  throw new Error(`it has more than the ${size} bytes that it is said to have; is somebody writing to it?`);
}

/** Without the byte order mark that some editors write in front. */
function withoutMark(bytes: Buffer): Buffer {
  return bytes.subarray(0, MARK.length).equals(MARK) ? bytes.subarray(MARK.length) : bytes;
}

/**
 * The path of a file that a control command names: in the folder that all of them must be in, if there is one, and
 * through no link out of it.
 *
 * @param folder empty: anywhere.
 * @errors ConfigError for a name that leads elsewhere.
 */
export function pathWithin(folder: string, name: string, where: string): string {
  if (name === '') throw new ConfigError(where, 'needs the name of a file');
  printable(name, where);
  if (folder === '') return name;
  try {
    const root = realpathSync(folder);
    const path = resolve(root, name);
    const real = realIfThere(path) ?? join(realpathSync(dirname(path)), basename(path));
    const steps = relative(root, real);
    if (steps !== '' && !isAbsolute(steps) && steps.split('/', 1)[0] !== '..') return printable(real, where);
  } catch (error) {
    throw new ConfigError(where, `cannot use '${shorten(name)}' in ${folder}: ${fileReason(error)}`);
  }
  throw new ConfigError(where, `'${shorten(name)}' is not in ${folder}, where control_dir has such files be`);
}

function realIfThere(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
