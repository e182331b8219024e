import { mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkHost, findUser, giveUp, readRights, viewOf, type Caller } from './rights.ts';

const USER = { name: 'www', uid: 33, gid: 34 };
const ROOT = { name: 'root', uid: 0, gid: 0 };

/** Notes what is asked of the system; `fails` is refused, with the given code. */
function system({ fails = '', code = 'EPERM', back = 'refused' } = {}) {
  const calls: string[] = [];
  const note = (name: string, ...values: unknown[]): void => {
    const call = [name, ...values].join(' ');
    calls.push(call);
    if (name === fails) throw Object.assign(new Error(`${name} ${code}`), { code });
  };
  let euid = 0;
  const caller: Caller = {
    geteuid: () => euid,
    seteuid: (id) => {
      note('seteuid', id);
      if (euid !== 0 && back === 'refused') throw new Error('EPERM');
    },
    initgroups: (user, group) => note('initgroups', user, group),
    chdir: (path) => note('chdir', path),
    setgid: (id) => note('setgid', id),
    setuid: (id) => {
      note('setuid', id);
      euid = id;
    },
  };
  const host = {
    changeRoot: (path: string): number => {
      calls.push(`changeRoot ${path}`);
      return fails === 'changeRoot' ? -1 : 0;
    },
    sealRights: (): string => {
      calls.push('sealRights');
      return fails === 'sealRights' ? 'no such call' : '';
    },
  };
  return { calls, caller, host };
}

describe('rights are given up', () => {
  const ALL = ['initgroups www 34', 'changeRoot /jail', 'chdir /', 'setgid 34', 'setuid 33', 'seteuid 0', 'sealRights'];

  test('in an order in which each step can still be made, and the way back is tried', () => {
    const { calls, caller, host } = system();
    expect(giveUp({ user: USER, jail: '/jail', isUserNamed: true }, host, caller)).toEqual([]);
    expect(calls).toEqual(ALL);
  });

  test('as far as was asked for', () => {
    const user = system();
    expect(giveUp({ user: USER, jail: undefined, isUserNamed: true }, user.host, user.caller)).toEqual([]);
    expect(user.calls).toEqual(ALL.filter((call) => !/changeRoot|chdir/.test(call)));
    const jail = system();
    expect(giveUp({ user: undefined, jail: '/jail', isUserNamed: false }, jail.host, jail.caller)).toEqual([
      'a jail does not hold root: say -u USER as well',
    ]);
    expect(jail.calls).toEqual(['changeRoot /jail', 'chdir /', 'sealRights']);
    const none = system();
    expect(giveUp({ user: undefined, jail: undefined, isUserNamed: true }, none.host, none.caller)).toEqual([]);
    expect(none.calls).toEqual([]);
  });

  test('or it is said that they are not, unless somebody has named the user', () => {
    const { calls, caller, host } = system();
    const nobodySaid = { user: undefined, jail: undefined, isUserNamed: false };
    expect(giveUp(nobodySaid, host, caller)).toEqual([
      'running as root: say -u USER to give that up, or -u root if it has to be',
    ]);
    expect(giveUp(nobodySaid, host, { ...caller, geteuid: () => 1000 })).toEqual([]);
    expect(calls).toEqual([]);
  });

  test.each([
    ['initgroups', '-u: cannot take the groups of www: initgroups EPERM', 1],
    ['changeRoot', "-j: cannot make '/jail' the root directory: EPERM", 2],
    ['chdir', '-j: cannot enter the new root directory: chdir EPERM', 3],
    ['setgid', '-u: cannot take the group of www: setgid EPERM', 4],
    ['setuid', '-u: cannot become www: setuid EPERM', 5],
  ])('all or nothing: when %s fails, nothing follows', (fails, message, count) => {
    const { calls, caller, host } = system({ fails });
    expect(() => giveUp({ user: USER, jail: '/jail', isUserNamed: true }, host, caller)).toThrow(message);
    expect(calls).toEqual(ALL.slice(0, count));
  });

  test('and must not come back', () => {
    const { caller, host } = system({ back: 'given' });
    expect(() => giveUp({ user: USER, jail: undefined, isUserNamed: true }, host, caller)).toThrow(
      /-u: root can be had back from www/,
    );
  });

  test('without the last seal, which is told of, where the kernel has none', () => {
    const { caller, host } = system({ fails: 'sealRights' });
    expect(giveUp({ user: USER, jail: '/jail', isUserNamed: true }, host, caller)).toEqual([
      'rights are given up, but could come back: no such call',
    ]);
    // Node's own means.
    expect(giveUp({ user: USER, jail: undefined, isUserNamed: true }, {}, system().caller)).toEqual([]);
  });
});

describe('a user', () => {
  test('is asked for by being it for a moment', () => {
    const { calls, caller } = system();
    const answers = [ROOT, USER];
    expect(findUser('www', caller, () => answers.shift())).toEqual(USER);
    expect(calls).toEqual(['seteuid www', 'seteuid 0']);
  });

  test('may be a number', () => {
    const { calls, caller } = system();
    const answers = [ROOT, USER];
    expect(findUser('33', caller, () => answers.shift())).toEqual(USER);
    expect(calls).toEqual(['seteuid 33', 'seteuid 0']);
  });

  test('that we are is no change, also for others than root', () => {
    const { calls, caller } = system();
    const other: Caller = { ...caller, geteuid: () => 33 };
    for (const name of ['www', '33']) expect(findUser(name, other, () => USER)).toBeUndefined();
    for (const name of ['root', '0']) expect(findUser(name, caller, () => ROOT)).toBeUndefined();
    expect(findUser('root', undefined, () => ROOT)).toBeUndefined();
    expect(calls).toEqual([]);
    // Another name of root.
    expect(findUser('toor', caller, () => ROOT)).toBeUndefined();
    expect(caller.geteuid()).toBe(0);
  });

  test('that there is none of is an error; so is one without a name, and we are who we were', () => {
    const none = system({ fails: 'seteuid', code: 'ERR_UNKNOWN_CREDENTIAL' });
    expect(() => findUser('nosuch', none.caller, () => ROOT)).toThrow("-u: there is no user 'nosuch'");
    const nameless = system();
    const answers = [ROOT];
    expect(() => findUser('4711', nameless.caller, () => answers.shift())).toThrow('-u: user 4711 has no name');
    expect(nameless.calls.at(-1)).toBe('seteuid 0');
    expect(() => findUser('', nameless.caller, () => ROOT)).toThrow('-u: needs the name of a user');
  });

  test('is for root to become, and for systems that have users', () => {
    const other: Caller = { ...system().caller, geteuid: () => 1000 };
    expect(() => findUser('www', other, () => undefined)).toThrow('-u: only root may become another user (www)');
    expect(() => findUser('www', undefined, () => undefined)).toThrow('-u: this system has no users to change to');
  });

  test("is not changed while Node's threads would keep the old one", () => {
    const { caller } = system({ fails: 'seteuid', code: 'ERR_INVALID_STATE' });
    expect(() => findUser('www', caller, () => ROOT)).toThrow(/-u: cannot become 'www': .*unset it$/);
  });
});

describe('a jail', () => {
  let folder: string;
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'rights-')));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const read = (jail: string, caller: Caller | undefined = system().caller) =>
    readRights({ user: undefined, jail }, caller).jail;

  test('is a folder, found by its real name', () => {
    symlinkSync(folder, join(folder, 'link'));
    expect(read(join(folder, 'link', '.'))).toBe(folder);
  });

  test('that is none is an error', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => read(join(folder, 'none'))).toThrow(
      /^-j: cannot make '.*none' the root directory: it does not exist$/,
    );
    expect(() => read(join(folder, 'file'))).toThrow(/^-j: .*file' the root directory: it is not a folder$/);
    expect(() => read('')).toThrow('-j: needs the path of a folder, not an empty word');
  });

  test('is for root alone, and for hosts that can', () => {
    const other: Caller = { ...system().caller, geteuid: () => 1000 };
    expect(() => read(folder, other)).toThrow('-j: only root may change the root directory');
    const rights = { user: undefined, jail: folder, isUserNamed: false };
    expect(() => checkHost(rights, {})).toThrow("-j: the root directory cannot be changed by Node's own means");
    checkHost(rights, system().host);
    checkHost({ user: USER, jail: undefined, isUserNamed: true }, {});
  });

  test('is told with paths', () => {
    expect(viewOf({ user: USER, jail: folder, isUserNamed: true })).toBe(` (in the jail ${folder}, as www)`);
    expect(viewOf({ user: USER, jail: undefined, isUserNamed: true })).toBe(' (as www)');
    expect(viewOf({ user: undefined, jail: undefined, isUserNamed: true })).toBe('');
  });
});
