/** Writing whole pieces to a descriptor, be it a file, a terminal or a pipe. */
import { writeSync } from 'node:fs';

/** How long somebody who reads a pipe that does not block is waited for, until the next try. */
const AGAIN_MS = 2;
const bell = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes all bytes, and waits where that takes long.
 *
 * @errors of the system; `written` of them says how many bytes were written before.
 */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if (codeOf(error) === 'EAGAIN') Atomics.wait(bell, 0, 0, AGAIN_MS);
      else throw new WriteError(error, at);
    }
  }
}

/** A write that failed in the middle. */
export class WriteError extends Error {
  override readonly name = 'WriteError';
  /** As the system has it: `ENOSPC`. */
  readonly code: string;
  readonly written: number;

  constructor(error: unknown, written: number) {
    super(error instanceof Error ? error.message : String(error), { cause: error });
    this.code = codeOf(error);
    this.written = written;
  }
}

/** The error number of the system by name; empty for other errors. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
