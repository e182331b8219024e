import { existsSync, readFileSync } from 'node:fs';
import koffi from 'koffi';
import { expect, test } from 'vitest';
import { EBADF } from '../base/errno.ts';
import { loadFfi } from './load.ts';

const { ffi } = loadFfi();

test.runIf(ffi)('a failing call returns the negative error number', () => {
  expect(ffi!.libc.close(-1)).toBe(-EBADF);
});

test.runIf(ffi)('the kernel reads and writes reserved memory at its address', () => {
  const memory = ffi!.reserve(8192);
  const fd = ffi!.libc.eventfd(3, 0);
  const words = new BigUint64Array(memory.buffer);
  expect(ffi!.libc.read(fd, memory.base + 4096, 8)).toBe(8);
  expect(words[512]).toBe(3n);
  words[0] = 5n;
  expect(ffi!.libc.write(fd, memory.base, 8)).toBe(8);
  expect(ffi!.libc.read(fd, memory.base + 8, 8)).toBe(8);
  expect(words[1]).toBe(5n);
  expect(ffi!.libc.close(fd)).toBe(0);
  ffi!.unmap(memory);
});

test.runIf(ffi)('discarded pages read as zero and bytes of pages named in part stay', () => {
  const memory = ffi!.reserve(4 * 4096);
  const bytes = new Uint8Array(memory.buffer).fill(7);
  expect(ffi!.discard(memory, 100, 3 * 4096)).toBe(0);
  expect([bytes[4095], bytes[4096], bytes[3 * 4096 - 1], bytes[3 * 4096]]).toEqual([7, 0, 0, 7]);
  ffi!.unmap(memory);
});

/** Flags of the mapping that holds the address. @source proc_pid_smaps(5) */
function flagsAt(address: bigint): string[] {
  for (const mapping of readFileSync('/proc/self/smaps', 'utf8').split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
    const [first, end] = mapping.split(/[- ]/, 2).map((text) => BigInt(`0x${text}`));
    if (first! <= address && address < end!) return /^VmFlags: (.*)$/m.exec(mapping)![1]!.trim().split(' ');
  }
  return [];
}

/** A kernel may be built without. */
const hasBigPages = existsSync('/sys/kernel/mm/transparent_hugepage');

test.runIf(ffi && hasBigPages)('big pages are asked for under the bytes that are named, and no others', () => {
  const whole = new Uint8Array(new SharedArrayBuffer(8 << 20));
  const base = koffi.address(whole);
  expect(ffi!.preferBigPages(whole.subarray(1 << 20, 7 << 20))).toBe(0);
  expect(ffi!.preferBigPages(whole.subarray(0, 10))).toBe(0);
  expect(flagsAt(base + (4n << 20n))).toContain('hg');
  for (const apart of [0n, 7n << 20n]) expect(flagsAt(base + apart + 8192n)).not.toContain('hg');
});

test.runIf(ffi)('a reservation that the kernel refuses is an error with a reason', () => {
  expect(() => ffi!.reserve(2 ** 52)).toThrow('ENOMEM');
});
