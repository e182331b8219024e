/**
 * Many datagrams to one address by one system call.
 *
 * @owner the main thread. @source sendmmsg(2); struct mmsghdr and struct iovec of 64-bit Linux.
 */
import { ENDPOINT_KIND } from '../base/endpoint.ts';
import { EAGAIN } from '../base/errno.ts';
import type { Ffi } from '../ffi/load.ts';
import type { DatagramSender } from '../loop/host.ts';
import { encodeSockaddr, familyOf, SOCKADDR_SIZE } from './sockaddr.ts';
import { MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_NONBLOCK } from './sockets.ts';

const SOCK_DGRAM = 2;
/** Of one call: a quarter of what the kernel takes, so that main has turns between them. */
const BATCH = 256;
const HEADER = 64;
const HEADER_NAME_LENGTH = 8;
const HEADER_IOVEC = 16;
const HEADER_IOVEC_COUNT = 24;
const IOVEC = 16;
const VECTORS_AT = BATCH * HEADER;
const ADDRESS_AT = VECTORS_AT + BATCH * IOVEC;
const BYTES_AT = ADDRESS_AT + SOCKADDR_SIZE;

/**
 * Opens a socket whose datagrams go to `endpoint` (ENDPOINT_SIZE bytes).
 *
 * @param bytesMax that will be sent at once. @returns -errno when there can be none.
 */
export function openDatagrams(ffi: Ffi, endpoint: Uint8Array, bytesMax: number): DatagramSender | number {
  const { libc } = ffi;
  const family = familyOf(endpoint[ENDPOINT_KIND]);
  const fd = libc.socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  const memory = ffi.reserve(BYTES_AT + bytesMax);
  const bytes = new Uint8Array(memory.buffer);
  const view = new DataView(memory.buffer);
  const close = (): void => {
    libc.close(fd);
    ffi.unmap(memory);
  };
  // Not connected: there may be no way to it yet, and what is our own address may change.
  const addressLength = encodeSockaddr(endpoint, 0, bytes, ADDRESS_AT);
  for (let i = 0; i < BATCH; i++) {
    view.setBigUint64(i * HEADER, BigInt(memory.base + ADDRESS_AT), true);
    view.setUint32(i * HEADER + HEADER_NAME_LENGTH, addressLength, true);
    view.setBigUint64(i * HEADER + HEADER_IOVEC, BigInt(memory.base + VECTORS_AT + i * IOVEC), true);
    view.setBigUint64(i * HEADER + HEADER_IOVEC_COUNT, 1n, true);
  }
  const words = new Uint32Array(memory.buffer, VECTORS_AT, (BATCH * IOVEC) / 4);

  /** Has a vector say where a datagram is. Addresses are split into halves: a BigInt for each would be an object. */
  const point = (vector: number, from: number, length: number): void => {
    const address = memory.base + BYTES_AT + from;
    words[vector * 4] = address >>> 0;
    words[vector * 4 + 1] = Math.floor(address / 2 ** 32);
    words[vector * 4 + 2] = length;
  };

  /** @returns how many of them left. */
  const sendSome = (ends: Uint32Array, first: number, count: number): number => {
    for (let i = 0; i < count; i++) {
      const from = first + i === 0 ? 0 : ends[first + i - 1];
      point(i, from, ends[first + i] - from);
    }
    return libc.sendmmsg(fd, memory.base, count, MSG_NOSIGNAL);
  };

  const send = (piece: Uint8Array, ends: Uint32Array): number => {
    bytes.set(piece, BYTES_AT);
    let done = 0;
    let lost = 0;
    while (done < ends.length) {
      const sent = sendSome(ends, done, Math.min(BATCH, ends.length - done));
      if (sent === -EAGAIN) return lost + ends.length - done;
      // One that cannot be sent must not keep the others.
      if (sent <= 0) lost++;
      done += Math.max(sent, 1);
    }
    return lost;
  };
  return { send, close };
}
