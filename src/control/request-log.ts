/**
 * The request log: workers write down what clients say, main makes lines of it and brings them to a file, or to penlogd.
 *
 * Traffic never waits for it. Where lines come faster than they are taken the rings fill, and what finds no room is
 * counted and told of. While nobody says anything nothing runs: the first record after a silence wakes main.
 *
 * @owner main thread.
 */
import { KIND_UNIX } from '../base/endpoint.ts';
import { hostText } from '../config/address.ts';
import { ConfigError, type Configuration, type LogPlace, type ServerConfig } from '../config/model.ts';
import { settingPart } from '../config/parts.ts';
import type { Host } from '../loop/host.ts';
import { openRecordRing, type RecordRing } from '../table/records.ts';
import { createRequestRing } from '../table/requests.ts';
import { openLogDatagrams } from './log-datagrams.ts';
import { LogFile, tryLogFile, type LogTarget } from './log-file.ts';
import { LogLines, safeWord } from './log-lines.ts';
import { ABUSE_ROW, EMERGENCY_ROW, FIRST_SERVER_ROW } from './publisher.ts';

/** From the first record on, until they are taken together. */
const GATHER_MS = 20;
/** Between two messages about lines that were lost. */
const TELL_MS = 10_000;

export interface RequestLogOptions {
  readonly host: Pick<Host, 'openDatagrams'>;
  readonly workers: number;
  readonly say: (text: string) => void;
  /** Time of the tables, and of the wall clock, ms. */
  readonly nowMs: () => number;
  readonly wallMs: () => number;
}

/** Where lines go, ready to take them. */
interface Opened {
  readonly place: LogPlace;
  readonly target: LogTarget;
}

export class RequestLog {
  /** One ring for each worker. */
  readonly memory: readonly SharedArrayBuffer[];
  private readonly rings: readonly RecordRing[];
  private readonly options: RequestLogOptions;
  /** Rings whose first record will wake us. */
  private readonly isHearing: boolean[];
  private readonly lines = new LogLines();
  private servers: readonly Uint8Array[] = [];
  private opened: Opened | undefined;
  /** What lines go to from the next ones on. */
  private next: Opened | undefined;
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> | undefined;
  private isStopping = false;
  /** Lines that the target did not take; and of all that are lost, how many were told of, when. */
  private lost = 0;
  private told = 0;
  private toldMs = -Infinity;

  constructor(options: RequestLogOptions) {
    this.options = options;
    this.memory = Array.from({ length: options.workers }, createRequestRing);
    this.rings = this.memory.map(openRecordRing);
    this.isHearing = this.rings.map(() => false);
  }

  /** Finds out whether what is wanted can be had, and changes nothing. @errors ConfigError. */
  check(configuration: Configuration): void {
    if (configuration.settings.log !== this.next?.place) checkLog(configuration);
  }

  /**
   * Opens what is wanted.
   *
   * @returns what `follow` needs; whoever does not come to that closes it by `forget`. @errors ConfigError.
   */
  open({ settings: { log } }: Configuration): Opened | undefined {
    const { say } = this.options;
    if (!log || log === this.next?.place) return log && this.next;
    const { text, endpoint } = log;
    const target = blamed(log, () =>
      endpoint && endpoint.kind !== KIND_UNIX ? openLogDatagrams(endpoint, this.options.host) : new LogFile(text, say),
    );
    return { place: log, target };
  }

  /** What was opened is not wanted after all. */
  forget(opened: Opened | undefined): void {
    if (opened !== this.next) opened?.target.close();
  }

  /** A configuration is in force, and lines go to what was opened for it. */
  follow(configuration: Configuration, opened: Opened | undefined): void {
    this.servers = textsOf(configuration);
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
    while (this.next && this.takeSome()) await this.writing;
    this.tellOfLost(true);
    this.next?.target.close();
    this.next = this.opened = undefined;
  }

  /** Takes what there is; and again while there is more, or when somebody says something. */
  private take(): void {
    this.timer = undefined;
    if (this.writing || this.isStopping) return;
    if (this.takeSome()) return;
    this.tellOfLost(false);
    if (this.next) this.hear();
  }

  /** @returns whether there was something, which is being written. */
  private takeSome(): boolean {
    this.change();
    const { lines, rings, opened, options } = this;
    lines.begin(this.servers, opened?.place.endpoint ? 'datagrams' : 'file', options.wallMs() - options.nowMs());
    const isAll = rings.map((ring) => ring.drain((at) => lines.add(ring, at))).every(Boolean);
    if (!opened || lines.length === 0) return false;
    this.writing = this.write(opened.target, isAll);
    return true;
  }

  private async write(target: LogTarget, isAll: boolean): Promise<void> {
    const { bytes, length, ends, count } = this.lines;
    this.lost += await target.write(bytes.subarray(0, length), ends.subarray(0, count));
    this.writing = undefined;
    if (this.isStopping) return;
    if (isAll) this.takeLater();
    else this.take();
  }

  /** Nothing is being written now, so the target may change. */
  private change(): void {
    if (this.opened !== this.next) this.opened?.target.close();
    this.opened = this.next;
  }

  private takeLater(): void {
    this.timer ??= setTimeout(() => this.take(), GATHER_MS).unref();
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
    say(`lines of the log that are lost: ${all - this.told}, for want of room, or because they could not be written`);
    this.told = all;
    this.toldMs = nowMs();
  }
}

/** Finds out whether there can be the log that is wanted, and makes none. @errors ConfigError. */
export function checkLog({ settings: { log } }: Configuration): void {
  if (log && !log.endpoint) blamed(log, () => tryLogFile(log.text));
}

/** What lines call the servers, by row. */
function textsOf({ servers, emergency, abuse }: Configuration): Uint8Array[] {
  const texts: Uint8Array[] = [];
  const put = (row: number, server: ServerConfig | undefined): void => {
    texts[row] = safeWord(server ? hostText(server.endpoint) : 'none');
  };
  put(0, undefined);
  put(EMERGENCY_ROW, emergency);
  put(ABUSE_ROW, abuse);
  servers.forEach((server, index) => put(FIRST_SERVER_ROW + index, server));
  return texts;
}

function blamed<T>({ text }: LogPlace, open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw new ConfigError('log', `'${text}' cannot be opened: ${reasonOf(error)}`, settingPart('log'));
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
