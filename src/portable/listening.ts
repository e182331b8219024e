/** Has servers of Node listen as the host contract wants it: in the loop, and for main. */
import { lstatSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import type { Fd } from '../base/brand.ts';
import { ENDPOINT_KIND, ENDPOINT_PORT, KIND_UNIX } from '../base/endpoint.ts';
import type { HostError, ListenOptions } from '../loop/host.ts';
import { CLOSE_ORDERLY } from '../loop/loop.ts';
import { type NetAddress, netAddress } from './addresses.ts';
import { codeOf } from './errors.ts';
import { refusalFor } from './host.ts';
import type { NodeLoop } from './loop.ts';

/** @errors that of Node, with its `code`; EEXIST when the path is a file that is no socket. */
export async function listenAt(
  loop: NodeLoop,
  endpoint: Uint8Array,
  options: ListenOptions,
): Promise<{ readonly fd: Fd; readonly endpoint: Uint8Array }> {
  const isUnix = endpoint[ENDPOINT_KIND] === KIND_UNIX;
  return takingOver(endpoint, async (address) => {
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
  });
}

/**
 * Has a server of main's own listen.
 *
 * @param options `mode` as in the host contract; the rest is the server's.
 * @returns the error, if there is one. @owner main thread: the umask belongs to the process.
 */
export async function listenForMain(
  server: Server,
  endpoint: Uint8Array,
  { backlog, mode }: Pick<ListenOptions, 'backlog' | 'mode'>,
): Promise<HostError | undefined> {
  try {
    await takingOver(endpoint, async (address) => {
      const before = mode === undefined ? undefined : process.umask(0o777 & ~mode);
      try {
        await listening(server, { ...address, backlog });
      } finally {
        if (before !== undefined) process.umask(before);
      }
    });
    return undefined;
  } catch (error) {
    return refusalFor(codeOf(error) || String(error), endpoint);
  }
}

/** @errors that of Node. */
async function listening(server: Server, where: NetAddress & { readonly backlog: number }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Tries to listen; a unix socket that nobody answers on makes room. */
async function takingOver<Result>(
  endpoint: Uint8Array,
  listen: (address: NetAddress) => Promise<Result>,
): Promise<Result> {
  const address = netAddress(endpoint, 0);
  if (!address) throw Object.assign(new Error('no such kind of address'), { code: 'EAFNOSUPPORT' });
  try {
    return await listen(address);
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE' || !('path' in address)) throw error;
    await removeLeftover(address.path);
    return listen(address);
  }
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
