/**
 * epoll as the kernel lays it out.
 * @source epoll_ctl(2), linux/eventpoll.h (the structure is packed on x86-64 only)
 */
export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;

export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = 1 << 31;

/** struct epoll_event in 32-bit words: its length, and where the two words of our own data are. */
export const EVENT_WORDS = process.arch === 'x64' ? 3 : 4;
export const EVENT_DATA = process.arch === 'x64' ? 1 : 2;
export const EVENT_BYTES = EVENT_WORDS * 4;

export const NO_FD = -1;
