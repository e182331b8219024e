/**
 * What one worker knows: its rows of the tables, and columns of its own for what nobody else needs to see.
 *
 * Columns are indexed by connection slot or by side (slot * 2 downstream, slot * 2 + 1 upstream), relative to the
 * worker's first slot.
 *
 * @owner the worker's thread.
 */
import { assert } from '../base/assert.ts';
import type { ArenaOffset, Fd } from '../base/brand.ts';
import { PEER_SIZE } from '../base/endpoint.ts';
import { SEQ_MASK, type CompletionBatch, type Loop, type StreamOptions } from '../loop/loop.ts';
import { ClientVisit } from '../table/clients.ts';
import { addTo, type Lanes } from '../table/columns.ts';
import { SERVERS_MAX } from '../table/limits.ts';
import type { RecordRing } from '../table/records.ts';
import type { Ring } from '../table/ring.ts';
import type { ConfigBank, Tables } from '../table/tables.ts';
import { AcceptState } from './accept-state.ts';
import { BigBuffers } from './big-buffers.ts';
import { Parking } from './parking.ts';
import { descriptorsFree } from './sharing.ts';
import { SideQueue } from './side-queue.ts';
import { TimerWheel } from './timer-wheel.ts';

export interface EngineOptions {
  readonly loop: Loop;
  readonly tables: Tables;
  /** Row of the workers table. */
  readonly worker: number;
  /** Connection slots of this worker: first and count. */
  readonly slotFirst: number;
  readonly slotCount: number;
  /** Workers there are, this one included. **Default** 1. */
  readonly workerCount?: number;
  /** Makes another worker run a turn soon. */
  readonly wakeWorker?: (worker: number) => void;
  /** Where dumps go. **Default** nowhere: nothing is dumped, whatever the configuration says. */
  readonly dumps?: Ring | undefined;
  /** Where requests go that are logged. **Default** nowhere: nothing is logged, whatever the configuration says. */
  readonly requests?: RecordRing | undefined;
  /** Where connections go that have ended. **Default** nowhere. */
  readonly endings?: RecordRing | undefined;
  /** Monotonic time of the first turn, in ms. */
  readonly nowMs: number;
}

/** In `progressMark`: nothing is on its way that a later look could compare with. */
export const NO_MARK = -1;

/** Timer keys beyond the connections. */
const TIMERS_EXTRA = 4;
/** Pages of big buffers are given back, and pipes closed, this long after one came back. */
const TRIM_MS = 1000;
/** In `held`: the bytes are in the direction's pipe. No buffer of the arena begins there. */
export const HELD_IN_PIPE = 1;
/** Descriptors that must be left for connections when a pipe is opened. */
const PIPE_SPARE = 64;

export class EngineState {
  readonly loop: Loop;
  readonly tables: Tables;
  readonly worker: number;
  readonly slotFirst: number;
  readonly slotCount: number;
  readonly workerCount: number;
  readonly wakeWorker: (worker: number) => void;
  readonly dumps: Ring | undefined;
  readonly requests: RecordRing | undefined;
  readonly endings: RecordRing | undefined;
  readonly wheel: TimerWheel;
  readonly big: BigBuffers;
  /** Directions whose next bulk step waits for its turn. */
  readonly bulkTurns: SideQueue;
  /** Slots of clients that were peeked at and have said something, or that they say nothing. */
  readonly heard: SideQueue;
  /** Slots of those who have and wait until another may wait for its server, each once: `isSpoken`. */
  readonly spoken: SideQueue;
  readonly isSpoken: Uint8Array;

  /** The configuration bank in force; changes between turns only. */
  config: ConfigBank;
  /** Where what is received is dumped; undefined while nobody wants that. */
  dumping: Ring | undefined;
  /** Where requests are logged, and how much of each; undefined while nobody wants that. */
  logging: RecordRing | undefined;
  logText = 0;
  /** Where it is told how connections ended; undefined while nobody wants that. */
  telling: RecordRing | undefined;
  /** How upstream sockets are opened, from the configuration. */
  streamOptions: StreamOptions = { noDelay: true, keepAlive: false };
  readonly acceptor = new AcceptState();
  readonly parking: Parking;
  /** What the tracking last said about a client. */
  readonly visit = new ClientVisit();
  configVersion = -1;
  nowMs: number;

  // Per connection.
  readonly state: Uint8Array;
  readonly server: Uint16Array;
  readonly farm: Uint16Array;
  /** The port its client came to; 0 for a unix socket, and for an idler. */
  readonly port: Uint16Array;
  /** PEER_WORDS halves of a word each: the client's address. */
  readonly peers: Uint32Array;
  readonly startedMs: Float64Array;
  readonly progressMs: Float64Array;
  /** The client that is tracked, and the generation of its row; 0 none. */
  readonly client: Uint32Array;
  readonly clientGeneration: Uint32Array;
  /** The source in which the connection is counted; 0 none. */
  readonly source: Uint32Array;
  /** Index within the farm, plus one, of the server the client was last sent to, as far as is known here; 0 none. */
  readonly remembered: Uint16Array;
  /** Servers tried after the first choice. */
  readonly walked: Uint16Array;
  /** REASON_* of the ending, and CLOSE_* for both sides. */
  readonly reason: Uint8Array;
  readonly how: Uint8Array;
  /** Since when the connection waits for its server, or the peer of a draining one last took bytes, ms. */
  readonly phaseMs: Float64Array;
  /** When its server stood, ms; 0 not yet. */
  readonly openedMs: Float64Array;
  /** When the connection's timer is due; Infinity when it has none. */
  readonly checkMs: Float64Array;

  // Per side.
  readonly fd: Int32Array;
  readonly bytesIn: Float64Array;
  readonly pending: Uint8Array;
  readonly marks: Uint8Array;
  readonly connectSeq: Uint32Array;
  readonly recvSeq: Uint32Array;
  readonly sendSeq: Uint32Array;
  readonly watchSeq: Uint32Array;
  /** Bytes received from this side that the other side has not yet been given: where, how many. */
  readonly held: Uint32Array;
  readonly heldLength: Uint32Array;
  /** How much of `held` has been sent, and the length of the send in flight. */
  readonly sentLength: Uint32Array;
  readonly sendLength: Uint32Array;
  /** Bytes passed in receives that each filled a small buffer, since one that did not. */
  readonly fullBytes: Uint32Array;
  /** What this direction has borrowed while it moves bulk data: a pipe, or else a big buffer; 0 none. */
  readonly pipe: Uint16Array;
  readonly bigBuffer: Uint32Array;
  /** Last value of Loop.progress (or NO_MARK), and the seq of the send in flight at that time. */
  readonly progressMark: Float64Array;
  readonly progressSeq: Uint32Array;

  // Counts.
  /** Slots taken. */
  connections = 0;
  /** Connections with a place in `settings.used`: all but those that are parked, or refused and on their way out. */
  used = 0;
  connecting = 0;
  /** Connections to servers that no client has. */
  idlers = 0;
  /** By server: places that they have, those that leave included. Address space but for the servers that have any. */
  readonly idlersAt = new Uint32Array(SERVERS_MAX + 1);
  /** Where the search for one that may be closed goes on. */
  idlerSlot = 0;
  /** There may be fewer, or more, idlers than wanted. */
  isIdlersDue = true;
  descriptors = 0;
  pipesLent = 0;
  /** Accepting may be possible again: room was made, or the configuration changed. */
  acceptDirty = true;
  /** What the turn that is under way takes in; undefined between turns. */
  batch: CompletionBatch | undefined;
  /** Clients accepted in this turn that have a row, in the order of the batch. */
  acceptsTaken = 0;
  /** Others were told that somebody parked here could be served but for places that they have reserved. */
  isWanting = false;
  /** STOP_* once the worker was asked to stop. */
  stop = 0;

  /** Slots from here on have never been used: nothing of them is set up, so that room nobody needs costs no memory. */
  slotsTouched = 0;
  /** Slots that came back. */
  private readonly freeSlots: Int32Array;
  private freeCount = 0;
  private seq = 0;

  constructor(options: EngineOptions) {
    const { loop, tables, slotFirst, slotCount } = options;
    const slots = slotCount;
    const sides = slotCount * 2;
    this.loop = loop;
    this.tables = tables;
    this.worker = options.worker;
    this.slotFirst = slotFirst;
    this.slotCount = slotCount;
    this.workerCount = options.workerCount ?? 1;
    this.wakeWorker = options.wakeWorker ?? (() => undefined);
    this.dumps = options.dumps;
    this.requests = options.requests;
    this.endings = options.endings;
    this.nowMs = options.nowMs;
    this.config = tables.config[0];
    this.wheel = new TimerWheel(slots + TIMERS_EXTRA, options.nowMs);
    this.big = new BigBuffers(loop.bigOffset, loop.bigLength);
    this.bulkTurns = new SideQueue(sides);
    this.heard = new SideQueue(sides);
    this.spoken = new SideQueue(slots);
    this.isSpoken = new Uint8Array(slots);

    const slotEnd = slotFirst + slots;
    tables.workers.slotFirst[this.worker] = slotFirst;
    tables.workers.slotEnd[this.worker] = slotFirst;
    const rows = tables.connections;
    this.state = rows.state.subarray(slotFirst, slotEnd);
    this.server = rows.server.subarray(slotFirst, slotEnd);
    this.farm = rows.farm.subarray(slotFirst, slotEnd);
    this.port = new Uint16Array(slots);
    const peers = rows.peer.subarray(slotFirst * PEER_SIZE, slotEnd * PEER_SIZE);
    this.peers = new Uint32Array(peers.buffer, peers.byteOffset, peers.length / 4);
    this.startedMs = rows.startedMs.subarray(slotFirst, slotEnd);
    this.progressMs = rows.progressMs.subarray(slotFirst, slotEnd);
    this.client = rows.client.subarray(slotFirst, slotEnd);
    this.clientGeneration = rows.clientGeneration.subarray(slotFirst, slotEnd);
    this.source = rows.source.subarray(slotFirst, slotEnd);
    this.remembered = new Uint16Array(slots);
    this.parking = new Parking(slots);
    this.walked = new Uint16Array(slots);
    this.reason = new Uint8Array(slots);
    this.how = new Uint8Array(slots);
    this.phaseMs = new Float64Array(slots);
    this.openedMs = new Float64Array(slots);
    this.checkMs = new Float64Array(slots);

    this.fd = tables.sides.fd.subarray(slotFirst * 2, slotEnd * 2);
    this.bytesIn = tables.sides.bytesIn.subarray(slotFirst * 2, slotEnd * 2);
    this.pending = new Uint8Array(sides);
    this.marks = tables.sides.marks.subarray(slotFirst * 2, slotEnd * 2);
    this.marks.fill(0);
    this.connectSeq = new Uint32Array(sides);
    this.recvSeq = new Uint32Array(sides);
    this.sendSeq = new Uint32Array(sides);
    this.watchSeq = new Uint32Array(sides);
    this.held = new Uint32Array(sides);
    this.heldLength = tables.sides.heldLength.subarray(slotFirst * 2, slotEnd * 2);
    this.sentLength = tables.sides.sentLength.subarray(slotFirst * 2, slotEnd * 2);
    this.sendLength = new Uint32Array(sides);
    this.fullBytes = new Uint32Array(sides);
    this.pipe = new Uint16Array(sides);
    this.bigBuffer = new Uint32Array(sides);
    this.progressMark = new Float64Array(sides);
    this.progressSeq = new Uint32Array(sides);

    this.freeSlots = new Int32Array(slots);
  }

  /** Timer key for trying to accept again after descriptors ran out. */
  get timerResumeAccept(): number {
    return this.slotCount;
  }

  /** Timer key for giving back what bulk data no longer needs. */
  get timerTrim(): number {
    return this.slotCount + 1;
  }

  /** Timer key for looking whether other workers have freed places that connections wait for. */
  get timerParking(): number {
    return this.slotCount + 2;
  }

  /** Timer key for trying to have as many idlers as wanted. */
  get timerIdlers(): number {
    return this.slotCount + 3;
  }

  /** An idler is a connection without a client. */
  isIdler(slot: number): boolean {
    return this.fd[slot * 2] < 0;
  }

  /** Where the address of the connection's client begins in `tables.connections.peer`. */
  peerAt(slot: number): number {
    return (this.slotFirst + slot) * PEER_SIZE;
  }

  /** Sets the connection's timer. */
  setTimer(slot: number, atMs: number): void {
    this.checkMs[slot] = atMs;
    this.wheel.set(slot, atMs);
  }

  clearTimer(slot: number): void {
    this.checkMs[slot] = Infinity;
    this.wheel.clear(slot);
  }

  /** Slots that no connection uses. */
  get freeSlotCount(): number {
    return this.slotCount - this.slotsTouched + this.freeCount;
  }

  takeSlot(): number {
    if (this.freeCount > 0) return this.freeSlots[--this.freeCount];
    assert(this.slotsTouched < this.slotCount, 'a slot is free when a connection is accepted');
    const slot = this.slotsTouched++;
    this.checkMs[slot] = Infinity;
    this.fd[slot * 2] = -1;
    this.fd[slot * 2 + 1] = -1;
    this.tables.workers.slotEnd[this.worker] = this.slotFirst + this.slotsTouched;
    return slot;
  }

  /** Sets up the row of a connection that begins. */
  clearRow(slot: number, farm: number): void {
    const client = slot * 2;
    const server = client + 1;
    this.farm[slot] = farm;
    this.startedMs[slot] = this.nowMs;
    this.progressMs[slot] = this.nowMs;
    this.openedMs[slot] = 0;
    this.walked[slot] = 0;
    this.marks[client] = 0;
    this.marks[server] = 0;
    this.progressMark[client] = NO_MARK;
    this.progressMark[server] = NO_MARK;
    this.bytesIn[client] = 0;
    this.bytesIn[server] = 0;
    this.heldLength[client] = this.sentLength[client] = 0;
    this.heldLength[server] = this.sentLength[server] = 0;
    this.fullBytes[client] = 0;
    this.fullBytes[server] = 0;
    this.client[slot] = 0;
    this.source[slot] = 0;
  }

  giveSlot(slot: number): void {
    this.tables.connections.generation[this.slotFirst + slot]++;
    this.freeSlots[this.freeCount++] = slot;
  }

  /** A number for the next submission, so that its completion can be told from any other. */
  nextSeq(): number {
    this.seq = (this.seq + 1) & SEQ_MASK;
    return this.seq;
  }

  /** Adds to a counter column, which has one lane per worker. */
  count(lanes: Lanes, amount: number): void {
    addTo(lanes, this.worker, amount);
  }

  fdOf(side: number): Fd {
    return this.fd[side] as Fd;
  }

  /** Closes a side's descriptor, if it is open; nothing may be in flight on it. */
  closeSide(side: number, how: number): void {
    const fd = this.fd[side];
    if (fd < 0) return;
    assert(this.pending[side] === 0, 'a side is closed only when nothing is in flight on it');
    this.fd[side] = -1;
    this.descriptors--;
    this.loop.close(fd as Fd, how);
  }

  /** Gives back what is held of the bytes received from `side`, sent or not. */
  dropHeld(side: number): void {
    const held = this.held[side];
    if (held === 0) return;
    this.held[side] = 0;
    // A pipe with something left in it cannot be received into again.
    if (held === HELD_IN_PIPE) {
      if (this.sentLength[side] < this.heldLength[side]) this.dropBulk(side);
    } else if (this.bigBuffer[side] !== held) {
      this.loop.release(held as ArenaOffset);
    }
  }

  /** Whether the direction that begins at `side` has a pipe or a big buffer. */
  isBulk(side: number): boolean {
    return this.pipe[side] !== 0 || this.bigBuffer[side] !== 0;
  }

  /** Lends the direction that begins at `side` a pipe, else a big buffer, if there is one. */
  takeBulk(side: number): void {
    // What clients say in a pipe could not be logged.
    const mayBePipe = this.logging === undefined || (side & 1) !== 0;
    this.pipe[side] = mayBePipe && descriptorsFree(this) >= PIPE_SPARE ? this.loop.takePipe() : 0;
    if (this.pipe[side] !== 0) this.pipesLent++;
    else this.bigBuffer[side] = this.big.take();
  }

  /** Gives back the pipe or big buffer of the direction that begins at `side`, if it has one. */
  dropBulk(side: number): void {
    if (!this.isBulk(side)) return;
    if (this.pipe[side] !== 0) {
      this.loop.givePipe(this.pipe[side]);
      this.pipesLent--;
    } else {
      this.big.give(this.bigBuffer[side] as ArenaOffset);
    }
    this.pipe[side] = 0;
    this.bigBuffer[side] = 0;
    if (!this.wheel.isSet(this.timerTrim)) this.wheel.set(this.timerTrim, this.nowMs + TRIM_MS);
  }
}
