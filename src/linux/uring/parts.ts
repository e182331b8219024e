/** What an io_uring loop is made of, built once and shared by its few objects. */
import { assert } from '../../base/assert.ts';
import { PEER_SIZE } from '../../base/endpoint.ts';
import type { Ffi } from '../../ffi/load.ts';
import type { NativeMemory } from '../../ffi/memory.ts';
import type { LoopOptions } from '../../loop/loop.ts';
import { SMALL_FIRST, SMALL_SIZE } from '../../base/small-buffers.ts';
import { SOCKADDR_SIZE } from '../sockaddr.ts';
import { bindSockets, type Sockets } from '../sockets.ts';
import { Pipes } from '../pipes.ts';
import { Batch, LocalCompletions } from './batch.ts';
import { HiddenEnds } from './hidden-ends.ts';
import { Parked } from './parked.ts';
import { canStand } from './probe.ts';
import { FdErrors, Listeners, Sides, StarvedList } from './operations.ts';
import { ProvidedBuffers } from './provided-buffers.ts';
import { Ring, type RingCounters } from './ring.ts';
import { Submitter } from './submitter.ts';

/** What measurements and tests may vary; the defaults come from measurements. */
export interface UringOptions {
  /** Small buffers that the kernel may fill at any time. Default 256. */
  readonly window?: number;
  /** Entries of the submission ring, a power of two. Default 2048. */
  readonly submissions?: number;
  /** Entries of the completion ring, a power of two, at least `submissions`. Default 16384. */
  readonly completions?: number;
  /** Completions in one batch, at least 2. Default 4096. */
  readonly batch?: number;
  /** Receives stay armed where the kernel is able to. Default true. */
  readonly isStanding?: boolean;
}

export interface UringCounters extends RingCounters {
  /** Receives that found no small buffer and had to wait. */
  starved: number;
}

/** In the first page: where the wake-up's count is read to. */
const WAKE_OFFSET = 8;
const POLL_OFFSET = 16;
const PAGE = 4096;
/** Offsets into the arena are u32. */
const ARENA_MAX = 2 ** 32;

export interface Parts {
  readonly ffi: Ffi;
  readonly sockets: Sockets;
  readonly memory: NativeMemory;
  readonly arena: Uint8Array;
  readonly bigOffset: number;
  /** Arena offset of one sockaddr per submission entry: CONNECT reads it when it is submitted. */
  readonly sockaddrOffset: number;
  readonly ring: Ring;
  readonly submitter: Submitter;
  readonly buffers: ProvidedBuffers;
  readonly pipes: Pipes;
  readonly batch: Batch;
  readonly local: LocalCompletions;
  readonly peers: Uint8Array;
  readonly sides: Sides;
  readonly listeners: Listeners;
  readonly starved: StarvedList;
  readonly errors: FdErrors;
  readonly parked: Parked;
  readonly hiddenEnds: HiddenEnds;
  /** Receives may stay armed. */
  readonly isStanding: boolean;
  readonly counters: UringCounters;
  /** Or -1 for none. */
  readonly wakeFd: number;
  /** Eight bytes to read the wake-up's count into. */
  readonly wakeAddress: number;
  /** One struct pollfd: descriptor, then events (u16) and what was found (u16). */
  readonly pollAddress: number;
  readonly pollWords: Int32Array;
}

/**
 * Builds them.
 * @errors throws when the ring or memory cannot be had; asserts that the options fit into an arena of 4 GiB.
 */
export function buildParts(ffi: Ffi, options: LoopOptions, tuning: UringOptions): Parts {
  const { window = 256, submissions = 2048, completions = 16384, batch: capacity = 4096 } = tuning;
  const { smallCount, bigLength, wakeFd } = options;
  assert(capacity >= 2 && smallCount >= 1, 'a batch has room for a connection, and there is a small buffer');
  const bigOffset = SMALL_FIRST + smallCount * SMALL_SIZE;
  const sockaddrOffset = bigOffset + Math.ceil(bigLength / PAGE) * PAGE;
  const size = sockaddrOffset + submissions * SOCKADDR_SIZE;
  assert(size < ARENA_MAX, 'small and big buffers fit into an arena of 4 GiB');
  const ring = new Ring(ffi, submissions, completions);
  const memory = ffi.reserve(size);
  const published = Math.min(window, smallCount);
  const sides = new Sides(options.sidesMax);
  return {
    ffi,
    sockets: bindSockets(ffi),
    memory,
    arena: new Uint8Array(memory.buffer),
    bigOffset,
    sockaddrOffset,
    ring,
    submitter: new Submitter(ring, memory.base),
    buffers: new ProvidedBuffers(ffi, ring, memory.base, SMALL_FIRST, SMALL_SIZE, smallCount, published),
    pipes: new Pipes(ffi),
    batch: new Batch(capacity),
    local: new LocalCompletions(),
    peers: new Uint8Array(capacity * PEER_SIZE),
    sides,
    listeners: new Listeners(options.listenersMax),
    starved: new StarvedList(sides),
    errors: new FdErrors(),
    parked: new Parked(smallCount),
    hiddenEnds: new HiddenEnds(ffi),
    isStanding: tuning.isStanding !== false && canStand(ring),
    counters: Object.assign(ring.counters, { starved: 0 }),
    wakeFd,
    wakeAddress: memory.base + WAKE_OFFSET,
    pollAddress: memory.base + POLL_OFFSET,
    pollWords: new Int32Array(memory.buffer, POLL_OFFSET, 2),
  };
}

/** Frees everything outside JavaScript's heap. The ring goes first: until then the kernel may use the memory. */
export function destroyParts(parts: Parts): void {
  parts.ring.destroy();
  parts.buffers.destroy();
  parts.pipes.destroy();
  parts.hiddenEnds.destroy();
  parts.sockets.destroy();
  parts.ffi.unmap(parts.memory);
}
