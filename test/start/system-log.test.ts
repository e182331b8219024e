/** Lines to the system's log arrive as syslogd expects them, also after the log was restarted. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ENDPOINT_SIZE, KIND_UNIX, writeEndpoint } from '../../src/base/endpoint.ts';
import { loadFfi, type Ffi } from '../../src/ffi/load.ts';
import { AF_UNIX, encodeSockaddr, SOCKADDR_SIZE } from '../../src/linux/sockaddr.ts';
import { openSystemLog } from '../../src/linux/system-log.ts';
import { needs } from '../support/skip.ts';

const SOCK_DGRAM_NONBLOCK = 0o4002;
const ROOM = 65_536;

/** A log that keeps what it is sent. */
class Log {
  private readonly ffi: Ffi;
  private readonly fd: number;
  private readonly memory: ReturnType<Ffi['reserve']>;

  constructor(ffi: Ffi, path: string) {
    this.ffi = ffi;
    this.memory = ffi.reserve(SOCKADDR_SIZE + ROOM);
    const endpoint = new Uint8Array(ENDPOINT_SIZE);
    writeEndpoint({ kind: KIND_UNIX, path }, endpoint, 0);
    const length = encodeSockaddr(endpoint, 0, new Uint8Array(this.memory.buffer), 0);
    this.fd = ffi.libc.socket(AF_UNIX, SOCK_DGRAM_NONBLOCK, 0);
    expect(ffi.libc.bind(this.fd, this.memory.base, length)).toBe(0);
  }

  next(): string | undefined {
    const length = this.ffi.libc.recv(this.fd, this.memory.base + SOCKADDR_SIZE, ROOM, 0);
    if (length < 0) return undefined;
    return Buffer.from(this.memory.buffer, SOCKADDR_SIZE, length).toString();
  }

  close(): void {
    this.ffi.libc.close(this.fd);
    this.ffi.unmap(this.memory);
  }
}

needs({ linux: true }, 'the system log', () => {
  const { ffi } = loadFfi();
  if (!ffi) throw new Error('Linux has the FFI');
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'log-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('is found at once, so that it is had also when its path is out of reach later', () => {
    const path = join(folder, 'log');
    const log = new Log(ffi, path);
    const tell = openSystemLog(ffi, 'pen', path);
    rmSync(path);
    expect(tell('from inside')).toBe(true);
    expect(log.next()).toMatch(/: from inside$/);
    log.close();
    expect(tell('to nobody')).toBe(false);
  });

  test('a line carries facility user and severity error, the time, the program and its process', () => {
    const path = join(folder, 'log');
    const log = new Log(ffi, path);
    const tell = openSystemLog(ffi, 'pen', path);
    expect(tell('listening on Zürich')).toBe(true);
    expect(log.next()).toMatch(
      new RegExp(String.raw`^<11>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d pen\[${process.pid}\]: listening on Zürich$`),
    );
    expect(log.next()).toBeUndefined();
    log.close();
  });

  test('without a log a line is lost and nothing else; a log that was restarted gets the next one', () => {
    const path = join(folder, 'log');
    const tell = openSystemLog(ffi, 'pen', path);
    expect(tell('nobody hears it')).toBe(false);
    const first = new Log(ffi, path);
    expect(tell('one')).toBe(true);
    first.close();
    rmSync(path);
    const second = new Log(ffi, path);
    expect(tell('two')).toBe(true);
    expect(second.next()).toMatch(/: two$/);
    second.close();
  });

  test('a line that is too long is cut, not refused', () => {
    const path = join(folder, 'log');
    const log = new Log(ffi, path);
    expect(openSystemLog(ffi, 'pen', path)('x'.repeat(100_000))).toBe(true);
    expect(log.next()?.length).toBe(8192);
    log.close();
  });
});
