/**
 * Lines as datagrams to penlogd, one each. Nobody answers, so what is lost on the way stays unknown, as ever with UDP.
 *
 * @owner main thread.
 */
import { createSocket, type Socket } from 'node:dgram';
import { hostText } from '../config/address.ts';
import { KIND_IPV6, KIND_UNIX, type Endpoint } from '../base/endpoint.ts';
import type { LogTarget } from './log-file.ts';

export class LogDatagrams implements LogTarget {
  private readonly socket: Socket;
  private readonly host: string;
  private readonly port: number;

  /** @param say is told of a socket that fails. */
  constructor(endpoint: Exclude<Endpoint, { kind: typeof KIND_UNIX }>, say: (text: string) => void) {
    this.socket = createSocket(endpoint.kind === KIND_IPV6 ? 'udp6' : 'udp4').unref();
    this.socket.on('error', (error) => say(`cannot send the log: ${error.message}`));
    this.host = hostText(endpoint);
    this.port = endpoint.port;
  }

  async write(bytes: Uint8Array, _length: number, ends: readonly number[]): Promise<number> {
    let from = 0;
    const sent = ends.map(async (end) => {
      const piece = bytes.subarray(from, end);
      from = end;
      return this.send(piece);
    });
    const lost = await Promise.all(sent);
    return lost.reduce((sum, one) => sum + one, 0);
  }

  /** Names were looked up when the log was said. */
  reopen(): void {
    return;
  }

  close(): void {
    this.socket.close();
  }

  private async send(piece: Uint8Array): Promise<number> {
    return new Promise((resolve) => {
      this.socket.send(piece, this.port, this.host, (error) => resolve(error ? 1 : 0));
    });
  }
}
