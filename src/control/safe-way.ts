/**
 * Where the way to a file leads, before something is written there: a folder in which everybody may write, such as
 * `/tmp`, lets anybody put a link in it that leads to a folder of ours. Links that root or we have made are followed, and
 * so are those in folders where not everybody may write: somebody meant them.
 *
 * What is found to be safe stays so: in a folder with the sticky bit nobody else can put another thing in the place of
 * what is root's or ours.
 *
 * @owner main thread.
 */
import { lstatSync, readlinkSync, statSync, type Stats } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';

/** Permission bits: everybody may write, and yet nobody may remove what is another's. */
const BY_ALL = 0o002;
const STICKY = 0o1000;
/** As many as the kernel follows. @source path_resolution(7) */
const LINKS_MAX = 40;

/**
 * Follows the way to a file, link by link, as the kernel does.
 *
 * @returns the folder it is in. @errors an Error that says who could lead it elsewhere; or that of the file system.
 */
export function checkWay(path: string): Stats {
  // Systems without users have neither such folders nor such links.
  if (process.geteuid) walk(path, process.geteuid());
  return statSync(dirname(path));
}

/** Whether anybody may put another file in the place of ours. */
export function isOpenToAll({ mode }: Stats): boolean {
  return (mode & BY_ALL) !== 0 && (mode & STICKY) === 0;
}

function walk(path: string, me: number): void {
  const steps = [...(isAbsolute(path) ? [] : process.cwd().split('/')), ...path.split('/').slice(0, -1)];
  let at = '/';
  let links = 0;
  for (let step = steps.shift(); step !== undefined; step = steps.shift()) {
    if (step === '' || step === '.') continue;
    if (step === '..') {
      at = dirname(at);
      continue;
    }
    const next = join(at, step);
    const there = lstatSync(next);
    checkStep(at, next, there, me);
    if (!there.isSymbolicLink()) {
      at = next;
      continue;
    }
    if (++links > LINKS_MAX) throw new Error(`'${next}' is a link that leads to itself`);
    const target = readlinkSync(next);
    if (isAbsolute(target)) at = '/';
    steps.unshift(...target.split('/'));
  }
}

function checkStep(folder: string, next: string, { uid }: Stats, me: number): void {
  const stats = statSync(folder);
  if ((stats.mode & BY_ALL) === 0) return;
  if (isOpenToAll(stats)) {
    throw new Error(`anybody may lead it elsewhere, because everybody may write to the folder '${folder}'`);
  }
  if (uid === 0 || uid === me) return;
  throw new Error(`'${next}' belongs to another user, who could lead it elsewhere; everybody may write to '${folder}'`);
}
