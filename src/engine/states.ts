/** States of a connection, in the order of its life. */
export const FREE = 0;
/** Accepted; a server is being connected. The client's first bytes may already be held. */
export const CONNECTING = 1;
/** Both sides stand; bytes are relayed. */
export const OPEN = 2;
/** One side is gone; the other is given what was received for it, then the connection ends. */
export const DRAINING = 3;
/** No new operations; those in flight are awaited, then both descriptors are closed. */
export const ENDING = 4;

export const STATE_NAMES = ['free', 'connecting', 'open', 'draining', 'ending'] as const;

/** Bits of `pending`: operations in flight on a side. */
export const PENDING_CONNECT = 1;
export const PENDING_RECV = 2;
export const PENDING_SEND = 4;
export const PENDING_WATCH = 8;

/** Bits of `marks`: what has happened to a side. */
/** Its stream has ended: EOF was read. */
export const MARK_ENDED = 1;
/** Its end was passed on: the other side's writing direction is shut down. */
export const MARK_END_PASSED = 2;
/** It no longer takes bytes (a send failed); nothing is read for it any more. */
export const MARK_DEAF = 4;
/** The last receive filled its small buffer: the next full one earns a big buffer. */
export const MARK_FULL_READ = 8;
/** The connect under way was given up by its deadline. */
export const MARK_CONNECT_EXPIRED = 16;
/** The other side is gone; this one is given time to take what was received for it. */
export const MARK_DRAINS = 32;

/** Why a connection ended, for the counters. */
export const REASON_ORDERLY = 0;
export const REASON_ABORT = 1;
export const REASON_IDLE = 2;
export const REASON_UNSERVED = 3;
export const REASON_STOP = 4;
