/**
 * The `Loop` of the simulator: keeps the contract as loosely as the contract allows, and asserts the engine's part.
 *
 * Completions come in later batches, shuffled between operations; batches are split at random; a recv brings part of
 * what is there, a send reads the arena a piece at a time until it completes; cancels lose races; small buffers run
 * out. All of it is decided by one seeded source and counted in the fault table.
 */
import type { ArenaOffset, Fd, ListenerSlot, SideSlot, Us } from '../base/brand.ts';
import { KIND_IPV4, KIND_IPV6, KIND_UNIX, PEER_SIZE } from '../base/endpoint.ts';
import { EAFNOSUPPORT, EAGAIN, ECANCELED, ECONNRESET, EINPROGRESS, EMFILE } from '../base/errno.ts';
import type { Prng } from '../base/prng.ts';
import * as contract from '../loop/loop.ts';
import { addressKey } from './address.ts';
import { SimArena } from './arena.ts';
import { Batcher } from './batcher.ts';
import type { EventSink, SimClock } from './clock.ts';
import { Descriptors } from './descriptors.ts';
import { faultIndex, type Faults } from './faults.ts';
import type { SimNet } from './net.ts';
import type { LoopObserver, SimLoopOptions } from './loop-options.ts';
import { ACTIVE, FINISHED, IDLE, inFlightText, OP_NAMES, Operation, type Descriptor } from './operations.ts';
import { SimPipes } from './pipes.ts';
import { SOCK_CONNECTING, SOCK_NEW, type ListenerOwner, type SimListener, type Sock, type SockOwner } from './sock.ts';
import { violate } from './violation.ts';

const { OP_ACCEPT, OP_CONNECT, OP_RECV, OP_SEND, OP_WATCH, OP_WAKE, STOP, WAIT_MAX_US, SEQ_MASK, CLOSE_ABORT } =
  contract;

const EV_ATTEMPT = 0;
const EV_CANCEL = 1;

const F_PARTIAL_RECV = faultIndex('loop.partial-recv');
const F_PARTIAL_SEND = faultIndex('loop.partial-send');
const F_LATE = faultIndex('loop.late-completion');
const F_CANCEL_LOST = faultIndex('loop.cancel-lost');
const F_CANCEL_WON = faultIndex('loop.cancel-won');
const F_NO_BUFFER = faultIndex('loop.no-buffer');
const F_EARLY_WRITE = faultIndex('loop.early-write');
const F_SLOW_TURN = faultIndex('loop.slow-turn');
const F_ACCEPT_SHORT = faultIndex('loop.accept-short');
const F_EMFILE_ACCEPT = faultIndex('loop.emfile-accept');
const F_EMFILE_OPEN = faultIndex('loop.emfile-open');

/** Accepted clients whose addresses are remembered at once. */
const PEER_ROWS = 4096;
/** Operations per slot: one for each op code. */
const OPS = 6;

export class SimLoop implements contract.Loop, EventSink, SockOwner, ListenerOwner {
  readonly kind = 'sim';
  readonly arena: Uint8Array;
  readonly smallSize: number;
  readonly bigOffset: ArenaOffset;
  readonly bigLength: number;
  readonly peers = new Uint8Array(PEER_ROWS * PEER_SIZE);
  readonly memory: SimArena;
  readonly pipes: SimPipes;
  readonly descriptors: Descriptors;
  /** Called before each turn: for the oracles. */
  beforeTurn: () => void = () => undefined;
  observer: LoopObserver | null = null;
  /** Operations submitted and not delivered. */
  inFlight = 0;
  turns = 0;
  protected readonly clock: SimClock;
  private readonly net: SimNet;
  protected readonly prng: Prng;
  protected readonly faults: Faults;
  private readonly sink: number;
  private readonly slots: number;
  private readonly sideFirst: number;
  protected readonly operations: (Operation | undefined)[] = [];
  protected readonly batcher: Batcher;
  private peerRow = 0;
  protected isInTurn = false;
  protected isWoken = false;

  constructor(clock: SimClock, net: SimNet, prng: Prng, faults: Faults, options: SimLoopOptions) {
    this.clock = clock;
    this.net = net;
    this.prng = prng;
    this.faults = faults;
    this.sink = clock.register(this);
    this.memory = new SimArena(options.smallSize, options.smallCount, options.bigLength);
    this.pipes = new SimPipes(options.pipeCount);
    this.arena = this.memory.bytes;
    this.smallSize = options.smallSize;
    this.bigOffset = this.memory.bigOffset as ArenaOffset;
    this.bigLength = options.bigLength;
    this.descriptors = options.descriptors ?? new Descriptors(options.descriptorLimit, faults);
    this.sideFirst = options.sideFirst ?? 0;
    this.slots = Math.max(options.sidesMax, options.listenersMax);
    this.batcher = new Batcher(prng, faults);
  }

  /* ---- the contract: submissions ---- */

  accept(listener: ListenerSlot, seq: number, fd: Fd, max: number): void {
    const operation = this.submit(OP_ACCEPT, listener, seq, fd);
    if (max < 1) violate('contract.accept', `max is ${max}`);
    if (operation.descriptor?.listener === null) violate('contract.accept', `descriptor ${fd} does not listen`);
    operation.length = max;
    this.schedule(operation);
  }

  openStream(kind: number, _options: contract.StreamOptions): number {
    this.checkInTurn('openStream');
    if (kind !== KIND_IPV4 && kind !== KIND_IPV6 && kind !== KIND_UNIX) return -EAFNOSUPPORT;
    if (this.descriptors.isFull) {
      this.faults.note(F_EMFILE_OPEN);
      return -EMFILE;
    }
    const descriptor = this.descriptors.open();
    descriptor.sock = this.net.openSock(kind === KIND_UNIX, this);
    descriptor.sock.tag = descriptor.fd;
    descriptor.sock.isInner = true;
    return descriptor.fd;
  }

  connect(side: SideSlot, seq: number, fd: Fd, endpoints: Uint8Array, offset: number): void {
    const operation = this.submit(OP_CONNECT, side, seq, fd);
    const sock = this.streamOf(operation);
    if (sock.state !== SOCK_NEW) violate('contract.connect', `descriptor ${fd} connects twice`);
    operation.length = addressKey(endpoints, offset);
    this.observer?.connecting(side + this.sideFirst, sock, operation.length);
    const result = this.net.connect(sock, operation.length);
    // An answer that is there at once is still delivered later; a full unix backlog is tried again.
    if (result === -EINPROGRESS) return;
    if (result < 0 && result !== -EAGAIN) sock.error = -result;
    this.schedule(operation);
  }

  recv(side: SideSlot, seq: number, fd: Fd): void {
    const operation = this.submit(OP_RECV, side, seq, fd);
    this.streamOf(operation);
    this.schedule(operation);
  }

  recvInto(side: SideSlot, seq: number, fd: Fd, offset: ArenaOffset, length: number): void {
    const operation = this.submit(OP_RECV, side, seq, fd);
    this.streamOf(operation);
    if (offset < this.bigOffset) violate('contract.recvInto', "memory that is not the engine's");
    this.fly(operation, offset, length);
    if (this.faults.isEnabled(F_EARLY_WRITE) && this.prng.chance(1, 2)) {
      this.faults.note(F_EARLY_WRITE);
      this.memory.poison(offset, length);
    }
    this.schedule(operation);
  }

  send(side: SideSlot, seq: number, fd: Fd, offset: ArenaOffset, length: number): void {
    const operation = this.submit(OP_SEND, side, seq, fd);
    this.streamOf(operation);
    this.fly(operation, offset, length);
    this.schedule(operation);
  }

  takePipe = (): number => this.pipes.take();
  givePipe = (pipe: number): void => this.pipes.give(pipe);
  trimPipes = (): void => undefined;
  /** None: descriptors are what connections are counted by here. */
  pipeDescriptors = (): number => 0;

  recvPipe(side: SideSlot, seq: number, fd: Fd, pipe: number): void {
    this.submitPipe(this.submit(OP_RECV, side, seq, fd), pipe, 0);
  }

  sendPipe(side: SideSlot, seq: number, fd: Fd, pipe: number, length: number): void {
    this.submitPipe(this.submit(OP_SEND, side, seq, fd), pipe, length);
  }

  watch(side: SideSlot, seq: number, fd: Fd): void {
    const operation = this.submit(OP_WATCH, side, seq, fd);
    this.streamOf(operation);
    this.schedule(operation);
  }

  cancel(op: number, slot: number, seq: number): void {
    this.checkInTurn('cancel');
    const operation = this.operations[slot * OPS + op];
    if (operation === undefined || operation.state !== ACTIVE || operation.seq !== seq || operation.isCancelled) return;
    operation.isCancelled = true;
    this.clock.after(this.jitter(), this.sink, EV_CANCEL, operation.index, operation.generation);
  }

  release(buffer: ArenaOffset): void {
    this.checkInTurn('release');
    this.memory.release(buffer);
  }

  shutdown(fd: Fd): number {
    this.checkInTurn('shutdown');
    const { sock } = this.descriptorOf(fd, 'shutdown');
    if (sock === null) return violate('contract.shutdown', `descriptor ${fd} is not a stream`);
    return this.net.shutdown(sock);
  }

  close(fd: Fd, how: number): void {
    this.checkInTurn('close');
    const descriptor = this.descriptorOf(fd, 'close');
    if (descriptor.inFlight > 0) violate('contract.close', `${inFlightText(descriptor)} in flight on descriptor ${fd}`);
    const { sock, listener } = descriptor;
    this.descriptors.close(descriptor);
    if (listener !== null) this.net.unlisten(listener);
    else if (sock !== null) {
      this.observer?.closing(sock, how);
      this.net.close(sock, how === CLOSE_ABORT);
    }
  }

  progress(fd: Fd): number {
    const { sock } = this.descriptorOf(fd, 'progress');
    return sock === null ? 0 : this.net.progress(sock);
  }

  unsent(fd: Fd): number {
    const { sock } = this.descriptorOf(fd, 'unsent');
    return sock === null ? 0 : this.net.unsent(sock);
  }

  trim(offset: ArenaOffset, length: number): void {
    this.memory.checkIdle(offset, length);
    this.memory.poison(offset, length);
  }

  buffersHeld(): number {
    return this.memory.held;
  }

  destroy(): void {
    if (this.inFlight > 0) violate('contract.destroy', `${this.inFlight} operations in flight`);
  }

  /* ---- for the world ---- */

  /** Gives the process a listening descriptor, as main does before workers start. */
  adoptListener(listener: SimListener): Fd {
    const descriptor = this.descriptors.open();
    descriptor.listener = listener;
    listener.owner = this;
    listener.tag = descriptor.fd;
    return descriptor.fd as Fd;
  }

  /** Somebody calls the wake-up. */
  wake(): void {
    this.isWoken = true;
  }

  run(turn: contract.Turn, over: () => void): void {
    this.batcher.batch.count = 0;
    for (;;) {
      this.beforeTurn();
      this.turns++;
      this.isInTurn = true;
      const deadlineUs = turn(this.clock.nowUs as Us, this.batcher.batch);
      this.isInTurn = false;
      if (deadlineUs === STOP) break;
      // Whole microseconds, so that sums of times are exact.
      this.sleep(Math.min(Math.ceil(deadlineUs), this.clock.nowUs + WAIT_MAX_US));
      this.inFlight -= this.batcher.fill();
    }
    over();
  }

  /* ---- time ---- */

  /** Lets the world go on until there is something to tell the engine, or it is time. */
  private sleep(untilUs: number): void {
    const { clock, batcher } = this;
    // A turn takes time itself; what happens meanwhile comes in the same batch.
    let busyUs = clock.nowUs + this.prng.below(20);
    if (this.faults.fires(F_SLOW_TURN)) busyUs += this.prng.skewed(20_000);
    while (clock.step(busyUs));
    clock.nowUs = Math.max(clock.nowUs, busyUs);
    while (batcher.waiting === 0 && !this.isWoken && clock.nowUs < untilUs) {
      if (clock.step(untilUs)) continue;
      clock.nowUs = Math.max(clock.nowUs, untilUs);
    }
    if (!this.isWoken) return;
    this.isWoken = false;
    batcher.add(null, OP_WAKE, 0, 0, 0, 0, 0);
  }

  fire(kind: number, index: number, generation: number): void {
    const operation = this.operations[index] as Operation;
    if (operation.generation !== generation) return;
    if (kind === EV_CANCEL) {
      if (operation.state !== ACTIVE) {
        this.faults.note(F_CANCEL_LOST);
        return;
      }
      this.faults.note(F_CANCEL_WON);
      this.finish(operation, -ECANCELED, 0);
      return;
    }
    if (operation.state !== ACTIVE) return;
    operation.isScheduled = false;
    this.attempt(operation);
  }

  sockChanged(sock: Sock): void {
    const descriptor = this.descriptors.find(sock.tag) as Descriptor;
    for (let op = OP_CONNECT; op <= OP_WATCH; op++) {
      const operation = descriptor.operations[op];
      if (operation !== null && operation !== undefined) this.schedule(operation);
    }
  }

  listenerChanged(listener: SimListener): void {
    const operation = this.descriptors.find(listener.tag)?.operations[OP_ACCEPT];
    if (operation !== null && operation !== undefined) this.schedule(operation);
  }

  private jitter(): number {
    return this.faults.fires(F_LATE) ? this.prng.skewed(50_000) : this.prng.below(10);
  }

  protected schedule(operation: Operation): void {
    if (operation.isScheduled || operation.state !== ACTIVE) return;
    operation.isScheduled = true;
    this.clock.after(this.jitter(), this.sink, EV_ATTEMPT, operation.index, operation.generation);
  }

  /* ---- operations ---- */

  private attempt(operation: Operation): void {
    if (operation.op === OP_ACCEPT) return this.attemptAccept(operation);
    const sock = operation.descriptor?.sock as Sock;
    if (operation.op === OP_CONNECT) return this.attemptConnect(operation, sock);
    if (operation.op === OP_SEND) return this.attemptSend(operation, sock);
    if (operation.op === OP_RECV) return this.attemptRecv(operation, sock);
    // The error stays for the operation that runs into it, as poll(2) does not take it; a watch that comes after
    // that one is told all the same.
    if (sock.failure !== 0) this.finish(operation, -sock.failure, 0);
    return undefined;
  }

  private attemptConnect(operation: Operation, sock: Sock): void {
    if (sock.error !== 0) {
      const error = sock.error;
      sock.error = 0;
      this.finish(operation, -error, 0);
    } else if (sock.state === SOCK_NEW) {
      const result = this.net.connect(sock, operation.length);
      if (result === -EAGAIN) {
        operation.isScheduled = true;
        this.clock.after(500, this.sink, EV_ATTEMPT, operation.index, operation.generation);
      } else {
        sock.isReported = result === 0;
        this.finish(operation, result, 0);
      }
    } else if (sock.state !== SOCK_CONNECTING) {
      sock.isReported = true;
      this.finish(operation, 0, 0);
    }
  }

  private attemptRecv(operation: Operation, sock: Sock): void {
    const readable = sock.inbound.readable;
    const isInto = operation.flying !== 0;
    if (readable === 0) {
      let result = this.net.recv(sock, this.arena, 0, 0);
      if (result === -EAGAIN) return;
      // A socket tells its error once, maybe to a send; a loop remembers it, so that no abort looks like an end.
      if (result === 0 && !sock.isFinArrived) result = -ECONNRESET;
      this.finish(operation, result, 0);
      return;
    }
    const { pipe } = operation;
    const room = pipe !== 0 ? this.pipes.bytesOf(pipe).length : isInto ? operation.length : this.smallSize;
    let count = Math.min(readable, room);
    if (count > 1 && this.faults.fires(F_PARTIAL_RECV)) count = 1 + this.prng.skewed(count);
    if (pipe !== 0) {
      operation.length = this.net.recv(sock, this.pipes.bytesOf(pipe), 0, count);
      this.finish(operation, operation.length, 0);
      return;
    }
    let offset = operation.flying;
    if (!isInto) {
      offset = this.faults.fires(F_NO_BUFFER) ? 0 : this.memory.take();
      if (offset === 0) {
        operation.isScheduled = true;
        this.clock.after(this.prng.between(10, 2000), this.sink, EV_ATTEMPT, operation.index, operation.generation);
        return;
      }
    }
    this.finish(operation, this.net.recv(sock, this.arena, offset, count), offset);
  }

  private attemptSend(operation: Operation, sock: Sock): void {
    let count = operation.length - operation.done;
    if (count > 1 && this.faults.fires(F_PARTIAL_SEND)) count = 1 + this.prng.skewed(count);
    const source = operation.pipe === 0 ? this.arena : this.pipes.bytesOf(operation.pipe);
    const result = this.net.send(sock, source, operation.offset + operation.done, count);
    if (result === -EAGAIN) return;
    if (result < 0) {
      this.finish(operation, result, 0);
      return;
    }
    operation.done += result;
    if (operation.done === operation.length) this.finish(operation, operation.length, 0);
    else this.schedule(operation);
  }

  private attemptAccept(operation: Operation): void {
    const listener = operation.descriptor?.listener as SimListener;
    while (operation.done < operation.length && listener.queue.length > 0) {
      if (this.descriptors.isFull) {
        this.faults.note(F_EMFILE_ACCEPT);
        this.finish(operation, operation.done === 0 ? -EMFILE : 0, 0);
        return;
      }
      const sock = this.net.accept(listener, this) as Sock;
      const descriptor = this.descriptors.open();
      descriptor.sock = sock;
      sock.tag = descriptor.fd;
      sock.isInner = true;
      this.observer?.accepted(sock);
      const at = (this.peerRow++ % PEER_ROWS) * PEER_SIZE;
      this.peers.set(sock.address, at);
      operation.done++;
      this.batcher.add(null, OP_ACCEPT, operation.slot, operation.seq, descriptor.fd, contract.FLAG_MORE, at);
      if (this.faults.fires(F_ACCEPT_SHORT)) break;
    }
    if (operation.done > 0) this.finish(operation, 0, 0);
  }

  private finish(operation: Operation, result: number, buffer: number): void {
    operation.state = FINISHED;
    if (operation.flying !== 0) {
      this.memory.land(operation.flying);
      operation.flying = 0;
    }
    if (operation.pipe !== 0) {
      this.pipes.land(operation.pipe, operation.op === OP_RECV ? operation.length : operation.length - operation.done);
      operation.pipe = 0;
    }
    this.batcher.add(operation, operation.op, operation.slot, operation.seq, result, 0, result > 0 ? buffer : 0);
  }

  /* ---- checks ---- */

  private submit(op: number, slot: number, seq: number, fd: number): Operation {
    const what = OP_NAMES[op];
    this.checkInTurn(what);
    if (slot < 0 || slot >= this.slots || !Number.isInteger(slot))
      violate('contract.slot', `${what} names slot ${slot}`);
    if (seq < 0 || seq > SEQ_MASK || !Number.isInteger(seq)) violate('contract.seq', `${what} has seq ${seq}`);
    const descriptor = this.descriptorOf(fd, what);
    const index = slot * OPS + op;
    const operation = (this.operations[index] ??= new Operation(index, op, slot));
    if (operation.state !== IDLE)
      violate('contract.one-operation', `a second ${what} on slot ${slot} while one is in flight`);
    if (descriptor.operations[op] !== null) violate('contract.one-operation', `a second ${what} on descriptor ${fd}`);
    operation.state = ACTIVE;
    operation.generation = (operation.generation + 1) & 0x7fff_ffff;
    operation.seq = seq;
    operation.descriptor = descriptor;
    operation.done = 0;
    operation.isCancelled = false;
    operation.isScheduled = false;
    descriptor.operations[op] = operation;
    descriptor.inFlight++;
    this.inFlight++;
    return operation;
  }

  private fly(operation: Operation, offset: number, length: number): void {
    this.memory.fly(offset, length, `${OP_NAMES[operation.op]} on slot ${operation.slot}`);
    operation.offset = offset;
    operation.length = length;
    operation.flying = offset;
  }

  private submitPipe(operation: Operation, pipe: number, length: number): void {
    this.streamOf(operation);
    this.pipes.fly(pipe, length);
    operation.pipe = pipe;
    operation.offset = 0;
    operation.length = length;
    this.schedule(operation);
  }

  private streamOf(operation: Operation): Sock {
    const sock = operation.descriptor?.sock ?? null;
    return sock ?? violate('contract.stream', `descriptor ${operation.descriptor?.fd} is not a stream`);
  }

  protected descriptorOf(fd: number, what: string): Descriptor {
    return (
      this.descriptors.find(fd) ?? violate('contract.descriptor', `${what} on descriptor ${fd}, which is not open`)
    );
  }

  private checkInTurn(what: string): void {
    if (!this.isInTurn) violate('contract.turn', `${what} outside a turn`);
  }
}
