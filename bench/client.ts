/** A minimal HTTP/1.1 client on raw sockets: readiness, sizes, content and idle connections. */
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const HOST = '127.0.0.1';
const EXCHANGE_MS = 5000;
/** Pause between two tries to be served: the grain of the start row. */
const LOOK_MS = 2;

/** The request text for `path`, with `Connection: close` where asked. */
export function requestText(path: string, close: boolean): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\n${close ? 'Connection: close\r\n' : ''}\r\n`;
}

/** Connects to 127.0.0.1. Rejects on refusal or after five seconds. */
export function openConnection(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: HOST, port, noDelay: true });
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(EXCHANGE_MS, () => fail(new Error(`no connection to port ${port}`)));
    socket.once('error', fail);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

/**
 * Sends one request and resolves with the whole response once its Content-Length has arrived; the
 * connection stays open. Rejects on an early end, a missing length, surplus bytes or five seconds.
 */
export function exchange(socket: Socket, request: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const finish = (error: Error | undefined): void => {
      clearTimeout(timer);
      socket.off('data', onData);
      socket.off('close', onClose);
      socket.off('error', finish);
      if (error === undefined) resolve(received);
      else reject(error);
    };
    const onClose = (): void => finish(new Error(`closed after ${received.length} bytes`));
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      const expected = responseLength(received);
      if (expected === undefined) return;
      if (Number.isNaN(expected)) finish(new Error('response without Content-Length'));
      else if (received.length > expected) finish(new Error('surplus bytes in the response'));
      else if (received.length === expected) finish(undefined);
    };
    const timer = setTimeout(() => finish(new Error('no response in time')), EXCHANGE_MS);
    socket.on('data', onData);
    socket.once('close', onClose);
    socket.once('error', finish);
    socket.write(request);
  });
}

/** Bytes of the whole response; undefined while its head is incomplete, NaN without a length. */
function responseLength(received: Buffer): number | undefined {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const length = /\r\ncontent-length: (\d+)/i.exec(received.toString('latin1', 0, end));
  return end + 4 + Number(length?.[1] ?? Number.NaN);
}

/** One request on its own connection; resolves with the response. */
export async function fetchOnce(port: number, path: string, close: boolean): Promise<Buffer> {
  const socket = await openConnection(port);
  socket.on('error', () => undefined);
  try {
    return await exchange(socket, requestText(path, close));
  } finally {
    socket.destroy();
  }
}

/**
 * Waits until the listener answers `/` with status 200. Rejects once `stillRunning` is false or
 * the time is over.
 */
export async function waitUntilServing(port: number, stillRunning: () => boolean, seconds: number): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    try {
      const response = await fetchOnce(port, '/', true);
      if (response.toString('latin1', 0, 15) === 'HTTP/1.1 200 OK') return;
      throw new Error(`answered ${response.toString('latin1', 0, 40)}`);
    } catch (error) {
      if (!stillRunning()) throw new Error('ended before it served', { cause: error });
      if (Date.now() > deadline) throw new Error(`not serving after ${seconds} s`, { cause: error });
      await sleep(LOOK_MS);
    }
  }
}

/** SHA-256 and size in bytes of the body at `path`. Rejects on a reset or a status other than 200. */
export async function hashBody(
  port: number,
  path: string,
): Promise<{ readonly digest: string; readonly bytes: number }> {
  const socket = await openConnection(port);
  const hash = createHash('sha256');
  let head: Buffer | undefined = Buffer.alloc(0);
  let bytes = 0;
  const addBody = (chunk: Buffer): void => {
    hash.update(chunk);
    bytes += chunk.length;
  };
  socket.write(requestText(path, true));
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    if (head === undefined) {
      addBody(chunk);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) continue;
    if (!head.toString('latin1', 0, 12).endsWith('200')) throw new Error(head.toString('latin1'));
    addBody(head.subarray(end + 4));
    head = undefined;
  }
  return { digest: hash.digest('hex'), bytes };
}

/** Idle connections held open, each after one small answered request. */
export class IdleConnections {
  readonly #port: number;
  readonly #sockets: Socket[] = [];
  #lost = 0;

  constructor(port: number) {
    this.#port = port;
  }

  /** Connections that ended although nobody asked them to. */
  get lost(): number {
    return this.#lost;
  }

  /** Opens further connections until `count` are held. Rejects with the first failure. */
  async growTo(count: number, concurrency = 32): Promise<void> {
    const request = requestText('/', false);
    const opener = async (): Promise<void> => {
      while (this.#sockets.length < count) {
        const slot = this.#sockets.length;
        const socket = await this.#reserve(slot);
        await exchange(socket, request);
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, count) }, opener));
  }

  async #reserve(slot: number): Promise<Socket> {
    const socket = connect({ host: HOST, port: this.#port, noDelay: true });
    this.#sockets[slot] = socket;
    socket.on('error', () => undefined);
    socket.once('close', () => this.#lost++);
    if (socket.connecting) {
      await new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve);
        socket.once('close', () => reject(new Error(`connection ${slot} failed`)));
      });
    }
    return socket;
  }

  /** Closes all of them. */
  close(): void {
    for (const socket of this.#sockets) {
      socket.removeAllListeners('close');
      socket.destroy();
    }
    this.#sockets.length = 0;
  }
}
