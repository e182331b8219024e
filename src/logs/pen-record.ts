/** What Pen writes about a request: as a line of its file, or as a datagram. Text is bytes (latin1). */
import { plainAddress } from './address-text.ts';
import { ownText } from './own-text.ts';
import { asPen } from './web-line.ts';

/** A request that came to Pen. */
export interface PenRecord {
  readonly client: string;
  /** In its plain form; what is no address, as it is written. */
  readonly server: string;
  /** What has come first, as far as Pen keeps it. */
  readonly text: string;
}

/** As much as Pen sends; more, from others, is not kept. */
const TEXT_MAX = 1024;
/** A client that has no address: who came by a unix socket. */
const UNIX = 'unix';
const EPOCH = /^\d{1,15}$/;

/** `CLIENT EPOCH SERVER TEXT`. @returns undefined for a line of another shape. */
export function readFileRecord(line: string): (PenRecord & { readonly epoch: number }) | undefined {
  const client = line.indexOf(' ');
  const epoch = line.indexOf(' ', client + 1);
  const server = line.indexOf(' ', epoch + 1);
  const time = line.slice(client + 1, epoch);
  if (client < 1 || epoch < 0 || server < epoch + 2 || !EPOCH.test(time)) return undefined;
  const name = line.slice(epoch + 1, server);
  return {
    client: ownText(line.slice(0, client)),
    epoch: Number(time),
    server: plainAddress(name) ?? name,
    text: asPen(line.slice(server + 1)),
  };
}

/**
 * `+ CLIENT SERVER TEXT`.
 *
 * @returns undefined for another shape, or where client or server is no address: a name would have to be looked up, for
 * whoever sends it.
 */
export function readDatagram(line: string): PenRecord | undefined {
  const [, client = '', server = ''] = /^\+ (\S{1,99}) (\S{1,99})(?: |$)/.exec(line) ?? [];
  const [plainClient, plainServer] = [client === UNIX ? UNIX : plainAddress(client), plainAddress(server)];
  if (plainClient === undefined || plainServer === undefined) return undefined;
  const start = client.length + server.length + 4;
  return { client: plainClient, server: plainServer, text: asPen(line.slice(start, start + TEXT_MAX)) };
}
