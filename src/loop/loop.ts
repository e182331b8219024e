/**
 * The contract between the engine and whatever moves its bytes: io_uring, epoll, Node's own loop, the simulator.
 *
 * It is a proactor that speaks in ids and batches. The engine submits operations; the loop calls
 * `turn(nowUs, batch)` with what has finished. No callback per event, no promise, no object per event.
 *
 * Laws, checked by `conformance.suite.ts` for every implementation:
 * - each submission gives exactly one final completion (without FLAG_MORE), in a later batch, never from inside
 *   the submitting call; submitting never fails, never throws, never calls back;
 * - at most one operation per (op, slot) is in flight; the engine keeps this, the loop may assert it;
 * - memory named in a submission belongs to the loop from the submission to its final completion;
 * - a result is a count of bytes, a descriptor or a negative errno of `base/errno.ts`; EINTR, EAGAIN and a full
 *   queue stay inside;
 * - completions of one (op, slot) come in order; nothing is promised about the order between others;
 * - `slot` and `seq` come back as they were given. `seq` is 24 bits, chosen by the engine, so that a late or
 *   cancelled completion can be told from the one that is awaited.
 * - The thread belongs to the loop while `run` runs. All but `node` block in the kernel and never return to Node's loop.
 */
import type { ArenaOffset, Fd, ListenerSlot, SideSlot, Us } from '../base/brand.ts';

/** Accepts up to `max` connections: one completion each (FLAG_MORE) and a final one. */
export const OP_ACCEPT = 1;
export const OP_CONNECT = 2;
export const OP_RECV = 3;
export const OP_SEND = 4;
/** Completes when the peer has aborted the connection, so that an abort is seen while nothing is read. */
export const OP_WATCH = 5;
/** Somebody called the wake-up; `slot` and `seq` are 0. Needs no submission. */
export const OP_WAKE = 6;

/** More completions of the same submission follow. */
export const FLAG_MORE = 1;

/** Returned by a turn to leave `run`. */
export const STOP = -1 as Us;
/** Returned by a turn that awaits no deadline; the loop still wakes now and then (at most every 10 s). */
export const NEVER = Number.MAX_SAFE_INTEGER as Us;
/** No wait in the kernel is longer than this, so that a lost wake-up heals. */
export const WAIT_MAX_US = 10_000_000;

export const SEQ_MASK = 0xff_ff_ff;

/** How `close` ends a connection. */
export const CLOSE_ORDERLY = 0;
/** Sends RST (SO_LINGER 0), also for data not yet delivered: the peer sees ECONNRESET, never a clean end. */
export const CLOSE_ABORT = 1;

/** What has finished since the last turn: struct of arrays, reused, valid until the turn returns. */
export interface CompletionBatch {
  count: number;
  readonly op: Uint8Array;
  readonly slot: Uint32Array;
  readonly seq: Uint32Array;
  readonly result: Int32Array;
  readonly flags: Uint8Array;
  /**
   * RECV with result > 0: where the bytes are (arena offset). When the submission named no memory this is a small
   * buffer that the engine must give back by `release`.
   * ACCEPT with result >= 0: offset into `Loop.peers` of the client's address (PEER_SIZE bytes, see base/endpoint.ts).
   */
  readonly buffer: Uint32Array;
}

/**
 * One round of the engine.
 *
 * @param nowUs monotonic time, sampled once for the whole batch; the engine sees no other clock.
 * @returns the next deadline in absolute microseconds (NEVER for none), or STOP. A deadline in the past makes the
 * loop poll without sleeping.
 */
export type Turn = (nowUs: Us, batch: CompletionBatch) => Us;

/** Socket settings of an upstream socket, applied when it is opened. */
export interface StreamOptions {
  /** TCP_NODELAY; ignored for unix sockets. */
  readonly noDelay: boolean;
  /** SO_KEEPALIVE; ignored for unix sockets. */
  readonly keepAlive: boolean;
  /**
   * The address it comes from: PEER_SIZE bytes with port 0, valid as long as the socket is not connected; ignored for
   * unix sockets. When it cannot be had, `openStream` or the connect fails. **Default** as the system likes.
   */
  readonly source?: Uint8Array;
}

export interface Loop {
  readonly kind: 'uring' | 'epoll' | 'node' | 'sim';
  /** Bytes of the arena, for inspection and for building data to send. */
  readonly arena: Uint8Array;
  /** Size of a small buffer in bytes (16 KiB). */
  readonly smallSize: number;
  /** First arena offset of the memory that belongs to the engine (big buffers), and its length in bytes. */
  readonly bigOffset: ArenaOffset;
  readonly bigLength: number;
  /** Addresses of accepted clients; see CompletionBatch.buffer. */
  readonly peers: Uint8Array;

  /**
   * Accepts up to `max` (>= 1) connections from a listening socket as they arrive, non-blocking and close-on-exec.
   * At least one FLAG_MORE completion with a descriptor, then a final one with result 0; or a final one alone with
   * -ECANCELED or an error of the socket (-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM). It never takes more than `max`
   * from the kernel's backlog. Connections that the client gave up meanwhile (ECONNABORTED) are skipped.
   */
  accept(listener: ListenerSlot, seq: number, fd: Fd, max: number): void;

  /** Opens a non-blocking, close-on-exec stream socket for an endpoint kind (KIND_*): a descriptor or -errno. At once. */
  openStream(kind: number, options: StreamOptions): number;

  /**
   * Connects to the endpoint (ENDPOINT_SIZE bytes at `offset` of `endpoints`, read during the call): 0 or -errno. When
   * the server took the connection and is gone again, that is 0, -ECONNRESET, or -EPIPE if it had ended its stream.
   */
  connect(side: SideSlot, seq: number, fd: Fd, endpoints: Uint8Array, offset: number): void;

  /** Receives into a small buffer that the loop picks when bytes are there: > 0 bytes, 0 end of stream, -errno. */
  recv(side: SideSlot, seq: number, fd: Fd): void;

  /** Receives into the engine's own memory. Completes with what is there, without waiting for `length` bytes. */
  recvInto(side: SideSlot, seq: number, fd: Fd, offset: ArenaOffset, length: number): void;

  /**
   * Lends a pipe: memory of the kernel's through which bulk data goes from one socket to another without being copied.
   * @returns > 0; 0 when none is to be had: this loop has none, all are lent, or the system has no more.
   */
  takePipe(): number;

  /** Takes a pipe back, with whatever is left in it. Nothing may be in flight on it. */
  givePipe(pipe: number): void;

  /** Closes the pipes that are not lent. */
  trimPipes(): void;

  /** Descriptors that pipes have open, lent or not. */
  pipeDescriptors(): number;

  /** An OP_RECV into an empty pipe: > 0 bytes are in the pipe, 0 end of stream, -errno. */
  recvPipe(side: SideSlot, seq: number, fd: Fd, pipe: number): void;

  /** An OP_SEND of the `length` bytes that are in the pipe, which is empty when all of them are sent. */
  sendPipe(side: SideSlot, seq: number, fd: Fd, pipe: number, length: number): void;

  /** Sends all of it: completes with `length`, or with -errno when the connection failed. Never raises SIGPIPE. */
  send(side: SideSlot, seq: number, fd: Fd, offset: ArenaOffset, length: number): void;

  /**
   * Watches for an abort by the peer: completes with -ECONNRESET (or the socket's error) when one arrives; an
   * orderly end does not complete it.
   */
  watch(side: SideSlot, seq: number, fd: Fd): void;

  /**
   * Asks for the operation (op, slot, seq) to end. It then completes with -ECANCELED, or with its own result if
   * that was faster; never twice. Unknown or finished operations are ignored. Gives no completion of its own.
   */
  cancel(op: number, slot: number, seq: number): void;

  /** Gives a small buffer back (any offset that a RECV completion named). */
  release(buffer: ArenaOffset): void;

  /** Ends the writing direction (FIN): 0 or -errno. At once; ordered after sends that have completed. */
  shutdown(fd: Fd): number;

  /**
   * Closes a descriptor on which nothing is in flight. Gives no completion.
   * @param how CLOSE_ORDERLY or CLOSE_ABORT.
   */
  close(fd: Fd, how: number): void;

  /**
   * A number that changes whenever the peer takes bytes we sent (TCP: bytes acknowledged), or -errno. A system
   * call; for deadlines that must measure progress inside a long send, never per event.
   */
  progress(fd: Fd): number;

  /** Bytes that we have sent but the peer's kernel has not yet taken, or -errno. A system call, not per event. */
  unsent(fd: Fd): number;

  /** Gives the pages of idle big buffers back to the system; their contents are lost. */
  trim(offset: ArenaOffset, length: number): void;

  /**
   * Runs until a turn returns STOP. Calls the first turn at once with an empty batch.
   * @param over called when a turn has returned STOP: before `run` returns, except by `node`, which takes turns with
   * Node's own loop and whose `run` returns after the first one.
   * @errors what a turn throws, out of `run`; with `node`, later turns throw out of Node's own loop, which ends the thread.
   */
  run(turn: Turn, over: () => void): void;

  /** Frees everything the loop owns. Nothing may be in flight. */
  destroy(): void;

  /** Small buffers now held by the engine or by operations in flight: back to 0 when idle (for checks). */
  buffersHeld(): number;
}

/** What a loop is made of; the same for all of them. */
export interface LoopOptions {
  /** What the host's `createWake` gave, or -1 for none: an eventfd on Linux, a number of its own for `node`. */
  readonly wakeFd: number;
  /** Sides that can be in use: 2 x connections. Also bounds operations in flight. */
  readonly sidesMax: number;
  /** Listeners that can be in use. */
  readonly listenersMax: number;
  /** Small buffers reserved as address space; pages are touched only when used. */
  readonly smallCount: number;
  /** Bytes of arena for the engine's own use. */
  readonly bigLength: number;
}
