/** What the kernel knows about a TCP connection over IPv4, both of whose ends are on this machine. */
import { readFileSync } from 'node:fs';
import { sockets } from './sockets.ts';

/** Unsent or unacknowledged bytes, and unread ones; an end that nobody has sent on or seen yet counts as one. */
interface Queues {
  readonly send: number;
  readonly receive: number;
}

/** Of the socket with these ports, in this direction. @source proc_net_tcp.rst of the Linux documentation */
function queuesOf(localPort: number, remotePort: number): Queues | undefined {
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n')) {
    const found = /^\s*\d+: \w+:(\w+) \w+:(\w+) \w+ (\w+):(\w+)/.exec(line)?.slice(1);
    const [local, remote, send = 0, receive = 0] = found?.map((digits) => Number.parseInt(digits, 16)) ?? [];
    if (local === localPort && remote === remotePort) return { send, receive };
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
