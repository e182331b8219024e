/** Opens a listener of the node loop as the host contract wants it. */
import { lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import type { Fd } from '../base/brand.ts';
import { ENDPOINT_KIND, ENDPOINT_PORT, KIND_UNIX } from '../base/endpoint.ts';
import type { ListenOptions } from '../loop/host.ts';
import { CLOSE_ORDERLY } from '../loop/loop.ts';
import { netAddress } from './addresses.ts';
import { codeOf } from './errors.ts';
import type { NodeLoop } from './loop.ts';

/** @errors that of Node, with its `code`; EEXIST when the path is a file that is no socket. */
export async function listenAt(
  loop: NodeLoop,
  endpoint: Uint8Array,
  options: ListenOptions,
): Promise<{ readonly fd: Fd; readonly endpoint: Uint8Array }> {
  try {
    return await listenOnce(loop, endpoint, options);
  } catch (error) {
    const address = netAddress(endpoint, 0);
    if (codeOf(error) !== 'EADDRINUSE' || !address || !('path' in address)) throw error;
    await removeLeftover(address.path);
    return listenOnce(loop, endpoint, options);
  }
}

async function listenOnce(loop: NodeLoop, endpoint: Uint8Array, options: ListenOptions): ReturnType<typeof listenAt> {
  const address = netAddress(endpoint, 0);
  if (!address) throw Object.assign(new Error('no such kind of address'), { code: 'EAFNOSUPPORT' });
  const isUnix = endpoint[ENDPOINT_KIND] === KIND_UNIX;
  const { fd, listener } = loop.listen(address, isUnix, options);
  try {
    await listener.listening;
  } catch (error) {
    loop.close(fd, CLOSE_ORDERLY);
    throw error;
  }
  const real = endpoint.slice();
  if (!isUnix) new DataView(real.buffer).setUint16(ENDPOINT_PORT, listener.port);
  return { fd, endpoint: real };
}

/** Removes a unix socket that nobody answers on. @errors EEXIST for another kind of file, EADDRINUSE when it is alive. */
async function removeLeftover(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === false) {
    throw Object.assign(new Error('no socket'), { code: 'EEXIST' });
  }
  const code = await answerOf(path);
  // Whatever is not a clear refusal counts as alive: taking over somebody's socket is the worse mistake.
  if (code !== 'ECONNREFUSED') throw Object.assign(new Error('in use'), { code: code === '' ? 'EADDRINUSE' : code });
  unlinkSync(path);
}

async function answerOf(path: string): Promise<string> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve('');
    });
    probe.once('error', (error) => resolve(codeOf(error)));
  });
}
