/** What the simulated loop keeps per operation and per descriptor. */
import { OP_ACCEPT, OP_CONNECT, OP_RECV, OP_SEND, OP_WATCH } from '../loop/loop.ts';
import type { SimListener, Sock } from './sock.ts';

export const OP_NAMES: readonly string[] = ['none', 'accept', 'connect', 'recv', 'send', 'watch', 'wake'];
/** Operations that are submitted, for loops over them. */
export const SUBMITTED_OPS: readonly number[] = [OP_ACCEPT, OP_CONNECT, OP_RECV, OP_SEND, OP_WATCH];

export const IDLE = 0;
/** Submitted, not finished. */
export const ACTIVE = 1;
/** Finished; its final completion has not been delivered. */
export const FINISHED = 2;

/** One (op, slot): the object lives as long as the loop, and is used by one submission after the other. */
export class Operation {
  readonly index: number;
  readonly op: number;
  readonly slot: number;
  state = IDLE;
  /** Rises with each submission, for events. */
  generation = 0;
  seq = 0;
  descriptor: Descriptor | null = null;
  offset = 0;
  length = 0;
  /** Bytes sent so far; connections accepted so far. */
  done = 0;
  /** Its next attempt is scheduled; otherwise it waits for the socket to change. */
  isScheduled = false;
  isCancelled = false;
  /** Memory that it has in flight, 0 none. */
  flying = 0;
  /** Pipe that it fills or empties, 0 none. */
  pipe = 0;

  constructor(index: number, op: number, slot: number) {
    this.index = index;
    this.op = op;
    this.slot = slot;
  }
}

/** An open descriptor of the process under test. */
export class Descriptor {
  fd = -1;
  sock: Sock | null = null;
  listener: SimListener | null = null;
  /** Operations not idle on it. */
  inFlight = 0;
  /** Operation per op code, null when idle. */
  readonly operations: (Operation | null)[] = [null, null, null, null, null, null];
}

/** A completion that waits for a batch. */
export interface Completion {
  operation: Operation | null;
  op: number;
  slot: number;
  seq: number;
  result: number;
  flags: number;
  buffer: number;
  /** Rises, so that the completions of one (op, slot) keep their order. */
  order: number;
}

/** What is in flight on a descriptor, for people. */
export function inFlightText(descriptor: Descriptor): string {
  return descriptor.operations
    .filter((operation) => operation !== null)
    .map((operation) => OP_NAMES[operation.op])
    .join(', ');
}
