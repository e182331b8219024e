/**
 * A log: workers write records, main makes lines of them and brings them to a file, or to penlogd.
 *
 * Traffic never waits for it. Where lines come faster than they are taken the rings fill, and what finds no room is
 * counted and told of. While nobody says anything nothing runs: the first record after a silence wakes main.
 *
 * @owner main thread.
 */
import { KIND_UNIX } from '../base/endpoint.ts';
import { ConfigError, type Configuration, type LogPlace, type ServerConfig } from '../config/model.ts';
import { settingPart } from '../config/parts.ts';
import type { Host } from '../loop/host.ts';
import { openRecordRing, type RecordRing } from '../table/records.ts';
import { openLogDatagrams } from './log-datagrams.ts';
import { LogFile, tryLogFile, type LogTarget } from './log-file.ts';
import { farmsAt, sizeOf, type FarmRows } from './farm-rows.ts';

/** Until records are taken together: of files, whose readers can wait, and of datagrams, which others wait for. */
const GATHER_MS = 20;
const GATHER_DATAGRAMS_MS = 2;
/** Between two messages about lines that were lost. */
const TELL_MS = 10_000;

export interface LogOptions {
  readonly host: Pick<Host, 'openDatagrams'>;
  readonly workers: number;
  readonly say: (text: string) => void;
  /** Time of the tables, and of the wall clock, ms. */
  readonly nowMs: () => number;
  readonly wallMs: () => number;
}

/** Records as lines, of the same buffer again and again. */
export interface Lines {
  readonly bytes: Uint8Array;
  /** Of which so many are lines. */
  readonly length: number;
  /** Where each of `count` lines ends. */
  readonly ends: Uint32Array;
  readonly count: number;
  /** Knows the servers, and the form of the lines, from now on. @param rows where the servers are. */
  follow(configuration: Configuration, rows: FarmRows): void;
  /** Forgets all lines. @param offsetMs wall clock minus the tables' clock. */
  begin(offsetMs: number): void;
  /** Adds the line of the record at `at`. @returns false, and adds nothing, when there is no room. */
  add(ring: RecordRing, at: number): boolean;
}

/** What kind of log it is. */
export interface LogKind {
  readonly command: string;
  readonly key: 'log' | 'connectionLog';
  readonly createRing: () => SharedArrayBuffer;
  readonly lines: Lines;
}

/** Where lines go, ready to take them. */
export interface Opened {
  readonly place: LogPlace;
  readonly target: LogTarget;
}

export class Log {
  /** One ring for each worker. */
  readonly memory: readonly SharedArrayBuffer[];
  private readonly rings: readonly RecordRing[];
  private readonly kind: LogKind;
  private readonly options: LogOptions;
  /** Rings whose first record will wake us. */
  private readonly isHearing: boolean[];
  private opened: Opened | undefined;
  /** What lines go to from the next ones on. */
  private next: Opened | undefined;
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> | undefined;
  private isStopping = false;
  private firstRing = 0;
  /** Lines that the target did not take; and of all that are lost, how many were told of, when. */
  private lost = 0;
  private told = 0;
  private toldMs = -Infinity;

  constructor(kind: LogKind, options: LogOptions) {
    this.kind = kind;
    this.options = options;
    this.memory = Array.from({ length: options.workers }, kind.createRing);
    this.rings = this.memory.map(openRecordRing);
    this.isHearing = this.rings.map(() => false);
  }

  /** Finds out whether what is wanted can be had, and changes nothing. @errors ConfigError. */
  check({ settings }: Configuration): void {
    const place = settings[this.kind.key];
    if (!isSame(place, this.next?.place)) checkLog(this.kind, place);
  }

  /**
   * Opens what is wanted.
   *
   * @returns what `follow` needs; whoever does not come to that closes it by `forget`. @errors ConfigError.
   */
  open({ settings }: Configuration): Opened | undefined {
    const place = settings[this.kind.key];
    if (!place || isSame(place, this.next?.place)) return place && this.next;
    const { text, endpoint } = place;
    const { host, say } = this.options;
    const { bytes } = this.kind.lines;
    const target = blamed(this.kind, place, () =>
      endpoint && endpoint.kind !== KIND_UNIX ? openLogDatagrams(endpoint, host, bytes.length) : new LogFile(text, say),
    );
    return { place, target };
  }

  /** What was opened is not wanted after all. */
  forget(opened: Opened | undefined): void {
    if (opened !== this.next) opened?.target.close();
  }

  /** A configuration is in force, and lines go to what was opened for it. @param rows where its servers are. */
  follow(configuration: Configuration, rows: FarmRows, opened: Opened | undefined): void {
    // Lines that are left of a log that ends are in its form.
    if (opened) this.kind.lines.follow(configuration, rows);
    if (this.next !== opened && this.next !== this.opened) this.next?.target.close();
    this.next = opened;
    this.take();
  }

  /** Whoever rotates logs has renamed the file: begins it anew. */
  reopen(): void {
    if (!this.next) return;
    try {
      this.next.target.reopen();
    } catch (error) {
      this.options.say(`the log '${this.next.place.text}' goes on where it is: ${reasonOf(error)}`);
    }
  }

  /** No worker runs any more: what is left is written. */
  async stop(): Promise<void> {
    this.isStopping = true;
    clearTimeout(this.timer);
    await this.writing;
    while (this.takeSome()) await this.writing;
    this.tellOfLost(true);
    this.next?.target.close();
    this.next = this.opened = undefined;
  }

  /** Takes what there is; and again while there is more, or when somebody says something. */
  private take(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.writing || this.isStopping) return;
    if (this.takeSome()) return;
    this.tellOfLost(false);
    if (this.next) this.hear();
  }

  /** @returns whether there was something, which is being written. */
  private takeSome(): boolean {
    if (this.next) this.change();
    const { rings, opened, options } = this;
    const { lines } = this.kind;
    lines.begin(options.wallMs() - options.nowMs());
    // Another one is first each time: when there is no room for all, none loses everything.
    this.firstRing = (this.firstRing + 1) % rings.length;
    const inTurn = [...rings.slice(this.firstRing), ...rings.slice(0, this.firstRing)];
    const isAll = inTurn.map((ring) => ring.drain((at) => lines.add(ring, at))).every(Boolean);
    if (!opened) return false;
    if (lines.length === 0) {
      // No worker adds to a log that ends by the time that is followed here, so all that was said to it is in it.
      this.change();
      return false;
    }
    this.writing = this.write(opened.target, isAll);
    return true;
  }

  private async write(target: LogTarget, isAll: boolean): Promise<void> {
    const { bytes, length, ends, count } = this.kind.lines;
    this.lost += await target.write(bytes.subarray(0, length), ends.subarray(0, count));
    this.writing = undefined;
    if (this.isStopping) return;
    this.tellOfLost(false);
    if (isAll) this.takeLater();
    else this.take();
  }

  /** Nothing is being written now, so the target may change. */
  private change(): void {
    if (this.opened !== this.next) this.opened?.target.close();
    this.opened = this.next;
  }

  private takeLater(): void {
    const gatherMs = this.next?.place.endpoint ? GATHER_DATAGRAMS_MS : GATHER_MS;
    this.timer ??= setTimeout(() => this.take(), gatherMs).unref();
  }

  private hear(): void {
    this.rings.forEach((ring, worker) => {
      if (this.isHearing[worker] !== true) void this.hearFrom(ring, worker);
    });
  }

  private async hearFrom(ring: RecordRing, worker: number): Promise<void> {
    this.isHearing[worker] = true;
    const { words, at, value } = ring.bell();
    await Atomics.waitAsync(words, at, value).value;
    this.isHearing[worker] = false;
    this.takeLater();
  }

  private tellOfLost(isLast: boolean): void {
    const { nowMs, say } = this.options;
    const all = this.rings.reduce((sum, ring) => sum + ring.dropped(), this.lost);
    if (all === this.told || (!isLast && nowMs() - this.toldMs < TELL_MS)) return;
    say(
      `${this.kind.command}: ${all - this.told} lines are lost, for want of room, or because they could not be written`,
    );
    this.told = all;
    this.toldMs = nowMs();
  }
}

/** What is at each row of the servers' table. */
export function serversByRow(configuration: Configuration, rows: FarmRows): (ServerConfig | undefined)[] {
  const found: (ServerConfig | undefined)[] = Array.from({ length: sizeOf(rows).servers }, () => undefined);
  for (const { farm, rows: at } of farmsAt(rows, configuration)) {
    found[at.emergency] = farm.emergency;
    found[at.abuse] = farm.abuse;
    for (let index = 0; index < at.count; index++) found[at.servers[index] ?? 0] = farm.servers[index];
  }
  found[0] = undefined;
  return found;
}

/** Finds out whether there can be the log that is wanted, and makes none. @errors ConfigError. */
export function checkLog(kind: Pick<LogKind, 'command' | 'key'>, place: LogPlace | undefined): void {
  if (place && !place.endpoint) blamed(kind, place, () => tryLogFile(place.text));
}

/** The same place, which stays open. */
function isSame(one: LogPlace | undefined, other: LogPlace | undefined): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

function blamed<T>({ command, key }: Pick<LogKind, 'command' | 'key'>, { text }: LogPlace, open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw new ConfigError(command, `'${text}' cannot be opened: ${reasonOf(error)}`, settingPart(key));
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
