/** The loop's end of the channel: does what the host asks for. */
import { BroadcastChannel } from 'node:worker_threads';
import type { Fd } from '../base/brand.ts';
import { CLOSE_ORDERLY } from '../loop/loop.ts';
import { channelName, type Listening, type Request } from './channel.ts';
import { codeOf } from './errors.ts';
import { listenAt } from './listening.ts';
import type { NodeLoop } from './loop.ts';

/** @returns what closes the channel. @owner the loop's thread. */
export function obeyHost(loop: NodeLoop, wakeFd: number): () => void {
  const channel = new BroadcastChannel(channelName(wakeFd));
  channel.onmessage = (event) => {
    const { data } = event as { data: Request };
    if (data.ask === 'wake') loop.wake();
    else if (data.ask === 'tune') loop.tuneListening(data.fd, data.tuning);
    else if (data.ask === 'hold') loop.holdNewcomers(data.fd);
    else if (data.ask === 'waiting') channel.postMessage({ id: data.id, isWaiting: loop.hasWaiting(data.fd) });
    else if (data.ask === 'close') loop.close(data.fd as Fd, CLOSE_ORDERLY);
    else void answer(loop, data).then((answered) => channel.postMessage(answered));
  };
  // The loop itself keeps its thread alive while it runs.
  channel.unref();
  return () => channel.close();
}

async function answer(loop: NodeLoop, { id, endpoint, options }: Request & { ask: 'listen' }): Promise<Listening> {
  try {
    return { id, code: '', ...(await listenAt(loop, endpoint, options)) };
  } catch (error) {
    return { id, fd: -1, endpoint, code: codeOf(error) || String(error) };
  }
}
