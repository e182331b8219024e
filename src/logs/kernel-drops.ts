/** Datagrams that the kernel could not keep until we took them, because too many came at once. */
import { openSync, readSync } from 'node:fs';

/** A line for each socket: a number, its address and port in hexadecimal, and so on; the last is what it lost. */
const TABLES = ['/proc/self/net/udp', '/proc/self/net/udp6'];
const TABLE_BYTES = 1024 * 1024;

/** @source proc(5) */
export class KernelDrops {
  private readonly port: string;
  /** Open, since a jail does not have them. */
  private readonly tables: readonly number[];

  /** @param port of a socket of ours. */
  constructor(port: number) {
    this.port = port.toString(16).toUpperCase().padStart(4, '0');
    this.tables = TABLES.flatMap(opened);
  }

  /** How many so far; 0 where the system does not say. */
  count(): number {
    return this.tables.map(textOf).reduce((sum, text) => sum + dropsIn(text, this.port), 0);
  }
}

/** What sockets of a port have lost. @param port as the table has it. */
export function dropsIn(table: string, port: string): number {
  let sum = 0;
  for (const line of table.split('\n')) {
    const words = line.trim().split(/ +/);
    if (words[1]?.endsWith(`:${port}`) === true) sum += Number(words.at(-1));
  }
  return sum;
}

function opened(path: string): number[] {
  try {
    return [openSync(path, 'r')];
  } catch {
    return []; // not Linux, or no IPv6
  }
}

function textOf(fd: number): string {
  const bytes = Buffer.alloc(TABLE_BYTES);
  let length = 0;
  for (let count = -1; count !== 0 && length < TABLE_BYTES; length += count) {
    count = readSync(fd, bytes, length, TABLE_BYTES - length, length);
  }
  return bytes.toString('latin1', 0, length);
}
