import { describe, expect, test } from 'vitest';
import { parseAclEntry } from '../config/access-list.ts';
import { literalEndpoint, unixEndpoint } from '../config/address.ts';
import { EMPTY_CONFIGURATION, type Configuration } from '../config/model.ts';
import { refusalFor, warningFor } from './control-rules.ts';

test('root has to say that it means it', () => {
  expect(refusalFor(0, undefined)).toContain("Won't open control port");
  expect([refusalFor(0, 'root'), refusalFor(1000, undefined), refusalFor(undefined, undefined)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

describe('a warning', () => {
  const at = (host: string, more: Partial<Configuration> = {}): string | undefined => {
    const endpoint = host.includes('/') ? unixEndpoint(host) : literalEndpoint(host, 8888, '')!;
    return warningFor({ ...EMPTY_CONFIGURATION, control: { text: `${host}:8888`, endpoint }, ...more });
  };

  test.each(['0.0.0.0', '192.0.2.1', '::', '2001:db8::1'])('is due at %s', (host) => {
    expect(at(host)).toContain(`control port ${host}:8888`);
  });

  test.each(['127.0.0.1', '127.9.9.9', '::1', '/run/pen.ctl'])('is not at %s', (host) => {
    expect(at(host)).toBeUndefined();
  });

  test('nor without control port, nor with an access list', () => {
    expect(warningFor(EMPTY_CONFIGURATION)).toBeUndefined();
    const acls = EMPTY_CONFIGURATION.acls.with(0, [parseAclEntry(['permit', '192.0.2.1'], '')]);
    expect(at('0.0.0.0', { acls })).toBeUndefined();
  });
});
