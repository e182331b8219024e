/** The loop of one of several workers: descriptors are the process's, and its turns are run by `crew.ts`. */
import { STOP, type Turn } from '../loop/loop.ts';
import type { Fd, Us } from '../base/brand.ts';
import * as contract from '../loop/loop.ts';
import { faultIndex } from './faults.ts';
import { SimLoop } from './loop.ts';
import { Descriptor, IDLE } from './operations.ts';
import type { SimListener } from './sock.ts';

const { OP_ACCEPT, OP_WAKE, CLOSE_ABORT } = contract;
const F_SLOW_TURN = faultIndex('loop.slow-turn');

export class CrewLoop extends SimLoop {
  /** Listening descriptors as this loop knows them: each worker has its own accept on them. */
  private readonly ownListeners = new Map<number, Descriptor>();

  /** Something is there that the engine must be told. */
  get hasNews(): boolean {
    return this.batcher.waiting > 0 || this.isWoken;
  }

  shareListener(listener: SimListener): void {
    const descriptor = new Descriptor();
    descriptor.fd = listener.tag;
    descriptor.listener = listener;
    this.ownListeners.set(listener.tag, descriptor);
  }

  override listenerChanged(listener: SimListener): void {
    const operation = this.ownListeners.get(listener.tag)?.operations[OP_ACCEPT];
    if (operation !== null && operation !== undefined) this.schedule(operation);
  }

  /** Whether it waits for clients. */
  get isAccepting(): boolean {
    return [...this.ownListeners.values()].some(({ inFlight }) => inFlight > 0);
  }

  /** One turn, with what has come since the last one. @returns its deadline, or STOP. */
  runTurn(turn: Turn): Us {
    if (this.isWoken) {
      this.isWoken = false;
      this.batcher.add(null, OP_WAKE, 0, 0, 0, 0, 0);
    }
    this.inFlight -= this.batcher.fill();
    this.turns++;
    this.isInTurn = true;
    const dueUs = turn(this.clock.nowUs as Us, this.batcher.batch);
    this.isInTurn = false;
    if (dueUs === STOP && this.inFlight > 0) this.destroy();
    return dueUs;
  }

  /** How long the turn that was just run takes. */
  turnLastsUs(): number {
    return this.prng.below(20) + (this.faults.fires(F_SLOW_TURN) ? this.prng.skewed(20_000) : 0);
  }

  /** After a turn has thrown: ends everything in flight, without a word. @returns clients it had taken in but told nobody of. */
  giveUp(): number {
    let count = 0;
    this.batcher.dropAll((op, flags, result) => {
      if (op !== OP_ACCEPT || (flags & contract.FLAG_MORE) === 0) return;
      this.close(result as Fd, CLOSE_ABORT);
      count++;
    });
    for (const operation of this.operations) {
      if (operation === undefined || operation.state === IDLE) continue;
      operation.state = IDLE;
      operation.generation++;
      const { descriptor } = operation;
      operation.descriptor = null;
      if (descriptor === null) continue;
      descriptor.inFlight--;
      descriptor.operations[operation.op] = null;
    }
    this.inFlight = 0;
    this.isInTurn = false;
    return count;
  }

  protected override descriptorOf(fd: number, what: string): Descriptor {
    return this.ownListeners.get(fd) ?? super.descriptorOf(fd, what);
  }
}
