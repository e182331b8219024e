/**
 * Lines to the system's log, by datagrams to its socket, as syslog(3) sends them.
 *
 * @owner the main thread.
 * @source RFC 3164 section 4.1, syslog(3); the socket is that of syslogd, rsyslogd and systemd-journald alike.
 */
import { endpointRecord, KIND_UNIX } from '../base/endpoint.ts';
import type { Ffi } from '../ffi/load.ts';
import { encodeSockaddr, AF_UNIX, SOCKADDR_SIZE } from './sockaddr.ts';
import { MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_NONBLOCK } from './sockets.ts';

const SOCK_DGRAM = 2;
/** Facility user. */
const FACILITY = 1 << 3;
const LINE_MAX = 8192;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** RFC 5424 severities that we use. */
export const SEVERITY_ERROR = 3;

/**
 * Makes a function that logs one line under `ident`. Connects at once, and again when the log has been restarted.
 *
 * @param path the log's socket.
 * @returns false from the call when there is no log or it does not take the line: nobody waits for a log.
 */
export function openSystemLog(ffi: Ffi, ident: string, path = '/dev/log'): (text: string) => boolean {
  const { libc } = ffi;
  const memory = ffi.reserve(SOCKADDR_SIZE + LINE_MAX);
  const bytes = new Uint8Array(memory.buffer);
  const endpoint = endpointRecord({ kind: KIND_UNIX, path });
  const addressLength = encodeSockaddr(endpoint, 0, bytes, 0);
  let fd = -1;
  const send = (length: number): boolean => {
    if (fd < 0) fd = open();
    return fd >= 0 && libc.send(fd, memory.base + SOCKADDR_SIZE, length, MSG_NOSIGNAL) === length;
  };
  const open = (): number => {
    const opened = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (opened >= 0 && libc.connect(opened, memory.base, addressLength) < 0) {
      libc.close(opened);
      return -1;
    }
    return opened;
  };
  // Its path may be out of reach by the time there is something to tell.
  fd = open();
  return (text) => {
    const line = Buffer.from(`<${FACILITY | SEVERITY_ERROR}>${stamp(new Date())} ${ident}[${process.pid}]: ${text}`);
    const length = Math.min(line.length, LINE_MAX);
    bytes.set(line.subarray(0, length), SOCKADDR_SIZE);
    if (send(length)) return true;
    // A log that was restarted has a new socket at the old path: once more.
    if (fd >= 0) libc.close(fd);
    fd = -1;
    return send(length);
  };
}

function stamp(now: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = String(now.getDate()).padStart(2, ' ');
  return `${MONTHS[now.getMonth()]} ${day} ${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
}
