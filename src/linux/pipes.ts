/**
 * Pipes that a loop lends for bulk data: splice(2) moves pages from a socket into the pipe and from there to another
 * socket, so that bytes are neither copied nor seen.
 *
 * @owner the loop's thread.
 * @source splice(2), pipe(7), F_SETPIPE_SZ of fcntl(2)
 */
import { assert } from '../base/assert.ts';
import { EINTR } from '../base/errno.ts';
import type { Ffi } from '../ffi/load.ts';
import type { NativeMemory } from '../ffi/memory.ts';

/** Bytes that a pipe holds at most: what everybody may ask for (fs.pipe-max-size). */
const PIPE_SIZE = 1 << 20;
/** Enough for every core to be busy with bulk; an unprivileged user may have 64 MiB in pipes (fs.pipe-user-pages-soft). */
const PIPES_MAX = 64;
const O_NONBLOCK_CLOEXEC = 0o2004000;
const F_SETPIPE_SZ = 1031;
const SPLICE_F_MOVE = 1;
const SPLICE_F_NONBLOCK = 2;
const FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;

/** Numbers of pipes are 1 to PIPES_MAX. */
export class Pipes {
  private readonly ffi: Ffi;
  private readonly memory: NativeMemory;
  private readonly ends: Int32Array;
  private readonly readEnd = new Int32Array(PIPES_MAX + 1).fill(-1);
  private readonly writeEnd = new Int32Array(PIPES_MAX + 1).fill(-1);
  private readonly content = new Int32Array(PIPES_MAX + 1);
  /** Pipes that are open and not lent; the one that came back last is lent first. */
  private readonly idle: number[] = [];
  private readonly closed: number[] = [];
  private openCount = 0;

  constructor(ffi: Ffi) {
    this.ffi = ffi;
    this.memory = ffi.reserve(8);
    this.ends = new Int32Array(this.memory.buffer, 0, 2);
    for (let pipe = PIPES_MAX; pipe >= 1; pipe--) this.closed.push(pipe);
  }

  /** @see Loop.takePipe */
  take(): number {
    const idle = this.idle.pop();
    if (idle !== undefined) return idle;
    const pipe = this.closed.pop();
    if (pipe === undefined) return 0;
    if (this.open(pipe)) return pipe;
    this.closed.push(pipe);
    return 0;
  }

  /** @see Loop.givePipe */
  give(pipe: number): void {
    assert(this.readEnd[pipe] >= 0, 'a pipe that comes back was lent');
    if (this.content[pipe] === 0) this.idle.push(pipe);
    else this.close(pipe);
  }

  /** @see Loop.trimPipes */
  trim(): void {
    for (let pipe = this.idle.pop(); pipe !== undefined; pipe = this.idle.pop()) this.close(pipe);
  }

  descriptors(): number {
    return this.openCount * 2;
  }

  /** Bytes in the pipe. */
  contentOf(pipe: number): number {
    return this.content[pipe];
  }

  /** Moves what is there from a socket into the pipe. @returns bytes, 0 at the end of the stream, -errno. */
  fill(pipe: number, fd: number): number {
    assert(this.content[pipe] === 0, 'a pipe is filled when it is empty');
    const { libc } = this.ffi;
    let result: number;
    do {
      result = libc.splice(fd, 0, this.writeEnd[pipe], 0, PIPE_SIZE, FLAGS);
    } while (result === -EINTR);
    if (result > 0) this.content[pipe] = result;
    return result;
  }

  /** Copies bytes that were received already into the pipe, at an address. @returns as `fill`. */
  write(pipe: number, address: number, length: number): number {
    assert(this.content[pipe] === 0, 'a pipe is filled when it is empty');
    const { libc } = this.ffi;
    let result: number;
    do {
      result = libc.write(this.writeEnd[pipe], address, length);
    } while (result === -EINTR);
    if (result > 0) this.content[pipe] = result;
    return result;
  }

  /** Moves what the socket takes out of the pipe. @returns 0 when the pipe is empty, else why not: -EAGAIN, -errno. */
  drain(pipe: number, fd: number): number {
    const { libc } = this.ffi;
    while (this.content[pipe] > 0) {
      const result = libc.splice(this.readEnd[pipe], 0, fd, 0, this.content[pipe], FLAGS);
      if (result > 0) this.content[pipe] -= result;
      else if (result !== -EINTR) return result;
    }
    return 0;
  }

  destroy(): void {
    for (let pipe = 1; pipe <= PIPES_MAX; pipe++) if (this.readEnd[pipe] >= 0) this.close(pipe);
    this.ffi.unmap(this.memory);
  }

  private open(pipe: number): boolean {
    const { libc } = this.ffi;
    if (libc.pipe2(this.memory.base, O_NONBLOCK_CLOEXEC) < 0) return false;
    const [readEnd, writeEnd] = this.ends;
    // A smaller one would cost more than copying through a big buffer.
    if (libc.fcntl(writeEnd, F_SETPIPE_SZ, PIPE_SIZE) < PIPE_SIZE) {
      libc.close(readEnd);
      libc.close(writeEnd);
      return false;
    }
    this.readEnd[pipe] = readEnd;
    this.writeEnd[pipe] = writeEnd;
    this.openCount++;
    return true;
  }

  private close(pipe: number): void {
    const { libc } = this.ffi;
    libc.close(this.readEnd[pipe]);
    libc.close(this.writeEnd[pipe]);
    this.readEnd[pipe] = -1;
    this.writeEnd[pipe] = -1;
    this.content[pipe] = 0;
    this.openCount--;
    this.closed.push(pipe);
  }
}
