/**
 * Error numbers, as positive integers of Linux on x86-64 and arm64; every loop reports `-errno` in these numbers,
 * whatever its platform calls them.
 *
 * @source asm-generic/errno-base.h, asm-generic/errno.h
 */
export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENOTDIR = 20;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const EROFS = 30;
export const EPIPE = 32;
export const ENOSYS = 38;
export const ETIME = 62;
export const EAFNOSUPPORT = 97;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENETUNREACH = 101;
export const ECONNABORTED = 103;
export const ECONNRESET = 104;
export const ENOBUFS = 105;
export const ENOTCONN = 107;
export const ETIMEDOUT = 110;
export const ECONNREFUSED = 111;
export const EHOSTUNREACH = 113;
export const EALREADY = 114;
export const EINPROGRESS = 115;
export const ECANCELED = 125;

const NAMES: ReadonlyMap<number, string> = new Map([
  [EPERM, 'EPERM'],
  [ENOENT, 'ENOENT'],
  [EINTR, 'EINTR'],
  [EBADF, 'EBADF'],
  [EAGAIN, 'EAGAIN'],
  [ENOMEM, 'ENOMEM'],
  [EACCES, 'EACCES'],
  [EBUSY, 'EBUSY'],
  [EEXIST, 'EEXIST'],
  [ENOTDIR, 'ENOTDIR'],
  [EINVAL, 'EINVAL'],
  [ENFILE, 'ENFILE'],
  [EMFILE, 'EMFILE'],
  [EROFS, 'EROFS'],
  [EPIPE, 'EPIPE'],
  [ENOSYS, 'ENOSYS'],
  [ETIME, 'ETIME'],
  [EAFNOSUPPORT, 'EAFNOSUPPORT'],
  [EADDRINUSE, 'EADDRINUSE'],
  [EADDRNOTAVAIL, 'EADDRNOTAVAIL'],
  [ENETUNREACH, 'ENETUNREACH'],
  [ECONNABORTED, 'ECONNABORTED'],
  [ECONNRESET, 'ECONNRESET'],
  [ENOBUFS, 'ENOBUFS'],
  [ENOTCONN, 'ENOTCONN'],
  [ETIMEDOUT, 'ETIMEDOUT'],
  [ECONNREFUSED, 'ECONNREFUSED'],
  [EHOSTUNREACH, 'EHOSTUNREACH'],
  [EALREADY, 'EALREADY'],
  [EINPROGRESS, 'EINPROGRESS'],
  [ECANCELED, 'ECANCELED'],
]);

/** The symbolic name of an error number (positive or negative), or `errno N` for one we do not name. */
export function errnoName(errno: number): string {
  const positive = Math.abs(errno);
  return NAMES.get(positive) ?? `errno ${positive}`;
}

const NUMBERS: ReadonlyMap<string, number> = new Map([...NAMES].map(([errno, name]) => [name, errno]));

/** The error number of a symbolic name, positive; undefined for one we do not know. */
export function errnoNamed(name: string): number | undefined {
  return NUMBERS.get(name);
}
