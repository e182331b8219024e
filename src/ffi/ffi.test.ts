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

test.runIf(ffi)('a reservation that the kernel refuses is an error with a reason', () => {
  expect(() => ffi!.reserve(2 ** 52)).toThrow('ENOMEM');
});
