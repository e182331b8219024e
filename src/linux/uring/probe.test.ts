import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { EINVAL, ENOSYS, EPERM } from '../../base/errno.ts';
import { loadFfi, type Ffi } from '../../ffi/load.ts';
import { SYS_SETUP, SYS_REGISTER, SYS_ENTER, REGISTER_PBUF_RING } from './kernel.ts';
import { probeUring } from './probe.ts';

const { ffi } = loadFfi();

/** The same door, with one system call answered as a filter or an older kernel would. */
function refusing(number: number, errno: number, operation?: number): Ffi {
  const { libc } = ffi!;
  const syscall: typeof libc.syscall = (n, a, b, c, d, e, f) =>
    n === number && (operation === undefined || operation === b) ? -errno : libc.syscall(n, a, b, c, d, e, f);
  return { ...ffi!, libc: { ...libc, syscall } };
}

test.runIf(ffi && probeUring(ffi) === '').each([
  [SYS_SETUP, ENOSYS, undefined, 'not in this kernel'],
  [SYS_SETUP, EPERM, undefined, 'forbidden'],
  [SYS_SETUP, EINVAL, undefined, 'too old'],
  [SYS_REGISTER, EPERM, undefined, 'EPERM'],
  [SYS_REGISTER, EINVAL, REGISTER_PBUF_RING, 'receive buffers'],
  [SYS_ENTER, EPERM, undefined, 'does not work'],
])('system call %i refused with %i is a reason, and nothing stays open', (number, errno, operation, words) => {
  const before = readdirSync('/proc/self/fd').length;
  expect(probeUring(refusing(number, errno, operation))).toContain(words);
  expect(readdirSync('/proc/self/fd').length).toBe(before);
});
