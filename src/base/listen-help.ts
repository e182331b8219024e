/** What to tell a person when an address cannot be listened on. */
import {
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EEXIST,
  EMFILE,
  ENFILE,
  ENOENT,
  ENOTDIR,
  EPERM,
  EROFS,
  errnoName,
} from './errno.ts';
import { ENDPOINT_KIND, endpointText, KIND_UNIX } from './endpoint.ts';

interface Help {
  /** Continues "cannot listen on X: ". */
  readonly why: string;
  /** What would help, to follow a colon or a semicolon; empty when we do not know. */
  readonly help: string;
}

/** Why nobody can listen there, for people. */
export interface ListenRefusal extends Pick<Help, 'help'> {
  /** Symbolic error number. */
  readonly code: string;
  /** The address as a person writes it. */
  readonly endpoint: string;
  /** One line, without the help. */
  readonly message: string;
}

/**
 * @param errno positive or negative.
 * @param endpoint ENDPOINT_SIZE bytes.
 * @param code what it is called. **Default** by its number.
 */
export function listenRefusal(errno: number, endpoint: Uint8Array, code = errnoName(errno)): ListenRefusal {
  const number = Math.abs(errno);
  const kind = endpoint[ENDPOINT_KIND] === KIND_UNIX ? UNIX : INTERNET;
  const { why, help } = kind.get(number) ?? BOTH.get(number) ?? { why: code, help: '' };
  const text = endpointText(endpoint, 0);
  return { code, endpoint: text, message: `cannot listen on ${text}: ${why}`, help };
}

const INTERNET: ReadonlyMap<number, Help> = new Map([
  [
    EADDRINUSE,
    {
      why: 'another socket has this port',
      help: '`ss -ltnp` shows whose it is: stop that process, or choose another port',
    },
  ],
  [
    EACCES,
    {
      why: 'not permitted',
      help: 'ports below net.ipv4.ip_unprivileged_port_start (1024) need root or the capability CAP_NET_BIND_SERVICE',
    },
  ],
  [
    EADDRNOTAVAIL,
    {
      why: 'no interface of this machine has this address',
      help: '`ip address` shows those it has; for one that comes later, set the sysctl net.ipv4.ip_nonlocal_bind',
    },
  ],
  [
    EAFNOSUPPORT,
    {
      why: 'this machine has no such kind of address',
      help: 'IPv6 may be switched off: listen on an IPv4 address',
    },
  ],
]);

const UNIX: ReadonlyMap<number, Help> = new Map([
  [EADDRINUSE, { why: 'somebody answers on this socket', help: 'stop that process, or choose another path' }],
  [EEXIST, { why: 'the path exists and is no socket', help: 'it was left alone: remove it, or choose another path' }],
  [EACCES, { why: 'not permitted', help: 'we must be allowed to write to the folder, and to the socket if it exists' }],
  [EPERM, { why: 'not permitted', help: 'we must be allowed to write to the folder, and to the socket if it exists' }],
  [ENOENT, { why: 'the folder does not exist', help: 'create it, or choose another path' }],
  [ENOTDIR, { why: 'a part of the path is no folder', help: 'choose another path' }],
  [EROFS, { why: 'the file system is read-only', help: 'choose another path, for instance below /run' }],
]);

const SHORTAGE: Help = {
  why: 'there are no descriptors left',
  help: 'raise the limit (`ulimit -n`, LimitNOFILE in a systemd unit), or listen on fewer addresses',
};

const BOTH: ReadonlyMap<number, Help> = new Map([
  [EMFILE, SHORTAGE],
  [ENFILE, SHORTAGE],
]);
