/**
 * The C library, as far as we need it: plain functions from numbers to numbers.
 *
 * Pointers are numbers (user-space addresses fit into 53 bits). Every function returns its result, or the negative
 * error number when the C function returned -1, so that no caller can forget to look at errno. The error numbers are
 * those of `base/errno.ts`: every platform that `loadFfi` accepts uses the generic Linux numbers.
 */

/** What we use of the FFI: a function of the C library by name, with its types, and the thread's errno. */
export interface Caller {
  func(name: string, result: string, parameters: string[]): (...values: number[]) => number;
  readonly errno: () => number;
}

/**
 * Functions of the C library. All are thread-safe and cost one native call: 0.25 us plus the system call [measured
 * with getppid]; failing ones 0.05 us more. None allocates.
 *
 * @errors all but `_exit` return a negative errno.
 * @source section 2 and 3 of the Linux manual.
 */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: number, length: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, address: number, lengthAddress: number, flags: number): number;
  connect(fd: number, address: number, length: number): number;
  shutdown(fd: number, how: number): number;
  close(fd: number): number;
  recv(fd: number, address: number, length: number, flags: number): number;
  send(fd: number, address: number, length: number, flags: number): number;
  /** How many of `count` messages (struct mmsghdr) left. */
  sendmmsg(fd: number, address: number, count: number, flags: number): number;
  setsockopt(fd: number, level: number, name: number, address: number, length: number): number;
  getsockopt(fd: number, level: number, name: number, address: number, lengthAddress: number): number;
  getsockname(fd: number, address: number, lengthAddress: number): number;
  getpeername(fd: number, address: number, lengthAddress: number): number;
  ioctl(fd: number, request: number, address: number): number;
  eventfd(initial: number, flags: number): number;
  read(fd: number, address: number, length: number): number;
  write(fd: number, address: number, length: number): number;
  /** Two descriptors to `address` (i32 each): the reading end, the writing end. */
  pipe2(address: number, flags: number): number;
  /** Moves bytes between a pipe and a socket; the offsets must be 0. Raises SIGPIPE as write does, which Node ignores. */
  splice(from: number, fromOffset: number, to: number, toOffset: number, length: number, flags: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  flock(fd: number, operation: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, eventAddress: number): number;
  epoll_wait(epoll: number, eventsAddress: number, eventsMax: number, timeoutMs: number): number;
  poll(address: number, count: number, timeoutMs: number): number;
  getrlimit(resource: number, address: number): number;
  setrlimit(resource: number, address: number): number;
  /** An address instead of 0 on success. */
  mmap(address: number, length: number, protection: number, flags: number, fd: number, offset: number): number;
  munmap(address: number, length: number): number;
  madvise(address: number, length: number, advice: number): number;
  /** Six arguments always: pass 0 for those that the call does not have. */
  syscall(number: number, a: number, b: number, c: number, d: number, e: number, f: number): number;
  /** Ends the process at once, without exit handlers and without waiting for threads. */
  _exit(code: number): void;
}

const INT = 'int';
/** An address or a value of register width. */
const WORD = 'intptr_t';
const SIZE = 'size_t';

/**
 * Binds the functions. Looks each symbol up once.
 * @errors throws when a symbol is missing (not a C library we know).
 */
export function bindLibc(caller: Caller): Libc {
  const { errno } = caller;
  const bind = (name: string, parameters: string[], result = INT) => caller.func(name, result, parameters);
  const check = (result: number): number => (result === -1 ? -errno() : result);
  return { ...bindSockets(bind, check), ...bindRest(bind, check) };
}

type Bind = (name: string, parameters: string[], result?: string) => (...values: number[]) => number;
type Check = (result: number) => number;
type SocketName =
  | 'socket'
  | 'bind'
  | 'listen'
  | 'accept4'
  | 'connect'
  | 'shutdown'
  | 'close'
  | 'recv'
  | 'send'
  | 'sendmmsg'
  | 'setsockopt'
  | 'getsockopt'
  | 'getsockname'
  | 'getpeername';

// One arrow per function, with its own parameters: a wrapper over `...values` would allocate an array per call.
function bindSockets(bind: Bind, check: Check): Pick<Libc, SocketName> {
  const socket = bind('socket', [INT, INT, INT]);
  const bindSocket = bind('bind', [INT, WORD, INT]);
  const listen = bind('listen', [INT, INT]);
  const accept4 = bind('accept4', [INT, WORD, WORD, INT]);
  const connect = bind('connect', [INT, WORD, INT]);
  const shutdown = bind('shutdown', [INT, INT]);
  const close = bind('close', [INT]);
  const recv = bind('recv', [INT, WORD, SIZE, INT], WORD);
  const send = bind('send', [INT, WORD, SIZE, INT], WORD);
  const sendmmsg = bind('sendmmsg', [INT, WORD, 'uint', INT]);
  const setsockopt = bind('setsockopt', [INT, INT, INT, WORD, INT]);
  const getsockopt = bind('getsockopt', [INT, INT, INT, WORD, WORD]);
  const getsockname = bind('getsockname', [INT, WORD, WORD]);
  const getpeername = bind('getpeername', [INT, WORD, WORD]);
  return {
    socket: (domain, type, protocol) => check(socket(domain, type, protocol)),
    bind: (fd, address, length) => check(bindSocket(fd, address, length)),
    listen: (fd, backlog) => check(listen(fd, backlog)),
    accept4: (fd, address, lengthAddress, flags) => check(accept4(fd, address, lengthAddress, flags)),
    connect: (fd, address, length) => check(connect(fd, address, length)),
    shutdown: (fd, how) => check(shutdown(fd, how)),
    close: (fd) => check(close(fd)),
    recv: (fd, address, length, flags) => check(recv(fd, address, length, flags)),
    send: (fd, address, length, flags) => check(send(fd, address, length, flags)),
    sendmmsg: (fd, address, count, flags) => check(sendmmsg(fd, address, count, flags)),
    setsockopt: (fd, level, name, address, length) => check(setsockopt(fd, level, name, address, length)),
    getsockopt: (fd, level, name, address, lengthAddress) => check(getsockopt(fd, level, name, address, lengthAddress)),
    getsockname: (fd, address, lengthAddress) => check(getsockname(fd, address, lengthAddress)),
    getpeername: (fd, address, lengthAddress) => check(getpeername(fd, address, lengthAddress)),
  };
}

function bindRest(bind: Bind, check: Check): Omit<Libc, SocketName> {
  const ioctl = bind('ioctl', [INT, WORD, WORD]);
  const eventfd = bind('eventfd', [INT, INT]);
  const read = bind('read', [INT, WORD, SIZE], WORD);
  const write = bind('write', [INT, WORD, SIZE], WORD);
  const pipe2 = bind('pipe2', [WORD, INT]);
  const splice = bind('splice', [INT, WORD, INT, WORD, SIZE, 'uint'], WORD);
  const fcntl = bind('fcntl', [INT, INT, WORD]);
  const flock = bind('flock', [INT, INT]);
  const epollCreate1 = bind('epoll_create1', [INT]);
  const epollCtl = bind('epoll_ctl', [INT, INT, INT, WORD]);
  const epollWait = bind('epoll_wait', [INT, WORD, INT, INT]);
  const poll = bind('poll', [WORD, WORD, INT]);
  const getrlimit = bind('getrlimit', [INT, WORD]);
  const setrlimit = bind('setrlimit', [INT, WORD]);
  const mmap = bind('mmap', [WORD, SIZE, INT, INT, INT, WORD], WORD);
  const munmap = bind('munmap', [WORD, SIZE]);
  const madvise = bind('madvise', [WORD, SIZE, INT]);
  const syscall = bind('syscall', [WORD, WORD, WORD, WORD, WORD, WORD, WORD], WORD);
  const exit = bind('_exit', [INT], 'void');
  return {
    ioctl: (fd, request, address) => check(ioctl(fd, request, address)),
    eventfd: (initial, flags) => check(eventfd(initial, flags)),
    read: (fd, address, length) => check(read(fd, address, length)),
    write: (fd, address, length) => check(write(fd, address, length)),
    pipe2: (address, flags) => check(pipe2(address, flags)),
    splice: (from, fromOffset, to, toOffset, length, flags) =>
      check(splice(from, fromOffset, to, toOffset, length, flags)),
    fcntl: (fd, command, argument) => check(fcntl(fd, command, argument)),
    flock: (fd, operation) => check(flock(fd, operation)),
    epoll_create1: (flags) => check(epollCreate1(flags)),
    epoll_ctl: (epoll, operation, fd, eventAddress) => check(epollCtl(epoll, operation, fd, eventAddress)),
    epoll_wait: (epoll, events, eventsMax, timeoutMs) => check(epollWait(epoll, events, eventsMax, timeoutMs)),
    poll: (address, count, timeoutMs) => check(poll(address, count, timeoutMs)),
    getrlimit: (resource, address) => check(getrlimit(resource, address)),
    setrlimit: (resource, address) => check(setrlimit(resource, address)),
    mmap: (address, length, protection, flags, fd, offset) =>
      check(mmap(address, length, protection, flags, fd, offset)),
    munmap: (address, length) => check(munmap(address, length)),
    madvise: (address, length, advice) => check(madvise(address, length, advice)),
    syscall: (number, a, b, c, d, e, f) => check(syscall(number, a, b, c, d, e, f)),
    _exit: (code) => void exit(code),
  };
}
