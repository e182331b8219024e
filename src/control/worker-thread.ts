/** What main and a worker thread tell each other when they meet, and what the thread runs. */
import { readFileSync } from 'node:fs';
import type { LoopChoice } from '../config/model.ts';

/** Handed to a worker thread when it starts. */
export interface WorkerStart {
  readonly memory: SharedArrayBuffer;
  readonly worker: number;
  readonly slotFirst: number;
  readonly slotCount: number;
  readonly loop: LoopChoice;
  /** Native code that main has loaded; empty: whatever is installed. */
  readonly nativeFile: string;
  /** Wake-ups of all workers, by their numbers. */
  readonly wakeFds: readonly number[];
  /** Its ring of dumps, where anybody could see them. */
  readonly dumps: SharedArrayBuffer | undefined;
  /** Its rings of requests and of connections that have ended, for logs. */
  readonly requests: SharedArrayBuffer | undefined;
  readonly endings: SharedArrayBuffer | undefined;
}

/** Sent by a worker thread once, when its loop stands, or when there is none. */
export interface WorkerReady {
  readonly kind: 'uring' | 'epoll' | 'node' | 'sim' | 'none';
  /** Why it is not the loop that would be best, or none; empty when it is. */
  readonly reason: string;
}

/** What worker threads run. */
export interface WorkerProgram {
  readonly file: URL;
  /** The same for those that take the place of one that has failed. */
  readonly again: () => URL;
}

/**
 * Keeps what later workers run in memory: by then files may have been removed, be out of reach, or be those of another
 * version, whose idea of the tables is not ours.
 *
 * @param whole a file that does what `file` does and imports nothing but what is built into Node.
 * @errors when it cannot be read.
 */
export function keepProgram(file: URL, whole: URL): WorkerProgram {
  const bytes = readFileSync(whole);
  const again = (): URL => {
    // In a stack the program would else stand instead of its name.
    const text = Buffer.concat([bytes, Buffer.from(`\n//# sourceURL=${whole.href}\n`)]);
    return new URL(`data:text/javascript;base64,${text.toString('base64')}`);
  };
  return { file, again };
}
