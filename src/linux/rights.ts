/**
 * Giving up rights, as far as Node has no call for it: a root directory of our own, and the promise that nobody in this
 * process ever gains anything again.
 *
 * What the user may do goes with `setuid` (by Node): the kernel takes all capabilities from who was root.
 *
 * @owner the main thread. @cost some system calls, once.
 */
import { EINVAL, ENOSYS, errnoName } from '../base/errno.ts';
import type { Ffi } from '../ffi/load.ts';

/** Numbers of system calls. @source asm/unistd_64.h of x86-64; asm-generic/unistd.h of the others */
interface Numbers {
  readonly chroot: number;
  readonly prctl: number;
  readonly seccomp: number;
  readonly capget: number;
  readonly execve: number;
  readonly execveat: number;
}
const X64: Numbers = { chroot: 161, prctl: 157, seccomp: 317, capget: 125, execve: 59, execveat: 322 };
const GENERIC: Numbers = { chroot: 51, prctl: 167, seccomp: 277, capget: 90, execve: 221, execveat: 281 };
const NUMBERS = process.arch === 'x64' ? X64 : GENERIC;

/** What the kernel calls a processor. @source linux/audit.h */
const ARCHITECTURES: ReadonlyMap<string, number> = new Map([
  ['x64', 0xc000_003e],
  ['arm64', 0xc000_00b7],
  ['riscv64', 0xc000_00f3],
  ['loong64', 0xc000_0102],
]);

/** More than any of the structures below takes. */
const ROOM = 256;
const PR_SET_NO_NEW_PRIVS = 38;
const SET_MODE_FILTER = 1;
const FLAG_TSYNC = 1;
/** Numbers of calls of another convention of the same processor (x32) begin here. */
const X32 = 0x4000_0000;

/** BPF: what we need of it. @source linux/bpf_common.h, linux/seccomp.h */
const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const RETURN = 0x06;
const NUMBER_AT = 0;
const ARCHITECTURE_AT = 4;
const ALLOW = 0x7fff_0000;
/** With EPERM. */
const REFUSE = 0x0005_0001;

/** An instruction: code, where to go on when it is so and when not (how many to pass over), operand. */
type Instruction = readonly [code: number, ifSo: number, ifNot: number, operand: number];

const CAPABILITY_VERSION = 0x2008_0522;

/**
 * Makes a folder the root directory of all threads. The current directory stays where it is: outside.
 * @returns 0 or -errno.
 */
export function changeRoot(ffi: Ffi, path: string): number {
  const bytes = Buffer.from(`${path}\0`);
  if (bytes.indexOf(0) !== bytes.length - 1) return -EINVAL;
  const memory = ffi.reserve(bytes.length);
  new Uint8Array(memory.buffer).set(bytes);
  const result = ffi.libc.syscall(NUMBERS.chroot, memory.base, 0, 0, 0, 0, 0);
  ffi.unmap(memory);
  return result;
}

/**
 * Makes sure that what is left of our rights is all there will ever be: that no capability is left, that no file that is
 * started could give any back (no_new_privs), and that none is started at all.
 *
 * The last two are had for all threads at once by a filter of system calls, which the kernel hands to every thread of the
 * process; the promise alone would bind the thread that gives it.
 * @returns empty, or what could not be done, for people.
 */
export function sealRights(ffi: Ffi): string {
  if (process.geteuid?.() !== 0 && hasCapabilities(ffi))
    return 'capabilities were kept, although the user has changed (securebits are set)';
  const promised = ffi.libc.syscall(NUMBERS.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
  if (promised < 0) return `no_new_privs cannot be set (${errnoName(promised)})`;
  const filtered = installFilter(ffi);
  // A positive result is a thread that has a filter of its own, which nobody can have given it.
  if (filtered === 0) return '';
  const why = filtered > 0 ? `thread ${filtered} has another one` : errnoName(filtered);
  return `the filter of system calls cannot be set (${why})`;
}

/** Of the calling thread; all have the same, as the C library changes the user of all. */
function hasCapabilities(ffi: Ffi): boolean {
  const memory = ffi.reserve(ROOM);
  const words = new Uint32Array(memory.buffer, 0, 8);
  words[0] = CAPABILITY_VERSION;
  const result = ffi.libc.syscall(NUMBERS.capget, memory.base, memory.base + 8, 0, 0, 0, 0);
  // Twice effective, permitted, inheritable.
  const [effective, permitted] = [words[2] | words[5], words[3] | words[6]];
  ffi.unmap(memory);
  return result < 0 || effective !== 0 || permitted !== 0;
}

function installFilter(ffi: Ffi): number {
  const architecture = ARCHITECTURES.get(process.arch);
  if (architecture === undefined) return -ENOSYS;
  const program = filterFor(architecture);
  const memory = ffi.reserve(ROOM);
  const view = new DataView(memory.buffer);
  // struct sock_fprog: count, address; the instructions behind it.
  view.setUint16(0, program.length, true);
  view.setBigUint64(8, BigInt(memory.base + 16), true);
  for (const [index, [code, ifSo, ifNot, operand]] of program.entries()) {
    const at = 16 + index * 8;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, ifSo);
    view.setUint8(at + 3, ifNot);
    view.setUint32(at + 4, operand, true);
  }
  const result = ffi.libc.syscall(NUMBERS.seccomp, SET_MODE_FILTER, FLAG_TSYNC, memory.base, 0, 0, 0);
  ffi.unmap(memory);
  return result;
}

/** Refuses to start programs, and calls of another convention, which have other numbers for it. */
function filterFor(architecture: number): readonly Instruction[] {
  return [
    [LOAD, 0, 0, ARCHITECTURE_AT],
    [JUMP_EQUAL, 0, 5, architecture],
    [LOAD, 0, 0, NUMBER_AT],
    [JUMP_AT_LEAST, 3, 0, X32],
    [JUMP_EQUAL, 2, 0, NUMBERS.execve],
    [JUMP_EQUAL, 1, 0, NUMBERS.execveat],
    [RETURN, 0, 0, ALLOW],
    [RETURN, 0, 0, REFUSE],
  ];
}
