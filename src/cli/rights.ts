/**
 * Whom to run as (`-u`) and what to see of the file system (`-j`): checked at start, done when all that needs the rights
 * of root stands, before the first client is served.
 *
 * @owner main thread.
 */
import { realpathSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { ENOSYS, errnoName } from '../base/errno.ts';
import { ConfigError } from '../config/model.ts';
import type { Host } from '../loop/host.ts';

/** A user of the system. */
export interface User {
  readonly name: string;
  readonly uid: number;
  /** Its own group. */
  readonly gid: number;
}

/** What is to be given up. */
export interface Rights {
  /** Whom to become; undefined: nobody else. */
  readonly user: User | undefined;
  /** The folder that becomes the root directory, absolute and without links. */
  readonly jail: string | undefined;
  /** Somebody has named the user, so that it is no oversight when it is root. */
  readonly isUserNamed: boolean;
}

/** What Node does about it, for all threads at once. Each call throws when it is refused. */
export interface Caller {
  geteuid(): number;
  seteuid(id: number | string): void;
  initgroups(user: string, group: number): void;
  chdir(path: string): void;
  setgid(id: number): void;
  setuid(id: number): void;
}

/** Node itself; undefined on systems without users. */
export function systemCaller(): Caller | undefined {
  // Its type does not know initgroups.
  return process.setuid ? (process as unknown as Caller) : undefined;
}

/**
 * Finds out what the options mean here.
 *
 * @errors ConfigError: an unknown user, a folder that is none, or only root may do this.
 */
export function readRights(
  { user, jail }: { readonly user: string | undefined; readonly jail: string | undefined },
  caller = systemCaller(),
): Rights {
  return {
    user: user === undefined ? undefined : findUser(user, caller),
    jail: jail === undefined ? undefined : findJail(jail, caller),
    isUserNamed: user !== undefined,
  };
}

/**
 * @param asked a name, or the number of a user who has one. @param whoWeAre as the system knows us at that moment.
 * @returns undefined when we are that user already.
 */
export function findUser(
  asked: string,
  caller: Caller | undefined,
  whoWeAre: () => User | undefined = currentUser,
): User | undefined {
  if (asked === '') throw new ConfigError('-u', 'needs the name of a user, not an empty word');
  const current = whoWeAre();
  if (asked === current?.name || asked === String(current?.uid)) return undefined;
  if (!caller) throw new ConfigError('-u', 'this system has no users to change to');
  if (caller.geteuid() !== 0) throw new ConfigError('-u', `only root may become another user (${asked})`);
  const found = userNamed(asked, caller, whoWeAre);
  return found.uid === 0 ? undefined : found;
}

/**
 * Asks by being that user for a moment: so all places are asked that the system knows users from, and Node tells the
 * group of nobody but the user it runs as.
 */
function userNamed(asked: string, caller: Caller, whoWeAre: () => User | undefined): User {
  try {
    caller.seteuid(/^\d+$/.test(asked) ? Number(asked) : asked);
  } catch (error) {
    if (codeOf(error) === 'ERR_UNKNOWN_CREDENTIAL') throw new ConfigError('-u', `there is no user '${asked}'`);
    throw new ConfigError('-u', `cannot become '${asked}': ${reasonOf(error)}`);
  }
  try {
    const found = whoWeAre();
    if (!found) throw new ConfigError('-u', `user ${asked} has no name, so its groups are not known`);
    return found;
  } finally {
    caller.seteuid(0);
  }
}

/** Who we are; undefined when the system has no name for it. */
function currentUser(): User | undefined {
  try {
    const { username, uid, gid } = userInfo();
    return { name: username, uid, gid };
  } catch {
    return undefined;
  }
}

function findJail(asked: string, caller: Caller | undefined): string {
  if (asked === '') throw new ConfigError('-j', 'needs the path of a folder, not an empty word');
  if (caller?.geteuid() !== 0) throw new ConfigError('-j', 'only root may change the root directory');
  try {
    const path = realpathSync.native(asked);
    if (!statSync(path).isDirectory()) throw new Error('it is not a folder');
    return path;
  } catch (error) {
    throw new ConfigError('-j', `cannot make '${asked}' the root directory: ${reasonOf(error)}`);
  }
}

/** With whose eyes files are seen afterwards, to go with the path of one. */
export function viewOf({ user, jail }: Rights): string {
  const words = [...(jail === undefined ? [] : [`in the jail ${jail}`]), ...(user ? [`as ${user.name}`] : [])];
  return words.length === 0 ? '' : ` (${words.join(', ')})`;
}

/** Whether this host can do what was asked for. @errors ConfigError. */
export function checkHost({ jail }: Rights, host: Pick<Host, 'changeRoot'>): void {
  if (jail === undefined || host.changeRoot) return;
  throw new ConfigError(
    '-j',
    "the root directory cannot be changed by Node's own means, which this start is left with",
  );
}

/**
 * Gives up what is to be given up, for good, in all threads.
 *
 * Groups come first, because they are read from files that a jail does not have. A step that fails ends the start: half
 * of them are worse than none.
 * @returns what the person should know.
 * @errors ConfigError with the step and the reason.
 */
export function giveUp(
  rights: Rights,
  host: Pick<Host, 'changeRoot' | 'sealRights'>,
  caller = systemCaller(),
): string[] {
  const { user, jail } = rights;
  if (!caller || (!user && jail === undefined)) return rootWarnings(rights, caller);
  if (user) step('-u', `take the groups of ${user.name}`, () => caller.initgroups(user.name, user.gid));
  if (jail !== undefined) enterJail(jail, host, caller);
  if (user) {
    step('-u', `take the group of ${user.name}`, () => caller.setgid(user.gid));
    step('-u', `become ${user.name}`, () => caller.setuid(user.uid));
    checkNoWayBack(user, caller);
  }
  const unsealed = host.sealRights?.() ?? '';
  return [
    ...(unsealed === '' ? [] : [`rights are given up, but could come back: ${unsealed}`]),
    ...rootWarnings(rights, caller),
  ];
}

/** Who takes over a process of root has the machine. */
function rootWarnings({ jail, isUserNamed }: Rights, caller: Caller | undefined): string[] {
  if (caller?.geteuid() !== 0) return [];
  if (jail !== undefined) return ['a jail does not hold root: say -u USER as well'];
  return isUserNamed ? [] : ['running as root: say -u USER to give that up, or -u root if it has to be'];
}

function enterJail(jail: string, host: Pick<Host, 'changeRoot'>, caller: Caller): void {
  const result = host.changeRoot?.(jail) ?? -ENOSYS;
  if (result < 0) throw new ConfigError('-j', `cannot make '${jail}' the root directory: ${errnoName(result)}`);
  step('-j', 'enter the new root directory', () => caller.chdir('/'));
}

/** What is given up must be out of reach, or it was not given up. */
function checkNoWayBack({ name }: User, caller: Caller): void {
  try {
    caller.seteuid(0);
  } catch {
    return;
  }
  throw new ConfigError('-u', `root can be had back from ${name}, which must not be`);
}

function step(option: string, what: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    throw new ConfigError(option, `cannot ${what}: ${reasonOf(error)}`);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOENT') return 'it does not exist';
  // Node's threads for files would keep the rights of the start. @source CVE-2024-22017
  if (code === 'ERR_INVALID_STATE') return 'Node does not let us while the environment has UV_USE_IO_URING; unset it';
  return error instanceof Error ? error.message : String(error);
}
