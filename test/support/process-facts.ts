/** What the kernel tells about a process: descriptors, sockets, processor time, memory, wake-ups. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Open descriptors, as what they point at (`socket:[4711]`, a path, `anon_inode:[io_uring]`). */
export function descriptorsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  const targets: string[] = [];
  for (const name of readdirSync(folder)) {
    try {
      targets.push(readlinkSync(`${folder}/${name}`));
    } catch {
      // Closed while we were looking.
    }
  }
  return targets;
}

/** Files of which the process has mapped some: its program and its libraries. */
export function mappedFilesOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/maps`, 'latin1').match(/\/\S+$/gm) ?? [];
}

/** The limit of descriptors at which exactly `count` more can be opened: numbers below it that are not in use. */
export function limitThatLeaves(pid: number, count: number): number {
  const used = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let limit = 0;
  for (let free = 0; free < count || used.has(limit); limit++) if (!used.has(limit)) free++;
  return limit;
}

/** Processor time of all threads so far, ms. */
export function cpuMsOf(pid: number): number {
  return sumOverThreads(pid, 'schedstat', (text) => Number(text.split(' ', 1)[0])) / 1e6;
}

/** How often any of its threads has gone to sleep by itself, which is how often one was woken. */
export function wakeUpsOf(pid: number): number {
  return sumOverThreads(pid, 'status', (text) => numberAfter(text, 'voluntary_ctxt_switches:'));
}

/** Resident memory without file pages and shared code, bytes. */
export function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return (numberAfter(status, 'RssAnon:') + numberAfter(status, 'RssShmem:')) * 1024;
}

/** States of include/net/tcp_states.h in which a connection still belongs to a program. */
const LIVE_STATES: readonly string[] = ['01', '02', '03', '08'];

/** TCP connections at a local port that are not over, as the process's network namespace sees them. */
export function connectionsAt(pid: number, port: number): number {
  const wanted = portSuffix(port);
  return tcpRows(pid).filter(([, local, , state]) => local.endsWith(wanted) && LIVE_STATES.includes(state)).length;
}

/** Bytes that were sent from a local port and not acknowledged, of each connection that has any. */
export function unacknowledgedAt(pid: number, port: number): number[] {
  const wanted = portSuffix(port);
  const rows = tcpRows(pid).filter(([, local, , state]) => local.endsWith(wanted) && LIVE_STATES.includes(state));
  return rows.map(([, , , , queues]) => Number.parseInt(queues, 16)).filter((bytes) => bytes > 0);
}

/**
 * Rows of the kernel's tables of TCP sockets, as words: number, local, remote, state, queues (sent:received), ... Each
 * connection once: the kernel may show it twice when others come and go while the table is read.
 */
function tcpRows(pid: number): string[][] {
  const rows = new Map<string, string[]>();
  for (const table of ['tcp', 'tcp6']) {
    for (const line of readFileSync(`/proc/${pid}/net/${table}`, 'latin1').trim().split('\n').slice(1)) {
      const words = line.trim().split(/\s+/);
      rows.set(`${words[1]} ${words[2]}`, words);
    }
  }
  return [...rows.values()];
}

/** Whether the kernel's timer of the connection is the one that probes an idle peer. @source proc_net_tcp.rst, `tr` */
export function hasKeepaliveTimer(pid: number, localPort: number, remotePort: number): boolean {
  const [local, remote] = [portSuffix(localPort), portSuffix(remotePort)];
  const row = tcpRows(pid).find((words) => words[1].endsWith(local) && words[2].endsWith(remote));
  return row !== undefined && row[5].startsWith('02:');
}

function portSuffix(port: number): string {
  return `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
}

function sumOverThreads(pid: number, file: string, read: (text: string) => number): number {
  let sum = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      sum += read(readFileSync(`/proc/${pid}/task/${thread}/${file}`, 'latin1'));
    } catch {
      // The thread has ended.
    }
  }
  return sum;
}

function numberAfter(text: string, label: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(label));
  return line === undefined ? 0 : Number.parseInt(line.slice(label.length), 10);
}
