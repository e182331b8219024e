/**
 * Several logs of web servers made one, by time, with the clients that Pen has seen: what `mergelogs` does. Reads lines
 * when it needs them, and remembers requests of a window of time only.
 */
import { localOffset, TimeReader } from './log-time.ts';
import { readFileRecord } from './pen-record.ts';
import { SeenRequest, SeenRequests } from './seen-requests.ts';
import { readWebLine, spellings, type WebLine } from './web-line.ts';

/** As much of a request as Pen writes to its file. */
const TEXT_BYTES = 100;

/** Gives the next line, undefined at the end. */
export type NextLine = () => string | undefined;

/** The log of one web server. */
export interface WebLog {
  /** As Pen names the server: an address in its plain form. */
  readonly server: string;
  readonly next: NextLine;
}

export interface MergeOptions {
  /** How far times of Pen and of a web server may differ, in seconds. Infinity: all of Pen's log is remembered. */
  readonly jitter: number;
  /** Seconds to take off Pen's times; then times of web servers are taken as local ones. Undefined: all are in UTC. */
  readonly shift: number | undefined;
}

/** What became of the lines of one log. */
export interface Counts {
  /** Those with a client that Pen has seen. */
  found: number;
  /** Those with the server's address, because nobody was found. */
  missed: number;
  /** Those of another shape, left as they are. */
  strange: number;
}

interface Source extends WebLog {
  /** What Pen has given to its server. */
  readonly seen: SeenRequests;
  readonly times: TimeReader;
  readonly counts: Counts;
  head: WebLine | undefined;
}

/** @cost of a line: constant, and the number of logs. */
export class Merge {
  private readonly pen: NextLine;
  private readonly options: MergeOptions;
  private readonly sources: readonly Source[];
  private readonly seen = new Map<string, SeenRequests>();
  /** Time of the record of Pen that was read last. */
  private readUpTo = -Infinity;
  private isPenAtEnd = false;
  private isBegun = false;
  /** Newest time of a line so far. */
  private newest = -Infinity;
  private readonly write: (line: string) => void;
  private readonly writeStrange: (line: string) => void;

  /** @param writeStrange takes lines of another shape. */
  constructor(
    pen: NextLine,
    logs: readonly WebLog[],
    options: MergeOptions,
    write: (line: string) => void,
    writeStrange = write,
  ) {
    this.pen = pen;
    this.options = options;
    this.write = write;
    this.writeStrange = writeStrange;
    this.sources = logs.map((log) => ({
      ...log,
      seen: this.seenOf(log.server),
      times: new TimeReader(),
      counts: { found: 0, missed: 0, strange: 0 },
      head: undefined,
    }));
  }

  /** Of each log, in their order. */
  get counts(): readonly Readonly<Counts>[] {
    return this.sources.map(({ counts }) => counts);
  }

  /** How many requests are remembered, apart from those that are alike. */
  get keyCount(): number {
    return [...this.seen.values()].reduce((sum, seen) => sum + seen.keyCount, 0);
  }

  /** Merges so many lines, or as many as there are. @returns false at the end. */
  step(lineCount: number): boolean {
    if (!this.isBegun) for (const source of this.sources) this.advance(source);
    this.isBegun = true;
    for (let count = 0; count < lineCount; count++) {
      const source = this.earliest();
      if (!source?.head) return false;
      this.writeLine(source, source.head);
      this.advance(source);
    }
    return true;
  }

  /** The log whose next line is earliest; of several the first. */
  private earliest(): Source | undefined {
    let found: Source | undefined;
    for (const source of this.sources) {
      if (source.head && (!found?.head || source.head.time.epoch < found.head.time.epoch)) found = source;
    }
    return found;
  }

  /** The next line that has a time; others follow the one they stood behind. */
  private advance(source: Source): void {
    for (;;) {
      const line = source.next();
      source.head = line === undefined ? undefined : readWebLine(line, source.times);
      if (line === undefined || source.head) return;
      source.counts.strange++;
      this.writeStrange(line);
    }
  }

  private writeLine(source: Source, line: WebLine): void {
    const client = this.clientOf(source, line);
    if (client === undefined) source.counts.missed++;
    else source.counts.found++;
    this.write(line.with(client ?? source.server));
  }

  private clientOf({ seen }: Source, { time, request }: WebLine): string | undefined {
    const { jitter } = this.options;
    const at = this.penTime(time.epoch);
    this.remember(at);
    const keys = spellings(request).map(keyOf);
    for (const key of keys) {
      const client = seen.take(key, at, jitter);
      if (client !== undefined) return client;
    }
    for (const key of keys) {
      const client = seen.again(key, at, jitter);
      if (client !== undefined) return client;
    }
    return undefined;
  }

  /** What Pen's clock, as it was read, said at that moment. */
  private penTime(epoch: number): number {
    const { shift } = this.options;
    return shift === undefined ? epoch : epoch - localOffset(epoch) + shift;
  }

  /** Reads on in Pen's log, and forgets: twice the jitter, because a log of times of start is not in their order. */
  private remember(at: number): void {
    const { jitter } = this.options;
    this.newest = Math.max(this.newest, at);
    const oldest = this.newest - 2 * jitter;
    for (const seen of this.seen.values()) seen.forget((one) => one.at < oldest);
    while (!this.isPenAtEnd && this.readUpTo <= at + jitter) {
      const line = this.pen();
      const record = line === undefined ? undefined : readFileRecord(line);
      this.isPenAtEnd = line === undefined;
      if (!record) continue;
      this.readUpTo = record.epoch;
      if (record.epoch < oldest) continue;
      // Other servers' requests are nobody's here.
      this.seen.get(record.server)?.add(keyOf(record.text), new SeenRequest(record.client, record.epoch));
    }
  }

  /** One for all logs of a server. */
  private seenOf(server: string): SeenRequests {
    const seen = this.seen.get(server) ?? new SeenRequests();
    this.seen.set(server, seen);
    return seen;
  }
}

function keyOf(text: string): string {
  return text.slice(0, TEXT_BYTES);
}
