import { expect, test } from 'vitest';
import type { Fd } from '../../src/base/brand.ts';
import { KIND_IPV4, KIND_NONE, KIND_UNIX } from '../../src/base/endpoint.ts';
import { EAFNOSUPPORT, EAGAIN, EBADF, EINVAL, ENOTCONN } from '../../src/base/errno.ts';
import { loadFfi } from '../../src/ffi/load.ts';
import { bindSockets } from '../../src/linux/sockets.ts';

const { ffi } = loadFfi();
const plain = { noDelay: true, keepAlive: true };

test.runIf(ffi)('opens the kinds we know and refuses others', () => {
  const sockets = bindSockets(ffi!);
  for (const kind of [KIND_IPV4, KIND_UNIX]) {
    const fd = sockets.openStream(kind, plain) as Fd;
    expect(fd).toBeGreaterThan(2);
    expect(sockets.unsent(fd)).toBe(0);
    expect(sockets.progress(fd)).toBe(0);
    expect(sockets.takeError(fd)).toBe(0);
    expect(sockets.setAbortOnClose(fd)).toBe(0);
    expect(sockets.shutdownWrite(fd)).toBe(kind === KIND_UNIX ? 0 : -ENOTCONN);
    expect(sockets.closeFd(fd)).toBe(0);
    expect(sockets.progress(fd)).toBe(-EBADF);
  }
  expect(sockets.openStream(KIND_NONE, plain)).toBe(-EAFNOSUPPORT);
  sockets.destroy();
});

test.runIf(ffi)('accepting reports misuse and an empty backlog instead of spinning', () => {
  const sockets = bindSockets(ffi!);
  const peers = new Uint8Array(48);
  const fds = new Int32Array(3);
  const fd = sockets.openStream(KIND_IPV4, plain) as Fd;
  expect(sockets.acceptOne(fd, peers, 0)).toBe(-EINVAL);
  ffi!.libc.listen(fd, 1);
  expect(sockets.acceptOne(fd, peers, 0)).toBe(-EAGAIN);
  expect(sockets.acceptBurst(fd, 2, fds, peers, 0)).toBe(0);
  expect(fds[0]).toBe(-EAGAIN);
  sockets.closeFd(fd);
  expect(sockets.acceptOne(fd, peers, 0)).toBe(-EBADF);
  sockets.destroy();
});
