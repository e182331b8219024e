/**
 * The engine against a loop that only writes down what it is asked, so that each step can be looked at. Whether all
 * steps together are right, under faults and in any order, is the simulator's business.
 */
import { describe, expect, test } from 'vitest';
import type { ArenaOffset, Fd, ListenerSlot, SideSlot, Us } from '../base/brand.ts';
import { ENDPOINT_SIZE, KIND_IPV4, PEER_SIZE, writeEndpoint } from '../base/endpoint.ts';
import { EADDRNOTAVAIL, ECANCELED, ECONNREFUSED, ECONNRESET, EMFILE, EPIPE } from '../base/errno.ts';
import {
  CLOSE_ABORT,
  CLOSE_ORDERLY,
  FLAG_MORE,
  OP_ACCEPT,
  OP_CONNECT,
  OP_RECV,
  OP_SEND,
  OP_WATCH,
  STOP,
  type CompletionBatch,
  type Loop,
} from '../loop/loop.ts';
import { sumLanes } from '../table/columns.ts';
import { beginPublish, commitPublish, registerWorker } from '../table/publish.ts';
import { blacklistedUntil, connectionsUsed, inFlightOf, requestStop, STOP_ORDERLY } from '../table/shared.ts';
import { createTables, openTables, type Tables } from '../table/tables.ts';
import { BIG_SIZE } from './big-buffers.ts';
import { createEngine, type Engine } from './engine.ts';
import { SEND_MAX } from './operations.ts';

const SMALL = 16_384;
const LISTENER_FD = 9;
const FIRST_SERVER = 3;
const CLIENT = 0;
const SERVER = 1;

interface Submission {
  readonly op: number;
  readonly slot: number;
  readonly seq: number;
  /** Of an accept: how many; of a receive into big memory, and of a send: where and how much. */
  readonly max?: number;
  readonly offset?: number;
  readonly length?: number;
}

class NotingLoop implements Loop {
  readonly kind = 'sim';
  readonly arena = new Uint8Array(0);
  readonly smallSize = SMALL;
  readonly bigOffset = (1 << 20) as ArenaOffset;
  readonly bigLength = 2 * BIG_SIZE;
  readonly peers = new Uint8Array(PEER_SIZE * 4);
  readonly inFlight = new Map<string, Submission>();
  readonly cancelled = new Set<string>();
  readonly closed: [fd: number, how: number][] = [];
  readonly ended: number[] = [];
  readonly released: number[] = [];
  readonly trimmed: number[] = [];
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
  connect(slot: SideSlot, seq: number): void {
    this.note({ op: OP_CONNECT, slot, seq });
  }
  recv(slot: SideSlot, seq: number): void {
    this.note({ op: OP_RECV, slot, seq });
  }
  recvInto(slot: SideSlot, seq: number, _fd: Fd, offset: ArenaOffset, length: number): void {
    this.note({ op: OP_RECV, slot, seq, offset, length });
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

interface Options {
  readonly servers?: number;
  readonly connMax?: number;
  readonly pendingMax?: number;
  readonly descriptorMax?: number;
  readonly idleTimeoutMs?: number;
  readonly halfClosedTimeoutMs?: number;
}

/** One engine, its loop and its clock. */
class Stage {
  readonly loop = new NotingLoop();
  readonly tables: Tables;
  readonly engine: Engine;
  nowMs = 1_000_000;
  deadlineUs = 0;

  constructor(options: Options = {}) {
    this.tables = openTables(createTables());
    this.publish(options);
    registerWorker(this.tables, 0);
    const slots = { worker: 0, slotFirst: 0, slotCount: 8 };
    this.engine = createEngine({ loop: this.loop, tables: this.tables, ...slots, nowMs: this.nowMs });
    this.turn();
  }

  private publish({ servers = 2, connMax = 8, pendingMax = 8, descriptorMax = 100, ...times }: Options): void {
    const draft = beginPublish(this.tables, { farms: 1, servers: FIRST_SERVER + servers, listeners: 1, settings: 1 })!;
    const settings = { connMax, pendingMax, descriptorMax, acceptBatch: 100, listenerCount: 1 };
    for (const [name, value] of Object.entries(settings)) draft.settings[name as keyof typeof settings][0] = value;
    draft.listeners.fd[0] = LISTENER_FD;
    draft.farms.serverFirst[0] = FIRST_SERVER;
    draft.farms.serverCount[0] = servers;
    draft.farms.blacklistMs[0] = 30_000;
    draft.farms.connectTimeoutMs[0] = 3000;
    draft.farms.idleTimeoutMs[0] = times.idleTimeoutMs ?? 0;
    draft.farms.halfClosedTimeoutMs[0] = times.halfClosedTimeoutMs ?? 0;
    for (let i = 0; i < servers; i++) {
      const endpoint = { kind: KIND_IPV4, ip: Uint8Array.of(10, 0, 0, i + 1), port: 80 } as const;
      writeEndpoint(endpoint, draft.servers.endpoint, (FIRST_SERVER + i) * ENDPOINT_SIZE);
    }
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

describe('accepting', () => {
  test('asks for as many as there is room, and goes on as soon as there is some again', () => {
    const stage = new Stage({ connMax: 2 });
    expect(stage.pending(OP_ACCEPT, 0)?.max).toBe(2);
    stage.accept(50, 51);
    stage.turn([OP_ACCEPT, 0, 0]);
    expect(stage.pending(OP_ACCEPT, 0)).toBeUndefined();
    expect([connectionsUsed(stage.tables), stage.count('accepted'), stage.count('pausedFull')]).toEqual([2, 2, 1]);
    stage.sleep(100);
    expect(stage.count('pausedFull'), 'an episode is counted once').toBe(1);
    stage.turn([OP_CONNECT, SERVER, 0], [OP_RECV, CLIENT, 0]);
    stage.turn([OP_RECV, SERVER, 0]);
    expect(stage.pending(OP_ACCEPT, 0)?.max, 'a place is free').toBe(1);
  });

  test('leaves no more than pending_max without a server', () => {
    const stage = new Stage({ pendingMax: 1 });
    stage.accept(50);
    stage.turn([OP_ACCEPT, 0, 0]);
    expect(stage.pending(OP_ACCEPT, 0)).toBeUndefined();
    expect(stage.count('pausedPending')).toBe(1);
    stage.turn([OP_CONNECT, SERVER, 0]);
    expect(stage.pending(OP_ACCEPT, 0)?.max).toBe(1);
  });

  test('keeps two descriptors for each connection', () => {
    expect(new Stage({ descriptorMax: 5 }).pending(OP_ACCEPT, 0)?.max).toBe(2);
    const none = new Stage({ descriptorMax: 1 });
    expect(none.pending(OP_ACCEPT, 0)).toBeUndefined();
    expect(none.count('pausedDescriptors')).toBe(1);
  });

  test('rests 100 ms when the system has no descriptor', () => {
    const stage = new Stage();
    stage.turn([OP_ACCEPT, 0, -EMFILE]);
    stage.sleep(90);
    expect(stage.pending(OP_ACCEPT, 0)).toBeUndefined();
    stage.sleep(30);
    expect(stage.pending(OP_ACCEPT, 0)).toBeDefined();
    expect(stage.count('pausedDescriptors')).toBe(1);
  });
});

describe('connecting', () => {
  test('what the client sent meanwhile is the first the server gets', () => {
    const stage = new Stage();
    stage.accept(50);
    stage.turn([OP_RECV, CLIENT, 5, 7 * SMALL]);
    expect(stage.pending(OP_SEND, SERVER)).toBeUndefined();
    stage.turn([OP_CONNECT, SERVER, 0]);
    expect(stage.pending(OP_SEND, SERVER)).toMatchObject({ offset: 7 * SMALL, length: 5 });
  });

  test('a server that refuses is blacklisted and the next one tried; the client is left in peace', () => {
    const stage = new Stage();
    stage.accept(50);
    stage.turn([OP_CONNECT, SERVER, -ECONNREFUSED]);
    expect(blacklistedUntil(stage.tables, FIRST_SERVER + 1)).toBe((stage.nowMs + 30_000) / 100);
    expect([0, 1].map((index) => inFlightOf(stage.tables, FIRST_SERVER + index))).toEqual([1, 0]);
    expect(stage.loop.closed).toEqual([[100, CLOSE_ORDERLY]]);
    stage.turn([OP_CONNECT, SERVER, 0]);
    expect([stage.count('failedOver'), stage.count('connected'), stage.count('unserved')]).toEqual([1, 1, 0]);
  });

  test('a server that does not answer in time is given up like one that refuses', () => {
    const stage = new Stage();
    stage.accept(50);
    stage.sleep(2990);
    expect(stage.loop.cancelled.has(`${OP_CONNECT}:${SERVER}`)).toBe(false);
    stage.sleep(30);
    expect(stage.loop.cancelled.has(`${OP_CONNECT}:${SERVER}`)).toBe(true);
    stage.finishCancelled();
    expect(blacklistedUntil(stage.tables, FIRST_SERVER + 1)).toBeGreaterThan(0);
    expect([stage.count('connectTimedOut'), stage.count('failedOver')]).toEqual([1, 1]);
    expect(stage.pending(OP_CONNECT, SERVER)).toBeDefined();
  });

  test('want of a local port is not the fault of the server', () => {
    const stage = new Stage();
    stage.accept(50);
    stage.turn([OP_CONNECT, SERVER, -EADDRNOTAVAIL]);
    expect(blacklistedUntil(stage.tables, FIRST_SERVER + 1)).toBe(0);
    expect(stage.pending(OP_CONNECT, SERVER)).toBeDefined();
  });

  test('a client that nobody serves is reset once everything in flight is back', () => {
    const stage = new Stage({ servers: 1 });
    stage.accept(50);
    stage.turn([OP_CONNECT, SERVER, -ECONNREFUSED]);
    expect(stage.loop.closed, 'the read of the client is still in flight').toEqual([[100, CLOSE_ORDERLY]]);
    stage.finishCancelled();
    expect(stage.loop.closed[1]).toEqual([50, CLOSE_ABORT]);
    expect([stage.count('unserved'), stage.count('failedOver'), connectionsUsed(stage.tables)]).toEqual([1, 0, 0]);
  });

  test('without a descriptor it tries again, for as long as one connect may take', () => {
    const stage = new Stage();
    stage.loop.openError = EMFILE;
    stage.accept(50);
    stage.sleep(1000);
    expect(stage.count('unserved')).toBe(0);
    stage.loop.openError = 0;
    stage.sleep(150);
    expect(stage.pending(OP_CONNECT, SERVER)).toBeDefined();

    const other = new Stage();
    other.loop.openError = EMFILE;
    other.accept(50);
    other.sleep(3200);
    other.finishCancelled();
    expect(other.loop.closed).toEqual([[50, CLOSE_ABORT]]);
    expect(blacklistedUntil(other.tables, FIRST_SERVER + 1)).toBe(0);
  });
});

describe('relaying', () => {
  test('a side is read again only when all it sent was taken', () => {
    const stage = new Stage();
    stage.open();
    stage.turn([OP_RECV, CLIENT, 100, SMALL]);
    expect(stage.pending(OP_RECV, CLIENT)).toBeUndefined();
    expect(stage.loop.released).toEqual([]);
    stage.turn([OP_SEND, SERVER, 100]);
    expect(stage.pending(OP_RECV, CLIENT)).toBeDefined();
    expect(stage.loop.released).toEqual([SMALL]);
  });

  test('two full receives earn a big buffer, a short one gives it back; sends have a limit', () => {
    const stage = new Stage();
    stage.open();
    for (const buffer of [SMALL, 2 * SMALL]) {
      expect(stage.pending(OP_RECV, SERVER)?.offset).toBeUndefined();
      stage.turn([OP_RECV, SERVER, SMALL, buffer]);
      stage.turn([OP_SEND, CLIENT, SMALL]);
    }
    const big = stage.pending(OP_RECV, SERVER)!.offset!;
    expect(stage.pending(OP_RECV, SERVER)?.length).toBe(BIG_SIZE);
    stage.turn([OP_RECV, SERVER, SEND_MAX + 1000, big]);
    const lengths: number[] = [];
    for (let send = stage.pending(OP_SEND, CLIENT); send; send = stage.pending(OP_SEND, CLIENT)) {
      expect(send.offset).toBe(big + lengths.reduce((sum, length) => sum + length, 0));
      lengths.push(send.length!);
      stage.turn([OP_SEND, CLIENT, send.length!]);
    }
    expect(lengths).toEqual([SEND_MAX, 1000]);
    expect(stage.pending(OP_RECV, SERVER)?.offset).toBe(big);
    stage.turn([OP_RECV, SERVER, 10, big]);
    stage.turn([OP_SEND, CLIENT, 10]);
    expect(stage.pending(OP_RECV, SERVER)?.offset).toBeUndefined();
    expect(stage.loop.trimmed).toEqual([]);
    stage.sleep(5100);
    expect(stage.loop.trimmed).toContain(big);
  });

  test('the end of one stream is passed on and the other direction lives', () => {
    const stage = new Stage();
    stage.open();
    stage.turn([OP_RECV, CLIENT, 0]);
    expect(stage.loop.ended).toEqual([100]);
    stage.turn([OP_RECV, SERVER, 9, SMALL]);
    stage.turn([OP_SEND, CLIENT, 9]);
    stage.turn([OP_RECV, SERVER, 0]);
    expect(stage.endings()).toEqual([CLOSE_ORDERLY, CLOSE_ORDERLY]);
    expect([stage.count('closedOrderly'), stage.count('bytesDown'), stage.count('closedAbort')]).toEqual([1, 9, 0]);
  });
});

describe('ending', () => {
  test('a reset is passed on when the other side has taken what was received before it', () => {
    const stage = new Stage();
    stage.open();
    stage.loop.unsentBytes = 1000;
    stage.turn([OP_RECV, SERVER, -ECONNRESET]);
    stage.finishCancelled();
    stage.sleep(100);
    expect(stage.loop.closed).toEqual([]);
    stage.loop.unsentBytes = 0;
    stage.sleep(300);
    expect(stage.endings()).toEqual([CLOSE_ABORT, CLOSE_ABORT]);
    expect(stage.count('closedAbort')).toBe(1);
  });

  test('a survivor that takes nothing for ten seconds is cut off', () => {
    const stage = new Stage();
    stage.open();
    stage.loop.unsentBytes = 1000;
    stage.turn([OP_RECV, SERVER, -ECONNRESET]);
    stage.finishCancelled();
    stage.sleep(9900);
    expect(stage.loop.closed).toEqual([]);
    stage.sleep(400);
    expect(stage.loop.closed).toHaveLength(2);
  });

  test('a server that answers and stops reading gets to finish its answer', () => {
    const stage = new Stage();
    stage.open();
    stage.turn([OP_RECV, CLIENT, 100, SMALL]);
    stage.turn([OP_SEND, SERVER, -EPIPE]);
    expect(stage.pending(OP_RECV, CLIENT), 'nothing more is read for it').toBeUndefined();
    stage.turn([OP_RECV, SERVER, 9, 2 * SMALL]);
    stage.turn([OP_SEND, CLIENT, 9]);
    expect(stage.pending(OP_RECV, SERVER)).toBeDefined();
    stage.turn([OP_RECV, SERVER, 0]);
    expect(stage.endings()).toEqual([CLOSE_ABORT, CLOSE_ABORT]);
    expect(stage.loop.released).toEqual([SMALL, 2 * SMALL]);
  });

  test('when neither side takes bytes any more nothing is waited for', () => {
    const stage = new Stage();
    stage.open();
    stage.turn([OP_RECV, SERVER, 9, SMALL]);
    stage.sleep(1200);
    stage.turn([OP_WATCH, SERVER, -ECONNRESET]);
    stage.finishCancelled();
    stage.turn([OP_SEND, CLIENT, -EPIPE]);
    stage.finishCancelled();
    expect(stage.endings()).toEqual([CLOSE_ABORT, CLOSE_ABORT]);
  });

  test('nothing is closed while anything is in flight on it', () => {
    const stage = new Stage();
    stage.open();
    stage.turn([OP_RECV, SERVER, -ECONNRESET]);
    expect(stage.loop.closed).toEqual([]);
    stage.turn([OP_RECV, CLIENT, 70, SMALL]);
    expect(stage.loop.released, 'what a cancelled receive brought all the same').toEqual([SMALL]);
    expect(stage.loop.closed).toHaveLength(2);
    expect(stage.tables.connections.generation[0]).toBe(1);
  });

  test('an idle connection is reset, one that moves is not', () => {
    const stage = new Stage({ idleTimeoutMs: 2000 });
    stage.open();
    stage.sleep(1500);
    stage.turn([OP_RECV, CLIENT, 1, SMALL]);
    stage.turn([OP_SEND, SERVER, 1]);
    stage.sleep(1900);
    expect(stage.loop.cancelled.size).toBe(0);
    stage.sleep(200);
    stage.finishCancelled();
    expect(stage.endings()).toEqual([CLOSE_ABORT, CLOSE_ABORT]);
    expect(stage.count('closedIdle')).toBe(1);
  });

  test('a slow reader of one long send is not idle', () => {
    const stage = new Stage({ idleTimeoutMs: 2000 });
    stage.open();
    stage.turn([OP_RECV, SERVER, SMALL, SMALL]);
    for (let second = 0; second < 10; second++) {
      stage.loop.progressMark++;
      stage.sleep(1000);
    }
    expect(stage.loop.cancelled.size).toBe(0);
    expect(stage.pending(OP_WATCH, SERVER), 'the side that is not read is watched').toBeDefined();
    stage.sleep(2600);
    expect(stage.loop.cancelled.size).toBeGreaterThan(0);
  });

  test('a stop resets everything and returns when all of it is back', () => {
    const stage = new Stage();
    stage.open();
    stage.accept(51);
    requestStop(stage.tables, STOP_ORDERLY);
    expect(stage.turn()).not.toBe(STOP);
    expect(stage.finishCancelled()).toBe(STOP);
    expect(stage.endings()).toEqual(new Array(4).fill(CLOSE_ABORT));
    expect([stage.count('closedStop'), stage.count('accepted'), connectionsUsed(stage.tables)]).toEqual([2, 2, 0]);
    expect(stage.engine.state.descriptors).toBe(0);
  });
});
