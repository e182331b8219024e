/**
 * Has the kernel drop the first packet of whoever begins to connect to a listener, while handshakes under way go on and
 * those who wait stay. Who is dropped sends that packet again after a second, to whoever listens there by then.
 *
 * @source packet(7) and socket(7), SO_ATTACH_FILTER; linux/filter.h. The filter of a TCP socket sees the segment from
 * its header on [tested].
 */
import type { Fd } from '../base/brand.ts';
import type { Ffi } from '../ffi/load.ts';
import { SOL_SOCKET } from './sockets.ts';

const SO_ATTACH_FILTER = 26;
/* BPF_LD | BPF_B | BPF_ABS; BPF_ALU | BPF_AND | BPF_K; BPF_JMP | BPF_JEQ | BPF_K; BPF_RET | BPF_K */
const LOAD_BYTE = 0x30;
const AND = 0x54;
const IF_EQUAL = 0x15;
const RETURN = 0x06;
/** Where the flags of a TCP header are, and which of them say that somebody begins: SYN without ACK. */
const FLAGS_AT = 13;
const SYN = 0x02;
const SYN_ACK = 0x12;
const DROP = 0;
const WHOLE = 0xffff_ffff;

/** code, steps to skip if it holds, if not, value */
const PROGRAM: readonly (readonly [number, number, number, number])[] = [
  [LOAD_BYTE, 0, 0, FLAGS_AT],
  [AND, 0, 0, SYN_ACK],
  [IF_EQUAL, 0, 1, SYN],
  [RETURN, 0, 0, DROP],
  [RETURN, 0, 0, WHOLE],
];
const STEP_SIZE = 8;
/** struct sock_fprog: the number of steps, and where they are. */
const HEAD_SIZE = 16;

/** Where the system refuses it all stays as it is. */
export function dropNewcomers(ffi: Ffi, fd: Fd): void {
  const memory = ffi.reserve(HEAD_SIZE + PROGRAM.length * STEP_SIZE);
  const view = new DataView(memory.buffer);
  view.setUint16(0, PROGRAM.length, true);
  view.setBigUint64(8, BigInt(memory.base + HEAD_SIZE), true);
  PROGRAM.forEach(([code, then, otherwise, value], step) => {
    const at = HEAD_SIZE + step * STEP_SIZE;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, then);
    view.setUint8(at + 3, otherwise);
    view.setUint32(at + 4, value, true);
  });
  ffi.libc.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, memory.base, HEAD_SIZE);
  ffi.unmap(memory);
}
