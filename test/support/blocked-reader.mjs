/// <reference types="node" />
/**
 * A program that blocks in recv(2), the way most programs meet the end of a connection.
 *
 *   node blocked-reader.mjs connect|accept PORT
 *
 * Prints `accepted` when it has a client, and at the end `N bytes, end` or `N bytes, ERROR`.
 */
import { writeSync } from 'node:fs';
import { ENDPOINT_SIZE, writeEndpoint } from '../../dist/base/endpoint.js';
import { errnoName } from '../../dist/base/errno.js';
import { loadFfi } from '../../dist/ffi/load.js';
import { encodeSockaddr } from '../../dist/linux/sockaddr.js';

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const BUFFER_AT = 256;
const ONE_AT = 200;
const KIND_IPV4 = 4;

const [role, port] = process.argv.slice(2);
const { ffi } = loadFfi();
if (!ffi) throw new Error('no native calls');
const memory = ffi.reserve(65_536);
const record = new Uint8Array(ENDPOINT_SIZE);
writeEndpoint({ kind: KIND_IPV4, ip: Uint8Array.of(127, 0, 0, 1), port: Number(port) }, record, 0);
const length = encodeSockaddr(record, 0, new Uint8Array(memory.buffer), 0);

let fd = ffi.libc.socket(AF_INET, SOCK_STREAM, 0);
if (role === 'connect') {
  must(ffi.libc.connect(fd, memory.base, length));
} else {
  new Int32Array(memory.buffer)[ONE_AT >> 2] = 1;
  ffi.libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, memory.base + ONE_AT, 4);
  must(ffi.libc.bind(fd, memory.base, length));
  must(ffi.libc.listen(fd, 8));
  say('listening');
  fd = must(ffi.libc.accept4(fd, 0, 0, 0));
  say('accepted');
}
let total = 0;
let count = 0;
do {
  count = ffi.libc.recv(fd, memory.base + BUFFER_AT, 1024, 0);
  if (count > 0) total += count;
} while (count > 0);
say(`${total} bytes, ${count === 0 ? 'end' : errnoName(count)}`);

/** @param {number} result */
function must(result) {
  if (result < 0) throw new Error(errnoName(result));
  return result;
}

/** @param {string} text */
function say(text) {
  writeSync(1, `${text}\n`);
}
