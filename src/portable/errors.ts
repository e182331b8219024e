/** Between the errors of Node and the error numbers of the contract. */
import { ECONNRESET, EPIPE, errnoNamed } from '../base/errno.ts';

/** Errors that are Node's own: what they mean for a stream. */
const NODE_ERRORS: ReadonlyMap<string, number> = new Map([
  ['ERR_STREAM_DESTROYED', EPIPE],
  ['ERR_STREAM_WRITE_AFTER_END', EPIPE],
  ['ERR_STREAM_PREMATURE_CLOSE', ECONNRESET],
]);

/** The error number of what Node threw or reported, positive. Whatever has no number of its own is an abort. */
export function errnoOf(error: unknown): number {
  const code = codeOf(error);
  return errnoNamed(code) ?? NODE_ERRORS.get(code) ?? ECONNRESET;
}

/** The symbolic name, such as `EADDRINUSE`; empty when there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
