/**
 * What `penlogd` does with datagrams: those of Pen are remembered, those of web servers become lines with the clients of
 * those. Time is an argument; a line may have to wait for what Pen says about it, and lines keep the order in which they
 * came.
 */
import { plainAddress } from './address-text.ts';
import { escaped } from './escaped.ts';
import { readDatagram } from './pen-record.ts';
import { SeenRequest, SeenRequests } from './seen-requests.ts';
import { requestOf, spellings, withClient } from './web-line.ts';

/** What the original keeps of a request. Beyond it, two are the same when these bytes are. */
const TEXT_BYTES = 99;
/** More than that does not wait: the first lines go as they are. */
const WAITING_LINES_MAX = 10_000;
const WAITING_BYTES_MAX = 16 * 1024 * 1024;

export interface JoinerOptions {
  /** How many requests are remembered, >= 1. */
  readonly requestsMax: number;
  /** How long a line waits for what Pen says about it, in seconds; 0: not at all. */
  readonly waitSeconds: number;
}

/** What became of datagrams. All of them are in one of the first four, but for those from strangers. */
export interface JoinerCounts {
  /** Requests that Pen has told of. */
  requests: number;
  /** Lines with the client that Pen has seen. */
  found: number;
  /** Lines as they came, because nobody was found. */
  missed: number;
  /** Datagrams that are neither. */
  malformed: number;
}

/** A line that is not written yet, and what has been found out about it. */
interface Line {
  readonly text: string;
  readonly until: number;
  readonly keys: readonly string[];
  client: string | undefined;
  isDone: boolean;
}

export class Joiner {
  readonly counts: JoinerCounts = { requests: 0, found: 0, missed: 0, malformed: 0 };
  private readonly options: JoinerOptions;
  private readonly write: (line: string) => void;
  /** By all that Pen has said of a request, and long ones by their beginning as well. */
  private readonly seen = new SeenRequests();
  /** The latest, each in the place of the one that is forgotten for it. */
  private readonly kept: SeenRequest[] = [];
  private readonly lines: Line[] = [];
  private waitingBytes = 0;
  /** Those of them that nobody has been found for, by what they are looking for. */
  private readonly waiting = new Map<string, Line[]>();

  /** @param write takes a line without its end, which has no control characters in it. */
  constructor(options: JoinerOptions, write: (line: string) => void) {
    this.options = options;
    this.write = write;
  }

  /** When the first line has waited long enough. */
  get deadline(): number | undefined {
    return this.lines[0]?.until;
  }

  /**
   * @param bytes of a datagram, each as a character.
   * @param from who sent it, as an address.
   * @param now seconds of a clock that never goes back.
   */
  take(bytes: string, from: string, now: number): void {
    const text = bytes.replace(/\r?\n$/, '');
    if (text.startsWith('+')) this.remember(text, now);
    else if (text === '') this.counts.malformed++;
    else this.takeLine(text, plainAddress(from) ?? from, now);
    this.flush(now);
  }

  /** Writes what need not wait any longer. At the end: with `now` as Infinity. */
  flush(now: number): void {
    let count = 0;
    for (const line of this.lines) {
      const isRoom = this.lines.length - count <= WAITING_LINES_MAX && this.waitingBytes <= WAITING_BYTES_MAX;
      if (!line.isDone && line.until > now && isRoom) break;
      this.finish(line);
      count++;
    }
    this.lines.splice(0, count);
  }

  private remember(text: string, now: number): void {
    const record = readDatagram(text);
    if (!record) {
      this.counts.malformed++;
      return;
    }
    const place = this.counts.requests++ % this.options.requestsMax;
    const oldest = this.kept[place];
    if (oldest) this.seen.forget((one) => one === oldest);
    const seen = new SeenRequest(record.client, now);
    this.kept[place] = seen;
    const keys = [wholeKey(record.server, record.text)];
    if (record.text.length >= TEXT_BYTES) keys.push(beginningKey(record.server, record.text));
    for (const key of keys) this.seen.add(key, seen);
    for (const key of keys) this.wake(key, now);
  }

  /** A line gets what it has been waiting for. */
  private wake(key: string, now: number): void {
    const line = this.waiting.get(key)?.[0];
    if (!line) return;
    line.client = this.search(line.keys, now);
    if (line.client !== undefined) this.settle(line);
  }

  private takeLine(text: string, from: string, now: number): void {
    const request = requestOf(text);
    const keys = request === undefined ? [] : keysOf(from, request);
    const client = this.search(keys, now);
    const isDone = client !== undefined || keys.length === 0 || this.options.waitSeconds === 0;
    const line: Line = { text, keys, client, isDone, until: now + this.options.waitSeconds };
    this.lines.push(line);
    this.waitingBytes += text.length;
    if (isDone) return;
    for (const key of keys) {
      const lines = this.waiting.get(key);
      if (lines) lines.push(line);
      else this.waiting.set(key, [line]);
    }
  }

  private search(keys: readonly string[], now: number): string | undefined {
    for (const key of keys) {
      const client = this.seen.take(key, now, Infinity);
      if (client !== undefined) return client;
    }
    return undefined;
  }

  /** It waits no longer. */
  private settle(line: Line): void {
    line.isDone = true;
    for (const key of line.keys) {
      const lines = this.waiting.get(key) ?? [];
      const at = lines.indexOf(line);
      if (at >= 0) lines.splice(at, 1);
      if (lines.length === 0) this.waiting.delete(key);
    }
  }

  private finish(line: Line): void {
    if (!line.isDone) this.settle(line);
    this.waitingBytes -= line.text.length;
    const client = line.client ?? this.lastOf(line.keys);
    if (client === undefined) this.counts.missed++;
    else this.counts.found++;
    this.write(escaped(client === undefined ? line.text : withClient(line.text, client)));
  }

  /** Nobody is left; but there are requests that Pen tells of once, and web servers more often. */
  private lastOf(keys: readonly string[]): string | undefined {
    for (const key of keys) {
      const client = this.seen.again(key, 0, Infinity);
      if (client !== undefined) return client;
    }
    return undefined;
  }
}

/** What a line is looked for under, best first. */
function keysOf(server: string, request: string): string[] {
  const texts = spellings(request);
  const long = texts.filter((text) => text.length > TEXT_BYTES);
  return [...texts.map((text) => wholeKey(server, text)), ...long.map((text) => beginningKey(server, text))];
}

function wholeKey(server: string, text: string): string {
  return `${server} ${text}`;
}

/** With an end that no request has. */
function beginningKey(server: string, text: string): string {
  return `${server} ${text.slice(0, TEXT_BYTES)}\n`;
}
