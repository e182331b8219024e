/** The user that `-u` names, as far as this version can obey: whom we run as anyway. */
import { userInfo } from 'node:os';
import { NOT_YET } from '../config/commands/later.ts';
import { ConfigError } from '../config/model.ts';

/** @errors ConfigError when it is somebody else. */
export function acceptUser(name: string, where: string): void {
  if (name !== currentUser()) throw new ConfigError(where, `becoming another user (${name}) is ${NOT_YET}`);
}

/** Undefined where users have no names. */
function currentUser(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}
