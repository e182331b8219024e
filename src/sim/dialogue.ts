/** What a client and its server will say to each other, and what is known of how it went. */
import type { Prng } from '../base/prng.ts';
import { faultIndex, type Faults } from './faults.ts';
import { HEAD_SIZE } from './pattern.ts';
import type { Actor } from './actor.ts';
import type { Sock } from './sock.ts';

export const ROUNDS_MAX = 4;

/** Who ends its stream first when all is said. */
export const FIRST_CLIENT = 0;
export const FIRST_SERVER = 1;
export const FIRST_BOTH = 2;

/** What an actor does out of turn. */
export const TRICK_NONE = 0;
export const TRICK_RESET = 1;
export const TRICK_CLOSE = 2;
/** Stops reading and writing for a time. */
export const TRICK_STALL = 3;
/** Never reads nor writes, until healed. */
export const TRICK_SILENT = 4;

/** What one actor is going to do; drawn before it begins. */
export interface Conduct {
  /** TRICK_*, done when the actor has moved `trickAt` bytes. */
  trick: number;
  trickAt: number;
  stallUs: number;
  /** Bytes per read and pause between reads; 0 for as it comes. */
  readSize: number;
  readPauseUs: number;
  /** Writes one byte at a time at first. */
  isByteWise: boolean;
  /** Ends its writing direction before the other side is done. */
  isHalfCloser: boolean;
  /** Closes when it has everything, without waiting for the other side's end. */
  isCloser: boolean;
  /** Aborts after its own FIN. */
  isResetAfterFin: boolean;
}

/** What was decided is done within this time. */
const DECIDED_US = 20_000;

export class Dialogue {
  id = 0;
  /** It was ended because its worker failed. */
  isLost = false;
  /** Its client gets an answer of Pen's own, and no server. */
  isAnswered = false;
  rounds = 1;
  /** Bytes of each stream, head included, at the end of each round. */
  readonly upAt = new Float64Array(ROUNDS_MAX);
  readonly downAt = new Float64Array(ROUNDS_MAX);
  first = FIRST_CLIENT;
  /** Bytes that the server says before the client has spoken; counted in `downAt`. */
  banner = 0;
  connectUs = 0;
  /** Which of the seed's addresses its client has. */
  address = 0;
  /** Whose listener it comes to. */
  farm = 0;
  /** Key of the listener it came to. */
  listener = 0;
  /** Its number in the order of accepting; 0 before. */
  order = 0;
  acceptedUs = 0;
  /** Its source is bound by a limit, so it may have to wait. */
  mayPark = false;
  /** When it was closed, its source may have had all its places, and all places for parked ones were taken. */
  mayBeRefused = false;
  /** Looks at it in a row, while it waited and nothing was in its way. */
  looks = 0;
  /** Row of the server that a connect was begun to last, or that its client was sent to before it came; 0 none. */
  knownRow = 0;
  /** Row of the server whose connect was reported as a success; 0 none. */
  servedRow = 0;
  client: Actor | null = null;
  /** The server's end: the last one that was accepted for this dialogue. */
  session: Actor | null = null;
  /** Server ends of which the process under test was told that they are connected. */
  reported = 0;
  isAccepted = false;
  /** Connects that were begun for it. */
  tries = 0;
  /** The sockets of the process under test, while they are open. */
  down: Sock | null = null;
  up: Sock | null = null;
  /** When a socket of it was last closed by the process under test. */
  closedUs = 0;
  /** How long nothing had moved when the process under test last closed a socket of it. */
  idleUs = 0;
  /** The deadlines that may have been the reason then, ms; 0 for none. */
  idleLowMs = 0;
  halfClosedLowMs = 0;
  /** When bytes last moved, as far as sockets now closed are concerned. */
  private lastUs = 0;

  /** When bytes last moved on either side. */
  get progressUs(): number {
    let last = this.lastUs;
    for (const sock of [this.down, this.up]) {
      if (sock === null) continue;
      last = Math.max(last, sock.progressUs, sock.peer === null ? 0 : sock.peer.progressUs);
    }
    return last;
  }

  /**
   * How long nothing had moved, or had when it was decided that this is too long: until what was in flight is back
   * something may move again, as both ends may wake at the very moment of a deadline.
   */
  idleBefore(nowUs: number): number {
    let last = this.lastUs;
    let wokeUs = nowUs;
    for (const sock of [this.down, this.up, this.down?.peer, this.up?.peer]) {
      if (sock === null || sock === undefined) continue;
      const hasWoken = nowUs - sock.wokeUs < DECIDED_US;
      if (hasWoken) wokeUs = Math.min(wokeUs, sock.wokeUs);
      last = Math.max(last, hasWoken ? sock.restedUs : sock.progressUs);
    }
    return Math.max(nowUs - this.progressUs, wokeUs - last);
  }

  /** Keeps what a socket that closes knows. */
  keepProgress(): void {
    this.lastUs = this.progressUs;
  }

  get upTotal(): number {
    return this.upAt[this.rounds - 1];
  }

  get downTotal(): number {
    return this.downAt[this.rounds - 1];
  }
}

const F_BANNER = faultIndex('server.banner');

/** Draws what will be said. */
export function drawDialogue(dialogue: Dialogue, prng: Prng, faults: Faults, sizeMax: number): void {
  dialogue.rounds = prng.chance(3, 4) ? 1 : prng.between(2, ROUNDS_MAX);
  dialogue.first = prng.below(3);
  dialogue.banner = faults.fires(F_BANNER) ? HEAD_SIZE + prng.skewed(300) : 0;
  let up = 0;
  let down = dialogue.banner;
  for (let round = 0; round < dialogue.rounds; round++) {
    up += drawSize(prng, sizeMax, prng.chance(1, 4));
    down += drawSize(prng, sizeMax, prng.chance(7, 8));
    // A stream that says anything begins with its head.
    up = Math.max(up, HEAD_SIZE);
    if (down > 0) down = Math.max(down, HEAD_SIZE);
    dialogue.upAt[round] = up;
    dialogue.downAt[round] = down;
  }
}

function drawSize(prng: Prng, sizeMax: number, isLarge: boolean): number {
  if (!isLarge) return prng.chance(1, 8) ? 0 : prng.skewed(2000);
  const grade = prng.below(100);
  if (grade < 5) return prng.below(2);
  if (grade < 75) return prng.between(6000, 14_000);
  if (grade < 95) return prng.between(12_000, 40_000);
  return prng.between(40_000, Math.max(40_001, sizeMax));
}

export function newConduct(): Conduct {
  return {
    trick: TRICK_NONE,
    trickAt: 0,
    stallUs: 0,
    readSize: 0,
    readPauseUs: 0,
    isByteWise: false,
    isHalfCloser: false,
    isCloser: false,
    isResetAfterFin: false,
  };
}

/** Faults of one role, as indexes into the fault table; -1 for what it does not do. */
interface RoleFaults {
  readonly resetEarly: number;
  readonly resetMid: number;
  readonly resetAfterFin: number;
  readonly close: number;
  readonly stall: number;
  readonly silent: number;
  readonly slow: number;
  readonly halfClose: number;
  readonly byteWise: number;
}

export const CLIENT_FAULTS: RoleFaults = {
  resetEarly: faultIndex('client.reset-early'),
  resetMid: faultIndex('client.reset-mid-data'),
  resetAfterFin: faultIndex('client.reset-after-fin'),
  close: faultIndex('client.close-early'),
  stall: faultIndex('client.stall'),
  silent: faultIndex('client.silent'),
  slow: faultIndex('client.slow-reader'),
  halfClose: faultIndex('client.half-close-first'),
  byteWise: faultIndex('client.byte-writes'),
};

export const SERVER_FAULTS: RoleFaults = {
  resetEarly: -1,
  resetMid: faultIndex('server.reset-mid-data'),
  resetAfterFin: faultIndex('server.reset-after-fin'),
  close: faultIndex('server.close-at-once'),
  stall: faultIndex('server.stall'),
  silent: faultIndex('server.never-answers'),
  slow: faultIndex('server.slow-reader'),
  halfClose: faultIndex('server.half-close-first'),
  byteWise: -1,
};

/** Draws how an actor behaves. `total` is what it may move in both directions. */
export function drawConduct(conduct: Conduct, prng: Prng, faults: Faults, isClient: boolean, total: number): void {
  const f = isClient ? CLIENT_FAULTS : SERVER_FAULTS;
  conduct.trick = TRICK_NONE;
  conduct.trickAt = prng.below(Math.max(1, total));
  conduct.stallUs = 0;
  if (f.resetEarly >= 0 && faults.isDrawn(f.resetEarly)) {
    conduct.trick = TRICK_RESET;
    conduct.trickAt = 0;
  } else if (faults.isDrawn(f.resetMid)) conduct.trick = TRICK_RESET;
  else if (faults.isDrawn(f.close)) {
    conduct.trick = TRICK_CLOSE;
    if (!isClient) conduct.trickAt = 0;
  } else if (faults.isDrawn(f.stall)) {
    conduct.trick = TRICK_STALL;
    conduct.stallUs = prng.between(100_000, 20_000_000);
  } else if (faults.isDrawn(f.silent)) conduct.trick = TRICK_SILENT;
  const isSlow = faults.fires(f.slow);
  conduct.readSize = isSlow ? Math.max(1 + prng.skewed(4000), Math.ceil(total / 64)) : 0;
  conduct.readPauseUs = isSlow ? prng.skewed(20_000) : 0;
  conduct.isByteWise = f.byteWise >= 0 && faults.fires(f.byteWise);
  conduct.isHalfCloser = faults.isDrawn(f.halfClose);
  conduct.isResetAfterFin = faults.isDrawn(f.resetAfterFin);
  conduct.isCloser = prng.chance(1, 2);
}
