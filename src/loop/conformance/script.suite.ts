/**
 * How a conformance test talks to a loop: a generator that runs inside the loop's turns.
 *
 * A script submits operations through its `Stage`, which books every one of them, and yields until something has
 * come. The stage checks the laws that hold for all tests: a completion answers a submission, in a later turn, with
 * the slot and seq that were given, and there is exactly one final one.
 */
import type { ArenaOffset, Fd, ListenerSlot, SideSlot, Us } from '../../base/brand.ts';
import { KIND_IPV4 } from '../../base/endpoint.ts';
import { errnoName } from '../../base/errno.ts';
import {
  CLOSE_ORDERLY,
  type CompletionBatch,
  FLAG_MORE,
  type Loop,
  OP_ACCEPT,
  OP_CONNECT,
  OP_RECV,
  OP_SEND,
  OP_WAKE,
  OP_WATCH,
  SEQ_MASK,
  STOP,
} from '../loop.ts';
import type { Net, Peer, PeerListener, PeerOptions } from './net.ts';

/** Yields the deadline of its turn; nothing means "look again soon". */
export type Script<Result = void> = Generator<Us | undefined, Result, void>;

/** What a test is; `runLoopSuite` turns it into one of the test runner's. */
export interface Case {
  readonly name: string;
  readonly script: (stage: Stage) => Script;
  /** Instead of the suite's default of 64. */
  readonly smallCount?: number;
}

/** A completion, copied out of its batch. */
export interface Done {
  readonly op: number;
  readonly slot: number;
  readonly seq: number;
  readonly result: number;
  readonly flags: number;
  readonly buffer: number;
  /** RECV: the bytes. ACCEPT: the client's address. Empty otherwise. */
  readonly bytes: Uint8Array;
  readonly turn: number;
}

/** An accepted or connected stream: our side of it and the peer's. */
export interface Pair {
  readonly side: SideSlot;
  readonly fd: Fd;
  readonly peer: Peer;
}

/** A test that hangs would hang the thread, so turns and time are bounded. */
const TURNS_MAX = 200_000;
const TIME_MAX_US = 15_000_000;
const LOOK_AGAIN_US = 1000;
/** Listener slots that a script goes through in turn, so that they are used again. */
const SLOTS = 16;
const PEER_BYTES = 24;

const OP_NAMES: readonly string[] = ['?', 'ACCEPT', 'CONNECT', 'RECV', 'SEND', 'WATCH', 'WAKE'];

export class Stage {
  readonly loop: Loop;
  readonly net: Net;
  readonly wake: { readonly fd: number; wake(): void };
  /** Time and number of the turn that runs. */
  now = 0 as Us;
  turn = 0;
  /** Completions nobody has taken yet, in order of arrival. */
  readonly arrived: Done[] = [];
  /** Submissions without their final completion: `op:slot:seq` to the turn of submission. */
  private readonly pending = new Map<string, number>();
  private readonly openFds = new Set<Fd>();
  private seq = 0;
  private sides = 0;
  private listeners = 0;

  constructor(loop: Loop, net: Net, wake: { readonly fd: number; wake(): void }) {
    this.loop = loop;
    this.net = net;
    this.wake = wake;
  }

  nextSide(): SideSlot {
    return this.sides++ as SideSlot;
  }

  nextListener(): ListenerSlot {
    return (this.listeners++ % SLOTS) as ListenerSlot;
  }

  /** Operations in flight. */
  inFlight(): number {
    return this.pending.size;
  }

  accept(listener: ListenerSlot, fd: Fd, max: number): number {
    const seq = this.book(OP_ACCEPT, listener);
    this.loop.accept(listener, seq, fd, max);
    return seq;
  }

  connect(side: SideSlot, fd: Fd, endpoint: Uint8Array): number {
    const seq = this.book(OP_CONNECT, side);
    // The address is read during the call: what happens to it afterwards must not matter.
    const record = new Uint8Array(200);
    record.set(endpoint, 40);
    this.loop.connect(side, seq, fd, record, 40);
    record.fill(255);
    return seq;
  }

  recv(side: SideSlot, fd: Fd): number {
    const seq = this.book(OP_RECV, side);
    this.loop.recv(side, seq, fd);
    return seq;
  }

  recvInto(side: SideSlot, fd: Fd, offset: number, length: number): number {
    const seq = this.book(OP_RECV, side);
    this.loop.recvInto(side, seq, fd, offset as ArenaOffset, length);
    return seq;
  }

  send(side: SideSlot, fd: Fd, offset: number, length: number): number {
    const seq = this.book(OP_SEND, side);
    this.loop.send(side, seq, fd, offset as ArenaOffset, length);
    return seq;
  }

  recvPipe(side: SideSlot, fd: Fd, pipe: number): number {
    const seq = this.book(OP_RECV, side);
    this.loop.recvPipe(side, seq, fd, pipe);
    return seq;
  }

  sendPipe(side: SideSlot, fd: Fd, pipe: number, length: number): number {
    const seq = this.book(OP_SEND, side);
    this.loop.sendPipe(side, seq, fd, pipe, length);
    return seq;
  }

  /** Whether the completion of a submission has come. */
  isDone(op: number, slot: number, seq: number): boolean {
    return this.arrived.some((done) => done.op === op && done.slot === slot && done.seq === seq);
  }

  watch(side: SideSlot, fd: Fd): number {
    const seq = this.book(OP_WATCH, side);
    this.loop.watch(side, seq, fd);
    return seq;
  }

  open(kind: number = KIND_IPV4): Fd {
    const fd = this.loop.openStream(kind, { noDelay: true, keepAlive: false });
    check(fd >= 0, `openStream gave ${text(fd)}`);
    this.openFds.add(fd as Fd);
    return fd as Fd;
  }

  close(fd: Fd, how: number = CLOSE_ORDERLY): void {
    this.openFds.delete(fd);
    this.loop.close(fd, how);
  }

  /** Waits for the next completion of a submission. */
  *next(op: number, slot: number, seq: number): Script<Done> {
    const find = () => this.arrived.findIndex((done) => done.op === op && done.slot === slot && done.seq === seq);
    yield* this.until(() => find() >= 0, `${OP_NAMES[op]} of slot ${slot}, seq ${seq}`);
    const [done] = this.arrived.splice(find(), 1);
    return done as Done;
  }

  /** Waits for the completion of a receive, gives a small buffer back and returns the result and the bytes. */
  *received(side: SideSlot, seq: number): Script<Done> {
    const done = yield* this.next(OP_RECV, side, seq);
    if (done.result > 0 && done.buffer < this.loop.bigOffset) this.loop.release(done.buffer as ArenaOffset);
    return done;
  }

  /** Waits until the condition holds, looking again every now and then. */
  *until(condition: () => boolean, what: string): Script {
    const patience = this.now + TIME_MAX_US / 3;
    while (!condition()) {
      check(this.now < patience, `waited in vain for ${what}; ${this.describe()}`);
      this.net.settle();
      yield undefined;
    }
  }

  /** Lets some time pass with whatever comes. */
  *rest(us: number): Script {
    const end = (this.now + us) as Us;
    while (this.now < end) {
      this.net.settle();
      yield end;
    }
  }

  /** Opens a listener, connects a peer to it and accepts it. */
  *accepted(kind: number = KIND_IPV4, options?: PeerOptions): Script<Pair> {
    const listener = this.net.listen(kind);
    const slot = this.nextListener();
    const peer = this.net.connect(listener.endpoint, options);
    const fd = yield* this.acceptOne(slot, listener);
    this.net.closeListener(listener);
    return { side: this.nextSide(), fd, peer };
  }

  /** Accepts exactly one connection. */
  *acceptOne(slot: ListenerSlot, listener: PeerListener): Script<Fd> {
    const seq = this.accept(slot, listener.fd, 1);
    const taken = yield* this.next(OP_ACCEPT, slot, seq);
    check(taken.result >= 0 && taken.flags === FLAG_MORE, `accept gave ${text(taken.result)}, flags ${taken.flags}`);
    const final = yield* this.next(OP_ACCEPT, slot, seq);
    check(final.result === 0 && final.flags === 0, `accept ended with ${text(final.result)}, flags ${final.flags}`);
    this.openFds.add(taken.result as Fd);
    return taken.result as Fd;
  }

  /** Opens a server and connects to it. */
  *connected(kind: number = KIND_IPV4, options?: PeerOptions): Script<Pair> {
    const server = this.net.serve(kind, options);
    const side = this.nextSide();
    const fd = this.open(kind);
    const done = yield* this.next(OP_CONNECT, side, this.connect(side, fd, server.endpoint));
    equal(done.result, 0, 'connect');
    let peer: Peer | undefined;
    yield* this.until(() => (peer ??= server.accept()) !== undefined, 'the server to accept');
    server.close();
    return { side, fd, peer: peer as unknown as Peer };
  }

  /** Notes a descriptor that a test took from an accept, so that it is closed in the end. */
  adopt(fd: number): Fd {
    this.openFds.add(fd as Fd);
    return fd as Fd;
  }

  /** Cancels what is still in flight, closes what is open and checks that nothing is left. */
  *cleanUp(): Script {
    for (const key of this.pending.keys()) {
      const [op, slot, seq] = key.split(':').map(Number) as [number, number, number];
      this.loop.cancel(op, slot, seq);
    }
    yield* this.until(() => this.pending.size === 0, 'every submission to complete');
    for (const done of this.arrived.splice(0)) this.discard(done);
    for (const fd of this.openFds) this.loop.close(fd, CLOSE_ORDERLY);
    this.openFds.clear();
    equal(this.loop.buffersHeld(), 0, 'small buffers held in the end');
  }

  /** Books a batch: called once per turn, before the script goes on. */
  take(nowUs: Us, batch: CompletionBatch): void {
    check(nowUs >= this.now, 'time never goes backwards');
    this.now = nowUs;
    this.turn++;
    if (this.turn === 1) equal(batch.count, 0, 'completions in the first turn');
    for (let i = 0; i < batch.count; i++) this.arrived.push(this.copy(batch, i));
  }

  private discard(done: Done): void {
    // Offset 0: the bytes are in a pipe.
    if (done.op === OP_RECV && done.result > 0 && done.buffer !== 0 && done.buffer < this.loop.bigOffset) {
      this.loop.release(done.buffer as ArenaOffset);
    }
    if (done.op === OP_ACCEPT && (done.flags & FLAG_MORE) !== 0) this.loop.close(done.result as Fd, CLOSE_ORDERLY);
  }

  private copy(batch: CompletionBatch, i: number): Done {
    const op = batch.op[i]!;
    const slot = batch.slot[i]!;
    const seq = batch.seq[i]!;
    const result = batch.result[i]!;
    const flags = batch.flags[i]!;
    const buffer = batch.buffer[i]!;
    if (op === OP_WAKE) {
      check(slot === 0 && seq === 0, 'a wake-up has slot 0 and seq 0');
    } else {
      const key = `${op}:${slot}:${seq}`;
      const submitted = this.pending.get(key);
      check(submitted !== undefined, `${OP_NAMES[op]} of slot ${slot}, seq ${seq} completed without being in flight`);
      check((submitted ?? 0) < this.turn, 'a completion comes in a later turn than its submission');
      if ((flags & FLAG_MORE) === 0) this.pending.delete(key);
    }
    let bytes: Uint8Array = new Uint8Array(0);
    if (op === OP_RECV && result > 0) bytes = this.loop.arena.slice(buffer, buffer + result);
    if (op === OP_ACCEPT && result >= 0 && (flags & FLAG_MORE) !== 0) {
      bytes = this.loop.peers.slice(buffer, buffer + PEER_BYTES);
    }
    return { op, slot, seq, result, flags, buffer, bytes, turn: this.turn };
  }

  private book(op: number, slot: number): number {
    // Starts near the top, so that all 24 bits are seen to come back.
    const seq = (SEQ_MASK - 5 + this.seq++) & SEQ_MASK;
    this.pending.set(`${op}:${slot}:${seq}`, this.turn);
    return seq;
  }

  private describe(): string {
    const inFlight = [...this.pending.keys()].slice(0, 5).map((key) => `${OP_NAMES[Number(key.split(':')[0])]} ${key}`);
    const arrived = this.arrived.slice(0, 5).map((done) => `${OP_NAMES[done.op]} ${done.slot} ${text(done.result)}`);
    return `in flight: ${inFlight.join(', ') || 'nothing'}; not taken: ${arrived.join(', ') || 'nothing'}`;
  }
}

/** Runs a script on a loop until it ends, then cleans up and leaves the loop. */
export async function play(stage: Stage, script: Script): Promise<void> {
  let current = script;
  let isCleaning = false;
  let startUs = -1;
  const turn = (nowUs: Us, batch: CompletionBatch): Us => {
    stage.take(nowUs, batch);
    if (startUs < 0) startUs = nowUs;
    check(stage.turn < TURNS_MAX, `the test took more than ${TURNS_MAX} turns`);
    check(nowUs - startUs < TIME_MAX_US, `the test took more than ${TIME_MAX_US / 1e6} s`);
    for (;;) {
      const step = current.next();
      if (step.done !== true) return step.value ?? ((nowUs + LOOK_AGAIN_US) as Us);
      if (isCleaning) return STOP;
      isCleaning = true;
      current = stage.cleanUp();
    }
  };
  return new Promise((resolve, reject) => {
    stage.loop.run((nowUs, batch) => {
      try {
        return turn(nowUs, batch);
      } catch (error) {
        reject(error);
        return STOP;
      }
    }, resolve);
  });
}

export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

export function equal(actual: number | string, expected: number | string, what: string): void {
  if (actual === expected) return;
  const [is, shall] = [actual, expected].map((value) => (typeof value === 'number' ? text(value) : value));
  throw new Error(`${what}: is ${is}, shall be ${shall}`);
}

export function equalBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  equal(actual.length, expected.length, `${what}: length`);
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  if (at >= 0) throw new Error(`${what}: byte ${at} is ${actual[at]}, shall be ${expected[at]}`);
}

/** Bytes that tell their own place in the stream, so that loss, repetition and exchange are seen. */
export function pattern(length: number, from = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = ((from + i) * 31 + ((from + i) >>> 8) * 17) & 255;
  return bytes;
}

/** Turns text into bytes. */
export function ascii(characters: string): Uint8Array {
  return Uint8Array.from(characters, (character) => character.charCodeAt(0));
}

function text(result: number): string {
  return result < 0 ? `-${errnoName(result)}` : String(result);
}
