/**
 * Numbers of the io_uring interface: what a kernel header would give us.
 *
 * A submission entry (SQE) is 16 words of 32 bits, a completion entry (CQE) is 4. `user_data` is used as two words:
 * low = slot, high = op << 24 | seq, so that no 64-bit integer is ever made.
 * @source linux/io_uring.h (6.18; everything here exists since 6.1), io_uring_setup(2), io_uring_enter(2)
 */
export const SYS_SETUP = 425;
export const SYS_ENTER = 426;
export const SYS_REGISTER = 427;

export const URING_POLL_ADD = 6;
export const URING_ASYNC_CANCEL = 14;
export const URING_CONNECT = 16;
export const URING_CLOSE = 19;
export const URING_SEND = 26;
export const URING_RECV = 27;
export const URING_NOP = 0;

/** SQE flags. */
export const SQE_BUFFER_SELECT = 1 << 5;
/** No completion when it succeeds. */
export const SQE_SKIP_SUCCESS = 1 << 6;

/**
 * RECV, in the SQE's ioprio: wait for readiness before the first attempt; go on receiving; as many buffers at once as
 * the length in the entry asks for.
 */
export const RECV_POLL_FIRST = 1;
export const RECV_MULTISHOT = 1 << 1;
export const RECV_BUNDLE = 1 << 4;

/** CQE flags: a provided buffer was used (its id in the upper 16 bits); more completions of the same submission will
 * come; the socket has more to read. */
export const CQE_BUFFER = 1 << 0;
export const CQE_MORE = 1 << 1;
export const CQE_SOCKET_NOT_EMPTY = 1 << 2;
export const CQE_BUFFER_SHIFT = 16;

/** POLL_ADD, in the length: report again and again. What is true at the start is reported once, then changes. */
export const POLL_ADD_MULTI = 1;

export const ENTER_GETEVENTS = 1 << 0;
export const ENTER_EXT_ARG = 1 << 3;

/** In the flags word of the submission ring: completions are waiting outside the full completion ring. */
export const SQ_CQ_OVERFLOW = 1 << 1;

export const SETUP_CQSIZE = 1 << 3;
export const SETUP_SUBMIT_ALL = 1 << 7;
export const SETUP_COOP_TASKRUN = 1 << 8;
export const SETUP_SINGLE_ISSUER = 1 << 12;
export const SETUP_DEFER_TASKRUN = 1 << 13;

export const FEATURE_SINGLE_MMAP = 1 << 0;
export const FEATURE_NODROP = 1 << 1;
export const FEATURE_EXT_ARG = 1 << 8;
export const FEATURE_CQE_SKIP = 1 << 11;

export const REGISTER_PROBE = 8;
export const REGISTER_PBUF_RING = 22;

/** mmap offsets of the two shared areas. */
export const MAP_RINGS = 0;
export const MAP_SQES = 0x1000_0000;

export const SQE_WORDS = 16;
export const CQE_WORDS = 4;

export const POLLIN = 0x01;
export const POLLOUT = 0x04;
export const POLLERR = 0x08;
export const POLLHUP = 0x10;
export const POLLRDHUP = 0x2000;

export const REGISTER_SYNC_CANCEL = 24;
/** Of what to cancel: everything that matches, whatever it is. */
export const CANCEL_ALL = 1;
export const CANCEL_ANY = 4;
