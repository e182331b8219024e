/** Finds out at start whether io_uring can be used here, by using it. */
import { readFileSync } from 'node:fs';
import { EBADF, EINVAL, ENOMEM, ENOSYS, EPERM, EACCES, errnoName } from '../../base/errno.ts';
import type { Ffi } from '../../ffi/load.ts';
import {
  CQE_WORDS,
  REGISTER_PROBE,
  URING_ASYNC_CANCEL,
  URING_CLOSE,
  URING_CONNECT,
  URING_NOP,
  URING_POLL_ADD,
  URING_RECV,
  RECV_BUNDLE,
  RECV_MULTISHOT,
  SQE_BUFFER_SELECT,
  URING_SEND,
} from './kernel.ts';
import { SMALL_SIZE } from '../../base/small-buffers.ts';
import { BUFFER_GROUP, registerBufferRing } from './provided-buffers.ts';
import { Ring, RingError } from './ring.ts';

const NEEDED: ReadonlyMap<number, string> = new Map([
  [URING_POLL_ADD, 'POLL_ADD'],
  [URING_ASYNC_CANCEL, 'ASYNC_CANCEL'],
  [URING_CONNECT, 'CONNECT'],
  [URING_CLOSE, 'CLOSE'],
  [URING_SEND, 'SEND'],
  [URING_RECV, 'RECV'],
]);

/** struct io_uring_probe: a head of 16 bytes, then 8 per operation with its flags at byte 2. */
const PROBE_HEAD = 16;
const PROBE_OPERATION = 8;
const PROBE_OPERATIONS = 64;
const PROBE_SUPPORTED = 1;

const DISABLED_SETTING = '/proc/sys/kernel/io_uring_disabled';
const NOP_WAIT_US = 1_000_000;

/**
 * Says why io_uring cannot be used here, or '' when it can.
 *
 * Not a version check: kernels are patched, and containers filter system calls one by one. A small ring is made with
 * the flags we use, asked for its operations, given a buffer ring, and sent through a whole round.
 * @cost about a millisecond; nothing stays open.
 * @errors none: whatever goes wrong is a reason.
 */
export function probeUring(ffi: Ffi): string {
  let ring: Ring;
  try {
    ring = new Ring(ffi, 4, 8);
  } catch (error) {
    return openReason(error);
  }
  try {
    return operationsReason(ffi, ring) || buffersReason(ffi, ring) || roundReason(ring);
  } catch (error) {
    return `io_uring does not work: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    ring.destroy();
  }
}

/** Why a ring could not be opened, from what was thrown. The small ring may work where the large one does not. */
export function openReason(error: unknown): string {
  if (error instanceof RingError) return setupReason(error.errno);
  return `io_uring cannot be set up: ${error instanceof Error ? error.message : String(error)}`;
}

function setupReason(errno: number): string {
  switch (errno) {
    case -ENOSYS:
      return 'io_uring is not in this kernel, or a container hides it';
    case -EPERM:
    case -EACCES:
      return `io_uring is forbidden here: ${forbiddenBy()}`;
    case 0:
    case -EINVAL:
      return 'io_uring of this kernel is too old: 6.1 or newer is needed';
    case -ENOMEM:
      return 'io_uring may not lock enough memory (ulimit -l)';
    default:
      return `io_uring cannot be set up: ${errnoName(errno)}`;
  }
}

/** @source Documentation/admin-guide/sysctl/kernel.rst, io_uring_disabled */
function forbiddenBy(): string {
  let setting = '0';
  try {
    setting = readFileSync(DISABLED_SETTING, 'utf8').trim();
  } catch {
    // Kernels before 6.6 have no such setting.
  }
  return setting === '0' ? 'a system call filter, as containers have' : `kernel.io_uring_disabled is ${setting}`;
}

function operationsReason(ffi: Ffi, ring: Ring): string {
  const memory = ffi.reserve(PROBE_HEAD + PROBE_OPERATIONS * PROBE_OPERATION);
  const bytes = new Uint8Array(memory.buffer);
  const result = ring.register(REGISTER_PROBE, memory.base, PROBE_OPERATIONS);
  const missing: string[] = [];
  for (const [op, name] of NEEDED) {
    const flags = bytes[PROBE_HEAD + op * PROBE_OPERATION + 2];
    if ((flags & PROBE_SUPPORTED) === 0) missing.push(name);
  }
  ffi.unmap(memory);
  if (result < 0) return `io_uring does not tell its operations: ${errnoName(result)}`;
  return missing.length > 0 ? `io_uring of this kernel lacks ${missing.join(', ')}` : '';
}

function buffersReason(ffi: Ffi, ring: Ring): string {
  const memory = ffi.reserve(4096);
  const result = registerBufferRing(ffi, ring, memory, 4);
  // The ring keeps the pages until it is destroyed; our mapping of them is no longer needed.
  ffi.unmap(memory);
  return result < 0 ? `io_uring takes no receive buffers: ${errnoName(result)}` : '';
}

function roundReason(ring: Ring): string {
  ring.push(URING_NOP, -1, 0, 0, 0, 0, 7, 0, 0);
  ring.enter(NOP_WAIT_US);
  const head = ring.completionHead();
  const isThere = head !== ring.completionTail() && ring.words[ring.cqes + (head & ring.cqMask) * 4] === 7;
  return isThere ? '' : 'io_uring completes nothing';
}

/**
 * Whether a receive can stay armed and still take one buffer a run: newer kernels, 6.17 as far as we know.
 *
 * A kernel that does not know how to says EINVAL before it looks for the descriptor, which is none.
 * @cost a system call; the ring is as before.
 */
export function canStand(ring: Ring): boolean {
  const head = URING_RECV | (SQE_BUFFER_SELECT << 8) | ((RECV_MULTISHOT | RECV_BUNDLE) << 16);
  ring.push(head, -1, 0, 0, SMALL_SIZE, 0, 0, 0, BUFFER_GROUP);
  ring.enter(NOP_WAIT_US);
  const first = ring.completionHead();
  if (first === ring.completionTail()) return false;
  const result = ring.words[ring.cqes + (first & ring.cqMask) * CQE_WORDS + 2];
  ring.consume(first + 1);
  return result === -EBADF;
}
