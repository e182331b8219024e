import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync, existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Fd } from '../../src/base/brand.ts';
import {
  ENDPOINT_SIZE,
  type Endpoint,
  endpointText,
  KIND_IPV4,
  KIND_IPV6,
  KIND_NONE,
  KIND_UNIX,
  PEER_SIZE,
  writeEndpoint,
} from '../../src/base/endpoint.ts';
import { loadFfi } from '../../src/ffi/load.ts';
import { LinuxHost } from '../../src/linux/host.ts';
import { openLoop } from '../../src/linux/open-loop.ts';
import { bindSockets, IPPROTO_TCP, SO_KEEPALIVE, SOL_SOCKET, TCP_INFO, TCP_NODELAY } from '../../src/linux/sockets.ts';
import type { Host, HostError } from '../../src/loop/host.ts';
import { STOP } from '../../src/loop/loop.ts';

const { ffi } = loadFfi();
const options = { backlog: 16, noDelay: true, keepAlive: true };
const loopback = record({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: 0 });

function record(endpoint: Endpoint): Uint8Array {
  const bytes = new Uint8Array(ENDPOINT_SIZE);
  writeEndpoint(endpoint, bytes, 0);
  return bytes;
}

function unix(path: string): Uint8Array {
  return record({ kind: KIND_UNIX, path });
}

function portOf(endpoint: Uint8Array): number {
  return (endpoint[2]! << 8) | endpoint[3]!;
}

describe.runIf(ffi)('host', () => {
  let host: Host;
  let folder: string;
  const open: Fd[] = [];

  beforeEach(() => {
    host = new LinuxHost(ffi!);
    folder = mkdtempSync(join(tmpdir(), 'host-'));
  });
  afterEach(() => {
    for (const fd of open.splice(0)) host.close(fd);
    rmSync(folder, { recursive: true, force: true });
  });

  function listen(endpoint: Uint8Array, more: { mode?: number; isTrial?: boolean } = {}): Fd {
    const { fd, error } = host.listen(endpoint, { ...options, ...more });
    expect(error).toBeUndefined();
    open.push(fd!);
    return fd!;
  }

  function refusalOf(endpoint: Uint8Array): HostError {
    const { fd, error } = host.listen(endpoint, options);
    if (fd !== undefined) open.push(fd);
    return error!;
  }

  async function isAnswered(target: { port: number; host: string } | { path: string }): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(target);
      socket.on('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
  }

  test('listens on a port that the kernel chooses, and says which', async () => {
    const local = host.localEndpoint(listen(loopback));
    expect(endpointText(local, 0)).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
    expect(await isAnswered({ port: portOf(local), host: '127.0.0.1' })).toBe(true);
    expect(host.localEndpoint(9999 as Fd)[0]).toBe(KIND_NONE);
  });

  test('of a trial nobody can tell, and what is taken is refused all the same', async () => {
    const taken = host.localEndpoint(listen(loopback));
    const path = join(folder, 'trial');
    listen(unix(path), { isTrial: true });
    expect(existsSync(path)).toBe(false);
    host.close(host.listen(unix(path), options).fd!);
    const { ino } = statSync(path);
    listen(unix(path), { isTrial: true });
    expect(statSync(path).ino, 'what a dead process has left').toBe(ino);
    for (const [bad, code] of [
      [join(folder, 'no/trial'), 'ENOENT'],
      [folder, 'EEXIST'],
    ] as const) {
      expect(host.listen(unix(bad), { ...options, isTrial: true }).error?.code, bad).toBe(code);
    }
    const trial = host.localEndpoint(listen(loopback, { isTrial: true }));
    expect(await isAnswered({ port: portOf(trial), host: '127.0.0.1' })).toBe(false);
    expect(host.listen(taken, { ...options, isTrial: true }).error?.code).toBe('EADDRINUSE');
  });

  test('[::] takes IPv4 clients too', async () => {
    const any = record({ kind: KIND_IPV6, ip: new Uint8Array(16), port: 0, scope: 0 });
    const local = host.localEndpoint(listen(any));
    expect(await isAnswered({ port: portOf(local), host: '127.0.0.1' })).toBe(true);
  });

  test('who comes after a change of the listener has its other options, and as many as it says may wait', async () => {
    const fd = listen(loopback);
    const port = portOf(host.localEndpoint(fd));
    const sockets = bindSockets(ffi!);
    const memory = ffi!.reserve(64);
    const words = new Int32Array(memory.buffer);
    /** TCP_NODELAY of an accepted socket. */
    const noDelayOf = (accepted: number): number => {
      words[8] = 4;
      expect(ffi!.libc.getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, memory.base, memory.base + 32)).toBe(0);
      return words[0];
    };
    const accepted: number[] = [];
    for (const noDelay of [true, false, true]) {
      host.tuneListening(fd, { backlog: 16, noDelay });
      const client = connect({ port, host: '127.0.0.1' });
      await new Promise((resolve) => client.once('connect', resolve));
      accepted.push(sockets.acceptOne(fd, new Uint8Array(PEER_SIZE), 0));
      client.destroy();
    }
    open.push(...(accepted as Fd[]));
    expect(accepted.map(noDelayOf)).toEqual([1, 0, 1]);
    for (const backlog of [7, 9]) {
      host.tuneListening(fd, { backlog, noDelay: true });
      words[8] = 32;
      expect(ffi!.libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, memory.base, memory.base + 32)).toBe(0);
      // tcpi_sacked, which is the limit of the queue where a socket listens.
      expect(words[7]).toBe(backlog);
    }
  });

  test('accepted sockets inherit what was asked for, and do not block', async () => {
    const fd = listen(loopback);
    const sockets = bindSockets(ffi!);
    const client = connect({ port: portOf(host.localEndpoint(fd)), host: '127.0.0.1' });
    await new Promise((resolve) => client.once('connect', resolve));
    const accepted = sockets.acceptOne(fd, new Uint8Array(PEER_SIZE), 0);
    expect(accepted).toBeGreaterThan(2);
    const memory = ffi!.reserve(64);
    const words = new Int32Array(memory.buffer);
    for (const [level, name] of [
      [IPPROTO_TCP, TCP_NODELAY],
      [SOL_SOCKET, SO_KEEPALIVE],
    ] as const) {
      words[8] = 4;
      words[0] = 0;
      expect(ffi!.libc.getsockopt(accepted, level, name, memory.base, memory.base + 32)).toBe(0);
      expect(words[0]).toBe(1);
    }
    expect(ffi!.libc.fcntl(accepted, 3, 0) & 0o4000).toBe(0o4000);
    expect(ffi!.libc.fcntl(accepted, 1, 0)).toBe(1);
    // An abort of the connection of a dead worker is one for the client too.
    const failed = new Promise<string>((resolve) => {
      client.once('error', (error: Error & { code?: string }) => resolve(error.code ?? ''));
      client.once('end', () => resolve('end'));
    });
    host.abort(accepted as Fd);
    expect(await failed).toBe('ECONNRESET');
  });

  test('a second instance on the same port is told who and what to do', () => {
    const first = host.localEndpoint(listen(loopback));
    const error = refusalOf(first);
    expect(error.code).toBe('EADDRINUSE');
    expect(error.endpoint).toBe(`127.0.0.1:${portOf(first)}`);
    expect(error.message).toContain(error.endpoint);
    expect(error.help).toContain('ss -ltnp');
  });

  test('a listener may stand beside the one that it replaces, and a second instance is refused all the same', async () => {
    const first = listen(loopback);
    const wide = host.localEndpoint(first);
    const port = portOf(wide);
    const anyAddress = record({ kind: KIND_IPV4, ip: Uint8Array.of(0, 0, 0, 0), port });
    expect(refusalOf(anyAddress).code).toBe('EADDRINUSE');
    const { fd, error } = host.listen(anyAddress, { ...options, beside: first });
    expect(error).toBeUndefined();
    open.push(fd!);
    for (const endpoint of [wide, anyAddress]) expect(refusalOf(endpoint).code).toBe('EADDRINUSE');
    host.stopListening(first);
    const client = connect(port, '127.0.0.1');
    await new Promise((resolve, reject) => client.once('connect', resolve).once('error', reject));
    client.destroy();
    host.stopListening(fd!);
    const late = connect(port, '127.0.0.1');
    expect(await new Promise((resolve) => late.once('error', (e: NodeJS.ErrnoException) => resolve(e.code)))).toBe(
      'ECONNREFUSED',
    );
  });

  test('at a listener that is held nobody new arrives, and who waits there stays', async () => {
    const waitsAt = (fd: Fd): boolean => {
      let is: boolean | undefined;
      host.hasWaiting(fd, (isWaiting) => (is = isWaiting));
      return is!;
    };
    const first = listen(loopback);
    const port = portOf(host.localEndpoint(first));
    expect(waitsAt(first)).toBe(false);
    const early = connect(port, '127.0.0.1');
    await new Promise((resolve) => early.once('connect', resolve));
    expect(waitsAt(first)).toBe(true);
    host.holdNewcomers(first);
    expect(waitsAt(first)).toBe(true);
    const sockets = bindSockets(ffi!);
    const accepted = sockets.acceptOne(first, new Uint8Array(PEER_SIZE), 0);
    open.push(accepted as Fd);
    const heard = new Promise((resolve) => early.once('data', (bytes: Buffer) => resolve(String(bytes))));
    const memory = ffi!.reserve(64);
    new Uint8Array(memory.buffer).set(Buffer.from('hello'));
    expect(ffi!.libc.send(accepted, memory.base, 5, 0)).toBe(5);
    expect(await heard, 'of a connection that stood before').toBe('hello');
    early.destroy();
    // Dropped, not refused: it comes again after a second, and finds the listener that stands there by then.
    const late = connect(port, '127.0.0.1');
    const connected = new Promise<void>((resolve, reject) => late.once('connect', resolve).once('error', reject));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(waitsAt(first)).toBe(false);
    const { fd } = host.listen(record({ kind: KIND_IPV4, ip: new Uint8Array(4), port }), { ...options, beside: first });
    open.push(fd!);
    host.stopListening(first);
    await connected;
    expect(waitsAt(fd!)).toBe(true);
    late.destroy();
    const path = join(folder, 'held');
    const held = listen(unix(path));
    host.holdNewcomers(held);
    expect(existsSync(path)).toBe(false);
  });

  test('an address of another machine is refused with a reason', () => {
    const error = refusalOf(record({ kind: KIND_IPV4, ip: Uint8Array.of(192, 0, 2, 1), port: 0 }));
    expect(error.code).toBe('EADDRNOTAVAIL');
    expect(error.help).toContain('ip_nonlocal_bind');
    expect(refusalOf(new Uint8Array(ENDPOINT_SIZE)).code).toBe('EAFNOSUPPORT');
  });

  test('a unix socket gets its mode, answers, and goes with unlinkOwn', async () => {
    const path = join(folder, 'socket');
    const fd = listen(unix(path), { mode: 0o600 });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(host.localEndpoint(fd)).toEqual(unix(path));
    expect(await isAnswered({ path })).toBe(true);
    host.unlinkOwn(path);
    expect(existsSync(path)).toBe(false);
    host.unlinkOwn(path);
  });

  test('a socket that nobody answers on is taken over', async () => {
    const path = join(folder, 'socket');
    host.close(host.listen(unix(path), options).fd!);
    expect(await isAnswered({ path })).toBe(false);
    listen(unix(path));
    expect(await isAnswered({ path })).toBe(true);
  });

  test('a socket that somebody answers on, and a file that is none, are left alone', async () => {
    const path = join(folder, 'socket');
    const server = createServer().listen(path);
    await new Promise((resolve) => server.once('listening', resolve));
    expect(refusalOf(unix(path)).code).toBe('EADDRINUSE');
    host.unlinkOwn(path);
    expect(await isAnswered({ path })).toBe(true);
    await new Promise((resolve) => server.close(resolve));
    const file = join(folder, 'file');
    writeFileSync(file, 'precious');
    const error = refusalOf(unix(file));
    expect(error.code).toBe('EEXIST');
    expect(error.message).toContain('no socket');
    expect(existsSync(file)).toBe(true);
    const link = join(folder, 'link');
    symlinkSync(file, link);
    expect(refusalOf(unix(link)).code).toBe('EEXIST');
    expect(refusalOf(unix(join(folder, 'no/socket'))).help).toContain('create it');
  });

  test('unlinkOwn leaves a path that has become somebody else’s', () => {
    const path = join(folder, 'socket');
    listen(unix(path));
    rmSync(path);
    writeFileSync(path, 'new owner');
    host.unlinkOwn(path);
    expect(existsSync(path)).toBe(true);
  });

  test('the descriptor limit is raised as far as possible and never lowered', () => {
    const before = host.descriptorLimit();
    expect(before.soft).toBeLessThanOrEqual(before.hard);
    expect(host.raiseDescriptorLimit(10)).toBe(before.soft);
    const raised = host.raiseDescriptorLimit(before.soft + 1);
    expect(raised).toBeGreaterThanOrEqual(before.soft);
    expect(host.raiseDescriptorLimit(2 ** 40)).toBeGreaterThanOrEqual(raised);
  });

  test('a loop is opened by choice, with a reason when it is not the one asked for', () => {
    const kinds = host.loopKinds();
    expect(kinds.map(({ kind }) => kind)).toEqual(['uring', 'epoll']);
    const wakeFd = host.createWake();
    open.push(wakeFd as Fd);
    for (const choice of ['auto', 'epoll'] as const) {
      const { loop, reason } = openLoop(choice, {
        wakeFd,
        sidesMax: 64,
        listenersMax: 4,
        smallCount: 8,
        bigLength: 1 << 20,
      });
      expect(loop?.kind).toBe(choice === 'auto' && kinds[0]!.reason === '' ? 'uring' : 'epoll');
      expect(reason === '').toBe(choice === 'epoll' || kinds[0]!.reason === '');
      host.wake(wakeFd);
      host.wake(wakeFd);
      let turns = 0;
      loop!.run(
        (now) => (turns++ === 0 ? now : STOP),
        () => loop!.destroy(),
      );
    }
  });
});
