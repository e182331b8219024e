/** What the kernel knows about a TCP connection over IPv4, both of whose ends are on this machine. */
import { readFileSync } from 'node:fs';
import { sockets } from './sockets.ts';

/** Unsent or unacknowledged bytes, and unread ones; an end that nobody has sent on or seen yet counts as one. */
interface Queues {
  readonly send: number;
  readonly receive: number;
  /** What is waited for: `tr` of the table. */
  readonly timer: number;
}

const RETRANSMITS = 1;
const PROBES = 4;

/** Of the socket with these ports, in this direction. @source proc_net_tcp.rst of the Linux documentation */
function queuesOf(localPort: number, remotePort: number): Queues | undefined {
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n')) {
    const found = /^\s*\d+: \w+:(\w+) \w+:(\w+) \w+ (\w+):(\w+) (\w+):/.exec(line)?.slice(1);
    const [local, remote, send = 0, receive = 0, timer = 0] = found?.map((digits) => Number.parseInt(digits, 16)) ?? [];
    if (local === localPort && remote === remotePort) return { send, receive, timer };
  }
  return undefined;
}

/**
 * Whether the program at the other end has taken all that was sent to it, and its end if that was sent: from then on it
 * knows, whatever becomes of the connection.
 */
export function isAllTaken(fd: number): boolean {
  const [local, remote] = [sockets().localPort(fd), sockets().remotePort(fd)];
  return queuesOf(local, remote)?.send === 0 && queuesOf(remote, local)?.receive === 0;
}

/** For a failure's text: what lies in the kernel at both ends of a connection, first at the one of this socket. */
export function queuesText(fd: number): string {
  const net = sockets();
  if (!net.isConnected(fd)) return 'not connected';
  const [local, remote] = [net.localPort(fd), net.remotePort(fd)];
  return `${textOf(queuesOf(local, remote))} | ${textOf(queuesOf(remote, local))}`;
}

function textOf(queues: Queues | undefined): string {
  if (!queues) return 'closed';
  const { send, receive, timer } = queues;
  const waits = timer === PROBES ? ', probes a closed window' : timer === RETRANSMITS ? ', waits to retransmit' : '';
  return `unread ${receive}, unacknowledged ${send}${waits}`;
}
