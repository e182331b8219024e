/**
 * Lines of the log of connections, in JSON: one for each connection of a client that has ended.
 *
 * `level`, `time` and `msg` are those of pino, so that its tools read them.
 * @owner main thread.
 */
import { endpointText, ENDPOINT_SIZE, writeEndpoint } from '../base/endpoint.ts';
import type { Configuration } from '../config/model.ts';
import { endingPeerAt, readEnding } from '../table/endings.ts';
import type { RecordRing } from '../table/records.ts';
import {
  REASON_ABORT,
  REASON_DENIED,
  REASON_IDLE,
  REASON_ORDERLY,
  REASON_REFUSED,
  REASON_STOP,
  REASON_UNSERVED,
} from '../table/schema.ts';
import { farmsAt, type FarmRows } from './farm-rows.ts';
import { serversByRow, type Lines } from './log.ts';

const INFO = 30;
/** More than any line takes: addresses are at most 130 characters. */
const LINE_MAX = 1024;
const BYTES = 2 ** 17;
const LINES_MAX = 2 ** 10;

/** Of an address that is no path. No server in use has port 0: it is that of the listener. */
const NO_PORT = /^([^/]*):0$/;

/** Why a connection has ended, in a word. */
export const ENDS: readonly string[] = (() => {
  const words: string[] = [];
  words[REASON_ORDERLY] = 'orderly';
  words[REASON_ABORT] = 'abort';
  words[REASON_IDLE] = 'idle';
  words[REASON_UNSERVED] = 'unserved';
  words[REASON_STOP] = 'stop';
  words[REASON_DENIED] = 'denied';
  words[REASON_REFUSED] = 'refused';
  return words;
})();

export class ConnectionLines implements Lines {
  readonly bytes = Buffer.allocUnsafe(BYTES);
  readonly ends = new Uint32Array(LINES_MAX);
  length = 0;
  count = 0;
  private servers: readonly string[] = [];
  /** Names of farms by their rows. */
  private farms: ReadonlyMap<number, string> = new Map();
  private offsetMs = 0;

  follow(configuration: Configuration, rows: FarmRows): void {
    this.farms = new Map(farmsAt(rows, configuration).map(({ name, rows: { row } }) => [row, name]));
    const record = new Uint8Array(ENDPOINT_SIZE);
    this.servers = serversByRow(configuration, rows).map((server) => {
      if (!server) return '';
      writeEndpoint(server.endpoint, record, 0);
      return endpointText(record, 0);
    });
  }

  begin(offsetMs: number): void {
    this.offsetMs = offsetMs;
    this.length = this.count = 0;
  }

  add(ring: RecordRing, at: number): boolean {
    if (this.length + LINE_MAX > BYTES || this.count === LINES_MAX) return false;
    this.length += this.bytes.write(`${this.lineOf(ring, at)}\n`, this.length);
    this.ends[this.count++] = this.length;
    return true;
  }

  private lineOf(ring: RecordRing, at: number): string {
    const ending = readEnding(ring, at);
    const { server, startedMs, openedMs, endedMs } = ending;
    return JSON.stringify({
      level: INFO,
      time: Math.round(endedMs + this.offsetMs),
      msg: 'connection',
      // A field that is undefined is left out.
      farm: this.farms.get(ending.farm) || undefined,
      connection: ending.connection,
      client: endpointText(ring.u8, endingPeerAt(at)),
      server: server === 0 ? null : this.serverText(server, ending.port),
      started: new Date(startedMs + this.offsetMs).toISOString(),
      wait_ms: openedMs === 0 ? null : rounded(openedMs - startedMs),
      duration_ms: rounded(endedMs - startedMs),
      bytes_up: ending.bytesUp,
      bytes_down: ending.bytesDown,
      failovers: ending.failovers,
      end: ENDS[ending.reason] ?? 'unknown',
    });
  }

  private serverText(row: number, port: number): string | null {
    return this.servers[row]?.replace(NO_PORT, `$1:${port}`) ?? null;
  }
}

/** To the microsecond, which is more than is known. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
