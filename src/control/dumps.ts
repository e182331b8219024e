/**
 * Dumps of what is transferred, for whoever debugs: workers write pieces into rings, main makes text of them.
 *
 * Nobody waits. While stderr takes nothing, the rings fill; what then finds no room is counted by the worker and told here.
 * The timer runs while there is something to dump, and not at all otherwise.
 *
 * @owner main thread.
 */
import type { Settings } from '../config/model.ts';
import { createDumpRing, DUMP_DEBUG, DUMP_ROWS, dumpBytes, dumpSide } from '../table/dumps.ts';
import { allWorkersPast, currentVersion } from '../table/publish.ts';
import { openRing, type Ring } from '../table/ring.ts';
import type { Tables } from '../table/tables.ts';

/** Between two looks into the rings. */
const LOOK_MS = 20;
/** Looks, ten seconds in all, after which pieces that nobody takes are given up when no more are wanted. */
const LATE_LOOKS = 500;
const TAB = 0x09;
const BLANK = 0x20;
const TILDE = 0x7e;
/** What is written for each byte: made once, since making it for each byte of a flood would keep main from all else. */
const ALL_BYTES = Array.from({ length: 256 }, (_, byte) => byte);
const NUMBERS = ALL_BYTES.map((byte) => `${byte.toString(16).padStart(2, '0')} `);
const CHARACTERS = ALL_BYTES.map((byte) =>
  byte === TAB || (byte >= BLANK && byte <= TILDE) ? String.fromCharCode(byte) : '.',
);

/** Brings one event to a person: a line, and the line of bytes that belongs to it; false, with nothing written, when nobody takes it now. */
export type WriteDump = (about: string, bytes?: string) => boolean;

export class Dumps {
  /** One for each worker. */
  readonly memory: readonly SharedArrayBuffer[];
  private readonly tables: Tables;
  private readonly rings: readonly Ring[];
  private readonly write: WriteDump;
  private timer: NodeJS.Timeout | undefined;
  private isWanted = false;
  private isAscii = false;
  /** A piece that nobody has taken yet. */
  private waiting: readonly [about: string, bytes: string] | undefined;
  /** Pieces that were given up; and of all that were not dumped, how many have been told of. */
  private forgotten = 0;
  private told = 0;
  /** Looks since no more are wanted. */
  private late = 0;

  constructor(tables: Tables, workers: number, write: WriteDump) {
    this.tables = tables;
    this.write = write;
    this.memory = Array.from({ length: workers }, createDumpRing);
    this.rings = this.memory.map(openRing);
  }

  /** Dumps, or stops to, as the settings want that are in force from now on. */
  follow({ debug, ascii }: Settings): void {
    this.isWanted = debug >= DUMP_DEBUG;
    this.isAscii = ascii;
    if (this.isWanted) this.timer ??= this.lookLater();
  }

  /** No worker runs any more: what is left is written, as far as somebody takes it. */
  stop(): void {
    clearTimeout(this.timer);
    if (this.timer) this.drain();
    this.timer = undefined;
  }

  private lookLater(): NodeJS.Timeout {
    return setTimeout(() => this.look(), LOOK_MS).unref();
  }

  private look(): void {
    // Asked first: what a worker writes before it knows better is still taken.
    const isOver = !this.isWanted && allWorkersPast(this.tables, (currentVersion(this.tables) - 1) >>> 0);
    const isAllTaken = this.drain();
    this.late = isOver ? this.late + 1 : 0;
    const isGivenUp = this.late > LATE_LOOKS;
    if (isGivenUp) this.forget();
    this.timer = isGivenUp || (isOver && isAllTaken) ? undefined : this.lookLater();
  }

  /** @returns whether everything there was has been taken. */
  private drain(): boolean {
    return this.rings.map((ring) => this.isDrained(ring)).every(Boolean) && this.isCountTaken();
  }

  /** Takes what is in the ring, as far as somebody takes it. @returns whether that was all there was. */
  private isDrained(ring: Ring): boolean {
    // No more than a ring holds: main has other things to do.
    for (let rows = 0; rows < DUMP_ROWS; rows++) {
      // A reader who has room again a moment later has not taken what is left in the ring.
      if (!this.isTaken()) return false;
      if (ring.drain((at) => (this.waiting = this.textOf(ring, at)), 1) === 0) return true;
    }
    return this.isTaken();
  }

  /** Whether nothing waits to be taken. */
  private isTaken(): boolean {
    if (this.waiting && !this.write(...this.waiting)) return false;
    this.waiting = undefined;
    return true;
  }

  /** Tells how many pieces were not dumped since that was last told, if any. */
  private isCountTaken(): boolean {
    const count = this.rings.reduce((sum, ring) => sum + ring.dropped(), this.forgotten);
    if (count !== this.told && !this.write(`pieces that were not dumped, for want of room: ${count - this.told}`)) {
      return false;
    }
    this.told = count;
    return true;
  }

  /** Dumps that nobody took are not those that somebody asks for later. */
  private forget(): void {
    if (this.waiting) this.forgotten++;
    this.waiting = undefined;
    for (const ring of this.rings) this.forgotten += ring.drain(() => undefined, DUMP_ROWS);
    this.late = 0;
  }

  private textOf(ring: Ring, at: number): readonly [string, string] {
    const side = dumpSide(ring, at);
    const peer = (side & 1) === 0 ? 'client' : 'server';
    return [`connection ${side >> 1}, from the ${peer}`, dumpText(dumpBytes(ring, at), this.isAscii)];
  }
}

/**
 * The number of bytes, then each as two digits and a blank, or as a character.
 *
 * What is no character, or ends or rewrites a line, is a dot: no peer writes a line that looks like one of ours.
 */
export function dumpText(bytes: Uint8Array, isAscii: boolean): string {
  const words = isAscii ? CHARACTERS : NUMBERS;
  let text = `${bytes.length}: `;
  for (const byte of bytes) text += words[byte] ?? '';
  return text;
}
