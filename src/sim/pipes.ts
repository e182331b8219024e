/**
 * The pipes of the simulated loop: bytes outside the arena, with a check of every step the engine takes with them.
 *
 * Their bytes are poisoned when a pipe comes back, so that a stale read shows at the actor.
 */
import { violate } from './violation.ts';

const POISON = 0xdb;
/** Smaller than a kernel's, so that simulated transfers fill them. */
const PIPE_SIZE = 1 << 17;

interface SimPipe {
  readonly bytes: Uint8Array;
  content: number;
  isLent: boolean;
  isInFlight: boolean;
}

export class SimPipes {
  private readonly pipes: SimPipe[] = [];
  /** Pipes not given back. */
  lent = 0;

  /** @param count pipes there are. */
  constructor(count: number) {
    for (let i = 0; i < count; i++) {
      this.pipes.push({ bytes: new Uint8Array(PIPE_SIZE), content: 0, isLent: false, isInFlight: false });
    }
  }

  take(): number {
    const index = this.pipes.findIndex(({ isLent }) => !isLent);
    const pipe = this.pipes[index];
    if (pipe === undefined) return 0;
    pipe.isLent = true;
    this.lent++;
    return index + 1;
  }

  give(id: number): void {
    const pipe = this.lentOne(id, 'given back');
    if (pipe.isInFlight) violate('contract.pipe', `pipe ${id} is given back while an operation is in flight on it`);
    pipe.bytes.fill(POISON);
    pipe.content = 0;
    pipe.isLent = false;
    this.lent--;
  }

  /** An operation that fills or empties the pipe is submitted. @param content what the engine says is in it. */
  fly(id: number, content: number): void {
    const pipe = this.lentOne(id, 'used');
    if (pipe.isInFlight) violate('contract.pipe', `pipe ${id} is used by two operations`);
    if (pipe.content !== content) violate('contract.pipe', `pipe ${id} holds ${pipe.content} bytes, not ${content}`);
    pipe.isInFlight = true;
  }

  /** The operation has ended, with `content` bytes left in the pipe. */
  land(id: number, content: number): void {
    const pipe = this.lentOne(id, 'used');
    pipe.isInFlight = false;
    pipe.content = content;
  }

  bytesOf(id: number): Uint8Array {
    return this.lentOne(id, 'used').bytes;
  }

  private lentOne(id: number, what: string): SimPipe {
    const pipe = this.pipes[id - 1];
    return pipe?.isLent === true ? pipe : violate('contract.pipe', `pipe ${id} is ${what}, but was not lent`);
  }
}
