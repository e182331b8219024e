/**
 * Lines as datagrams to penlogd, one each. Nobody answers, so what is lost on the way stays unknown, as ever with UDP.
 *
 * @owner main thread.
 */
import { createSocket } from 'node:dgram';
import { setImmediate } from 'node:timers/promises';
import { endpointRecord, KIND_IPV6, type Endpoint, type KIND_UNIX } from '../base/endpoint.ts';
import { errnoName } from '../base/errno.ts';
import { hostText } from '../config/address.ts';
import type { Host } from '../loop/host.ts';
import type { LogTarget } from './log-file.ts';

type IpEndpoint = Exclude<Endpoint, { kind: typeof KIND_UNIX }>;

/** By the system's own means for many datagrams at once, else by Node's. @param bytesMax of lines at once. @errors Error with the reason. */
export function openLogDatagrams(endpoint: IpEndpoint, host: Pick<Host, 'openDatagrams'>, bytesMax: number): LogTarget {
  if (!host.openDatagrams) return byNode(endpoint);
  const record = endpointRecord(endpoint);
  const sender = host.openDatagrams(record, bytesMax);
  if (typeof sender === 'number') throw new Error(errnoName(sender));
  return {
    write: async (bytes, ends) => {
      const lost = sender.send(bytes, ends);
      // Where workers say more than main can send, it would else do nothing but that: no signal, no command.
      await setImmediate();
      return lost;
    },
    // Its name was looked up when the log was said.
    reopen: () => undefined,
    close: () => sender.close(),
  };
}

function byNode(endpoint: IpEndpoint): LogTarget {
  const socket = createSocket(endpoint.kind === KIND_IPV6 ? 'udp6' : 'udp4').unref();
  // What fails is counted where it is sent.
  socket.on('error', () => undefined);
  const address = hostText(endpoint);
  const send = async (piece: Uint8Array): Promise<number> =>
    new Promise((resolve) => {
      socket.send(piece, endpoint.port, address, (error) => resolve(error ? 1 : 0));
    });
  return {
    write: async (bytes, ends) => {
      let from = 0;
      const sent = Array.from(ends, async (end) => {
        const piece = bytes.subarray(from, end);
        from = end;
        return send(piece);
      });
      return (await Promise.all(sent)).reduce((sum, lost) => sum + lost, 0);
    },
    reopen: () => undefined,
    close: () => socket.close(),
  };
}
