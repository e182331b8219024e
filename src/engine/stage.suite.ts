/** A stage for single steps of the engine: real tables, and a loop that only writes down what it is asked. */
import { expect } from 'vitest';
import type { ArenaOffset, Fd, ListenerSlot, SideSlot, Us } from '../base/brand.ts';
import { ENDPOINT_IP, ENDPOINT_SIZE, endpointText, KIND_IPV4, PEER_SIZE, writeEndpoint } from '../base/endpoint.ts';
import { ECANCELED } from '../base/errno.ts';
import {
  FLAG_MORE,
  OP_ACCEPT,
  OP_CONNECT,
  OP_RECV,
  OP_SEND,
  OP_WATCH,
  type CompletionBatch,
  type Loop,
} from '../loop/loop.ts';
import { sumLanes } from '../table/columns.ts';
import { writeMembers } from '../table/members.ts';
import { ACL_NONE } from '../table/schema.ts';
import { beginPublish, commitPublish, registerWorker } from '../table/publish.ts';
import type { RecordRing } from '../table/records.ts';
import type { Ring } from '../table/ring.ts';
import { createTables, openTables, type ConfigBank, type Tables } from '../table/tables.ts';
import { BIG_SIZE } from './big-buffers.ts';
import { createEngine, type Engine } from './engine.ts';

export const SMALL = 16_384;
export const LISTENER_FD = 9;
export const FIRST_SERVER = 3;
export const CLIENT = 0;
export const SERVER = 1;
/** The farm of which everything here is, and one without servers. */
const FARMS = 2;
export const SLOTS = 32;
const PEERS = 64;

export interface Submission {
  readonly op: number;
  readonly slot: number;
  readonly seq: number;
  /** Of an accept: how many; of a receive into big memory, and of a send: where and how much. */
  readonly max?: number;
  readonly offset?: number;
  readonly length?: number;
  /** Of a connect: where to. */
  readonly to?: string;
  readonly pipe?: number;
}

export class NotingLoop implements Loop {
  readonly kind = 'sim';
  readonly arena = new Uint8Array(16 * SMALL);
  readonly smallSize = SMALL;
  readonly bigOffset = (1 << 20) as ArenaOffset;
  readonly bigLength = 2 * BIG_SIZE;
  readonly peers = new Uint8Array(PEER_SIZE * PEERS);
  readonly inFlight = new Map<string, Submission>();
  readonly cancelled = new Set<string>();
  readonly closed: [fd: number, how: number][] = [];
  readonly ended: number[] = [];
  readonly released: number[] = [];
  readonly trimmed: number[] = [];
  /** Pipes that can still be lent; those that came back; how often idle ones were closed. */
  pipesLeft = 0;
  readonly pipesBack: number[] = [];
  pipesTrimmed = 0;
  unsentBytes = 0;
  progressMark = 0;
  openError = 0;
  private nextFd = 100;

  private note(submission: Submission): void {
    const key = `${submission.op}:${submission.slot}`;
    expect(this.inFlight.has(key), 'one operation per kind and slot').toBe(false);
    this.inFlight.set(key, submission);
  }
  accept(slot: ListenerSlot, seq: number, _fd: Fd, max: number): void {
    this.note({ op: OP_ACCEPT, slot, seq, max });
  }
  openStream(): number {
    return this.openError === 0 ? this.nextFd++ : -this.openError;
  }
  connect(slot: SideSlot, seq: number, _fd: Fd, endpoints: Uint8Array, offset: number): void {
    this.note({ op: OP_CONNECT, slot, seq, to: endpointText(endpoints, offset) });
  }
  recv(slot: SideSlot, seq: number): void {
    this.note({ op: OP_RECV, slot, seq });
  }
  recvInto(slot: SideSlot, seq: number, _fd: Fd, offset: ArenaOffset, length: number): void {
    this.note({ op: OP_RECV, slot, seq, offset, length });
  }
  takePipe(): number {
    return this.pipesLeft > 0 ? this.pipesLeft-- : 0;
  }
  givePipe(pipe: number): void {
    this.pipesBack.push(pipe);
  }
  trimPipes(): void {
    this.pipesTrimmed++;
  }
  pipeDescriptors(): number {
    return 0;
  }
  recvPipe(slot: SideSlot, seq: number, _fd: Fd, pipe: number): void {
    this.note({ op: OP_RECV, slot, seq, pipe });
  }
  sendPipe(slot: SideSlot, seq: number, _fd: Fd, pipe: number, length: number): void {
    this.note({ op: OP_SEND, slot, seq, pipe, length });
  }
  send(slot: SideSlot, seq: number, _fd: Fd, offset: ArenaOffset, length: number): void {
    this.note({ op: OP_SEND, slot, seq, offset, length });
  }
  watch(slot: SideSlot, seq: number): void {
    this.note({ op: OP_WATCH, slot, seq });
  }
  cancel(op: number, slot: number, seq: number): void {
    if (this.inFlight.get(`${op}:${slot}`)?.seq === seq) this.cancelled.add(`${op}:${slot}`);
  }
  release(offset: ArenaOffset): void {
    this.released.push(offset);
  }
  shutdown(fd: Fd): number {
    this.ended.push(fd);
    return 0;
  }
  close(fd: Fd, how: number): void {
    this.closed.push([fd, how]);
  }
  progress(): number {
    return this.progressMark;
  }
  unsent(): number {
    return this.unsentBytes;
  }
  trim(offset: ArenaOffset): void {
    this.trimmed.push(offset);
  }
  run(): void {}
  destroy(): void {}
  buffersHeld(): number {
    return 0;
  }
}

export interface Options {
  readonly servers?: number;
  readonly listeners?: number;
  readonly connMax?: number;
  readonly pendingMax?: number;
  readonly descriptorMax?: number;
  readonly idleTimeoutMs?: number;
  readonly halfClosedTimeoutMs?: number;
  /** Places of one source, and places for parked connections. */
  readonly sourceMax?: number;
  readonly parkedMax?: number;
  /** Workers there are; the engine is the first. */
  readonly workerCount?: number;
  /** Where dumps go. */
  readonly dumps?: Ring;
  /** Where requests are logged. */
  readonly requests?: RecordRing;
  /** Where connections go that have ended. */
  readonly endings?: RecordRing;
  /** Changes whatever else is to be configured. */
  readonly configure?: (draft: ConfigBank) => void;
}

/** Rows of the emergency and the abuse server. */
export const EMERGENCY = 1;
export const ABUSE = 2;
const ACLS = 10;
const RANGES = 64;

/** Rows of servers that lie together. */
export function rowsFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

/** The address of a server row: 10.0.0.1:80 for the first of the farm. */
export function serverAddress(row: number): Uint8Array {
  return Uint8Array.of(10, 0, 0, row - FIRST_SERVER + 1 + (row < FIRST_SERVER ? 100 : 0));
}

/** One engine, its loop and its clock. */
export class Stage {
  readonly loop = new NotingLoop();
  readonly tables: Tables;
  readonly engine: Engine;
  /** Workers that were woken. */
  readonly woken: number[] = [];
  nowMs = 1_000_000;
  deadlineUs = 0;
  private peerRow = 0;
  private clientFd = 5000;

  constructor(options: Options = {}) {
    this.tables = openTables(createTables());
    this.publish(options);
    registerWorker(this.tables, 0);
    const { workerCount = 1, dumps, requests, endings } = options;
    const wakeWorker = (worker: number): void => void this.woken.push(worker);
    const slots = { worker: 0, slotFirst: 0, slotCount: SLOTS, workerCount, wakeWorker, dumps, requests, endings };
    this.engine = createEngine({ loop: this.loop, tables: this.tables, ...slots, nowMs: this.nowMs });
    this.turn();
  }

  private publish({
    servers = 2,
    listeners = 1,
    connMax = 8,
    pendingMax = 8,
    descriptorMax = 100,
    ...rest
  }: Options): void {
    const counts = { farms: FARMS, members: servers, servers: FIRST_SERVER + servers, listeners, settings: 1 };
    const draft = beginPublish(this.tables, { ...counts, acls: ACLS, aclRanges4: RANGES, aclRanges6: RANGES })!;
    const { sourceMax = 0, parkedMax = 8 } = rest;
    const settings = { connMax, pendingMax, descriptorMax, sourceMax, parkedMax, acceptBatch: 100, listenerCount: 1 };
    for (const [name, value] of Object.entries(settings)) draft.settings[name as keyof typeof settings][0] = value;
    draft.settings.trustedAcl[0] = ACL_NONE;
    draft.listeners.fd[0] = LISTENER_FD;
    writeMembers(draft, 0, 0, rowsFrom(FIRST_SERVER, servers));
    draft.farms.blacklistMs[0] = 30_000;
    draft.farms.connectTimeoutMs[0] = 3000;
    draft.farms.idleTimeoutMs[0] = rest.idleTimeoutMs ?? 0;
    draft.farms.halfClosedTimeoutMs[0] = rest.halfClosedTimeoutMs ?? 0;
    draft.farms.clientPrefix[0] = 128;
    for (let row = EMERGENCY; row < FIRST_SERVER + servers; row++) {
      const endpoint = { kind: KIND_IPV4, ip: serverAddress(row), port: 80 } as const;
      writeEndpoint(endpoint, draft.servers.endpoint, row * ENDPOINT_SIZE);
    }
    rest.configure?.(draft);
    commitPublish(this.tables);
  }

  /** Publishes changes; the engine sees them in its next turn. */
  change(configure: (draft: ConfigBank) => void, servers?: number): void {
    const draft = beginPublish(
      this.tables,
      servers === undefined ? {} : { members: servers, servers: FIRST_SERVER + servers },
    )!;
    configure(draft);
    commitPublish(this.tables);
  }

  /** One turn, with the completions given: [op, slot, result, buffer, flags]. */
  turn(
    ...completions: (readonly [op: number, slot: number, result: number, buffer?: number, flags?: number])[]
  ): number {
    const batch: CompletionBatch = {
      count: completions.length,
      op: Uint8Array.from(completions, ([op]) => op),
      slot: Uint32Array.from(completions, ([, slot]) => slot),
      seq: Uint32Array.from(completions, ([op, slot]) => this.pending(op, slot)?.seq ?? 0),
      result: Int32Array.from(completions, ([, , result]) => result),
      buffer: Uint32Array.from(completions, ([, , , buffer]) => buffer ?? 0),
      flags: Uint8Array.from(completions, ([, , , , flags]) => flags ?? 0),
    };
    for (const [op, slot, , , flags] of completions)
      if (flags !== FLAG_MORE) this.loop.inFlight.delete(`${op}:${slot}`);
    this.deadlineUs = this.engine.turn((this.nowMs * 1000) as Us, batch);
    return this.deadlineUs;
  }

  /** A turn for everything whose end was asked for. */
  finishCancelled(): number {
    const keys = [...this.loop.cancelled].filter((key) => this.loop.inFlight.has(key));
    this.loop.cancelled.clear();
    return this.turn(
      ...keys.map((key) => [...key.split(':').map(Number), -ECANCELED] as unknown as [number, number, number]),
    );
  }

  /** Lets time pass, with turns when the engine asked for them. */
  sleep(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.deadlineUs / 1000 <= untilMs) {
      this.nowMs = Math.max(this.nowMs, this.deadlineUs / 1000);
      this.turn();
    }
    this.nowMs = untilMs;
    this.turn();
  }

  pending(op: number, slot: number): Submission | undefined {
    return this.loop.inFlight.get(`${op}:${slot}`);
  }

  accept(...fds: number[]): void {
    this.turn(...fds.map((fd) => [OP_ACCEPT, 0, fd, 0, FLAG_MORE] as const));
  }

  /** Somebody from 127.0.0.`last` (or a whole address) is accepted. @returns its slot; -1 when it is gone again. */
  acceptFrom(from: number | readonly number[], port = 0): number {
    const ip = typeof from === 'number' ? [127, 0, 0, from] : from;
    const at = this.peerRow * PEER_SIZE;
    this.peerRow = (this.peerRow + 1) % PEERS;
    const { peers } = this.loop;
    peers.fill(0, at, at + PEER_SIZE);
    peers.set([KIND_IPV4, 0, port >>> 8, port & 255], at);
    peers.set([255, 255, ...ip], at + ENDPOINT_IP + 10);
    const fd = this.clientFd++;
    this.turn([OP_ACCEPT, 0, fd, at, FLAG_MORE]);
    const side = this.engine.state.fd.indexOf(fd);
    return side >> 1;
  }

  open(): void {
    this.accept(50);
    this.turn([OP_CONNECT, SERVER, 0]);
  }

  /** How descriptors were closed so far. */
  endings(): number[] {
    return this.loop.closed.map(([, how]) => how);
  }

  count(name: keyof Tables['counters']): number {
    return sumLanes(this.tables.counters[name]);
  }
}
