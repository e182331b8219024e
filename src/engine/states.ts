/** What a connection is doing (the states themselves are in the schema, because main reads them too), and marks on it. */
export {
  CONNECTION_ANSWERING as ANSWERING,
  CONNECTION_CONNECTING as CONNECTING,
  CONNECTION_DRAINING as DRAINING,
  CONNECTION_ENDING as ENDING,
  CONNECTION_FREE as FREE,
  CONNECTION_IDLING as IDLING,
  CONNECTION_OPEN as OPEN,
  CONNECTION_PARKED as PARKED,
  CONNECTION_PEEKING as PEEKING,
} from '../table/schema.ts';

/** Bits of `pending`: operations in flight on a side. */
export const PENDING_CONNECT = 1;
export const PENDING_RECV = 2;
export const PENDING_SEND = 4;
export const PENDING_WATCH = 8;
/** Not in flight yet: a step of the direction that begins at this side, which waits for its turn. */
export const PENDING_TURN = 16;

/** Bits of `marks`: what has happened to a side. */
export { SIDE_ENDED as MARK_ENDED } from '../table/schema.ts';
/** Its end was passed on: the other side's writing direction is shut down. */
export const MARK_END_PASSED = 2;
/** It no longer takes bytes (a send failed); nothing is read for it any more. */
export const MARK_DEAF = 4;
/** The client's server has failed, and it has no other one yet. */
export const MARK_FAILED = 8;
/** The connect under way was given up by its deadline. */
export const MARK_CONNECT_EXPIRED = 16;
/** The other side is gone; this one is given time to take what was received for it. */
export const MARK_DRAINS = 32;
/** A client that the farm's access list denies: nobody but the abuse server may serve it. */
export const MARK_DENIED = 64;
/** While its connect was under way its server was given another address, of which what comes of it says nothing. */
export const MARK_MOVED = 128;

/** Why a connection ended. */
export {
  REASON_ORDERLY,
  REASON_ABORT,
  REASON_IDLE,
  REASON_UNSERVED,
  REASON_STOP,
  REASON_DENIED,
  REASON_REFUSED,
  REASON_IDLER,
} from '../table/schema.ts';
