/** What runs have done in all. */
import type { Dialogue } from './dialogue.ts';

export interface RunTotals {
  connections: number;
  bytes: number;
  turns: number;
  /** Workers that failed. */
  failures: number;
  /** Bytes of each connection. */
  sizes: Float64Array;
  sizeCount: number;
}

/** Adds what the dialogues of a run have moved. */
export function addSizes(totals: RunTotals, dialogues: readonly Dialogue[]): void {
  for (const { client, session } of dialogues) {
    const bytes = (client?.sent ?? 0) + (session?.sent ?? 0);
    totals.bytes += bytes;
    if (totals.sizeCount === totals.sizes.length) {
      const larger = new Float64Array(totals.sizes.length * 2 + 1024);
      larger.set(totals.sizes);
      totals.sizes = larger;
    }
    totals.sizes[totals.sizeCount++] = bytes;
  }
}
